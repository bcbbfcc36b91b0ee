import AxeBuilder from '@axe-core/playwright';
import { expect, test } from '@playwright/test';
import { ready } from './support/ready.ts';

test('the ways of running the model that were tried are told, beside the reference, and who answers', async ({
  page,
}) => {
  await ready(page);
  const ways = page.getByRole('region', { name: 'Ways of running it' });
  const rows = ways.getByRole('listitem');
  await expect(rows.first()).toContainText('one thread', { timeout: 60_000 });
  // The emulated GPU is none of them.
  await expect(ways.getByText(/was chosen|answers all calls/)).toBeVisible({ timeout: 60_000 });
  await expect(ways.getByText('webgpu')).toHaveCount(0);
  await expect(rows.first()).toContainText(/ ms beside .* ms|Refused/);
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme });
    const { violations } = await new AxeBuilder({ page }).include('#ways').analyze();
    expect(violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)])).toEqual([]);
  }
  await page.setViewportSize({ width: 360, height: 740 });
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(360);
});
