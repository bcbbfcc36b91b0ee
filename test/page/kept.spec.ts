import AxeBuilder from '@axe-core/playwright';
import { expect, test } from '@playwright/test';
import type { Page } from '@playwright/test';
import { ready } from './support/ready.ts';

const query = (page: Page) => page.getByRole('searchbox');
const calls = (page: Page, kind: string) => page.locator(`#calls .${kind}`);
const forget = (page: Page) => page.getByRole('button', { name: 'Forget' });

async function ask(page: Page, text: string): Promise<void> {
  await query(page).fill(text);
  await expect(page.locator('#results li')).toHaveCount(8);
}

test('answers survive a reload, and are gone once they are forgotten', async ({ page }) => {
  await ready(page);
  await ask(page, 'music');
  await expect(calls(page, 'model').last()).toBeVisible();
  const results = await page.locator('#results').textContent();
  await expect(page.locator('#kept')).toHaveText(/^101 answers, \d+ kB, sealed$/);

  await ready(page);
  await ask(page, 'music');
  expect(await page.locator('#results').textContent()).toBe(results);
  await expect(calls(page, 'kept').last()).toBeVisible();
  await expect(calls(page, 'model')).toHaveCount(0);
  await expect(page.locator('#cache')).toHaveText('0 from memory, 101 kept, 0 by the model');

  await forget(page).click();
  await expect(page.locator('#kept')).toHaveText('0 answers, 0 bytes, sealed');
  await expect(forget(page)).toBeDisabled();
  await ready(page);
  await ask(page, 'music');
  await expect(calls(page, 'kept')).toHaveCount(0);
  await expect(calls(page, 'model').last()).toBeVisible();
  expect(await page.locator('#results').textContent()).toBe(results);
});

test('what is forgotten in one tab is forgotten in the other', async ({ page, context }) => {
  await ready(page);
  await ask(page, 'music');
  const other = await context.newPage();
  await ready(other);
  await ask(other, 'music');
  await expect(calls(other, 'model')).toHaveCount(0);
  await forget(page).click();
  await expect(page.locator('#kept')).toHaveText('0 answers, 0 bytes, sealed');
  await expect
    .poll(async () => {
      await ask(other, 'animals');
      await ask(other, 'music');
      return calls(other, 'model').count();
    })
    .toBeGreaterThan(1);
});

test('a browser that keeps nothing is said, and all else works', async ({ page }) => {
  await page.addInitScript(() => {
    IDBFactory.prototype.open = () => {
      throw new DOMException('denied', 'SecurityError');
    };
  });
  await ready(page);
  await ask(page, 'music');
  await expect(page.locator('#kept')).toHaveText('nothing: this browser has no place for it here');
  await expect(forget(page)).toBeHidden();
  const { violations } = await new AxeBuilder({ page }).analyze();
  expect(violations.map(({ id }) => id)).toEqual([]);
});
