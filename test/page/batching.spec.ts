import AxeBuilder from '@axe-core/playwright';
import { expect, test } from '@playwright/test';
import type { Page } from '@playwright/test';
import { ready } from './support/ready.ts';

const start = (page: Page) => page.getByRole('button', { name: 'Start' });
const stop = (page: Page) => page.getByRole('button', { name: 'Stop' });
const rate = async (page: Page, way: 'on' | 'off'): Promise<number> =>
  Number(await page.locator(`#${way}-rate`).textContent());

test('many callers: both ways are measured in turn, and what a batch costs is drawn', async ({ page }) => {
  await ready(page);
  await expect(page.locator('#load-results')).toBeHidden();
  await page.getByRole('slider', { name: 'Load' }).fill('24');
  await expect(page.locator('#caller-count')).toHaveText('24 callers');
  await start(page).click();
  await expect.poll(() => rate(page, 'off'), { timeout: 60_000 }).toBeGreaterThan(0);
  await expect.poll(() => rate(page, 'on'), { timeout: 60_000 }).toBeGreaterThan(0);
  await expect(page.locator('#on-p95')).toContainText('ms');
  await expect(page.locator('#costs')).toHaveAttribute('aria-label', /What a batch costs, as measured: 1 in .* ms/);
  await expect(page.locator('#rates circle')).toHaveCount(2);
  await expect(page.locator('#batching')).not.toBeEmpty();
  await stop(page).click();
  await expect(start(page)).toBeEnabled();
  // Who searches meanwhile is served as ever.
  await page.getByRole('searchbox').fill('pets');
  await expect(page.locator('#results li')).toHaveCount(8);
});

for (const colorScheme of ['light', 'dark'] as const) {
  test(`fits a phone under load, and passes axe in ${colorScheme} mode`, async ({ page }) => {
    await page.emulateMedia({ colorScheme });
    await page.setViewportSize({ width: 360, height: 740 });
    await ready(page);
    await start(page).click();
    await expect.poll(() => rate(page, 'on'), { timeout: 60_000 }).toBeGreaterThan(0);
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(360);
    const { violations } = await new AxeBuilder({ page }).analyze();
    expect(violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)])).toEqual([]);
    await stop(page).click();
  });
}
