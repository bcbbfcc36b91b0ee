import AxeBuilder from '@axe-core/playwright';
import { expect, test } from '@playwright/test';
import type { Page } from '@playwright/test';
import { ready } from './support/ready.ts';

const results = (page: Page) => page.locator('#results li');
const query = (page: Page) => page.getByRole('searchbox');

test('finds by meaning, in a worker, on WebAssembly', async ({ page }) => {
  await ready(page);
  await expect(page.locator('#backend')).toHaveText('wasm in a worker');
  await query(page).fill('a telescope saw the moons of a planet');
  await expect(results(page).first()).toContainText('The telescope showed four moons of Jupiter.');
  await query(page).fill('pets');
  await expect(results(page)).toHaveCount(8);
  await expect(page.locator('#map circle.found')).toHaveCount(8);
  await expect(page.locator('#heat td.heat')).toHaveCount(64);
});

test('a repeated query is a hit', async ({ page }) => {
  await ready(page);
  await query(page).fill('music');
  await expect(results(page)).toHaveCount(8);
  await query(page).fill('money');
  await expect(results(page).first()).not.toContainText('melody');
  await query(page).fill('music');
  await expect(page.locator('#cache')).toContainText('1 from memory');
  await expect(page.locator('#calls .call').last()).toHaveClass(/cache/);
});

test('typing fast shows only the last query, and never loads the model again', async ({ page }) => {
  const models: string[] = [];
  page.on('request', (request) => request.url().endsWith('.onnx') && models.push(request.url()));
  await ready(page);
  // The search for faster ways reads it too.
  await expect(page.getByText(/was chosen|answers all calls/)).toBeVisible({ timeout: 60_000 });
  const before = models.length;
  await query(page).pressSequentially('the train was late because of the snow');
  await expect(results(page).first()).toContainText('The train was late because of snow on the tracks.');
  await expect(page.locator('#flight')).toHaveText('0');
  expect(models).toHaveLength(before);
});

test('works by keyboard alone', async ({ page }) => {
  await ready(page);
  await expect(query(page)).toBeFocused();
  await page.keyboard.type('animals');
  await expect(results(page)).toHaveCount(8);
  await page.keyboard.press('ArrowDown');
  await expect(results(page).first()).toBeFocused();
  await page.keyboard.press('ArrowDown');
  await expect(results(page).nth(1)).toBeFocused();
  await page.keyboard.press('/');
  await expect(query(page)).toBeFocused();
  await expect(query(page)).toHaveValue('animals');
});

test('fits a phone', async ({ page }) => {
  await page.setViewportSize({ width: 360, height: 740 });
  await ready(page);
  await query(page).fill('sport');
  await expect(results(page)).toHaveCount(8);
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(360);
});

for (const colorScheme of ['light', 'dark'] as const) {
  test(`passes axe in ${colorScheme} mode: loading, empty, found`, async ({ page }) => {
    await page.emulateMedia({ colorScheme });
    const check = async (): Promise<void> => {
      const { violations } = await new AxeBuilder({ page }).analyze();
      expect(violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)])).toEqual([]);
    };
    await page.goto('/');
    await check();
    await expect(page.getByRole('status')).toHaveText('Ready. Type anything.', { timeout: 60_000 });
    await check();
    await query(page).fill('computers that fail');
    await expect(results(page)).toHaveCount(8);
    await check();
  });
}

test('a model that is missing is said clearly, and can be tried again', async ({ page }) => {
  await page.route('**/*.onnx', (route) => route.fulfill({ status: 404, body: 'gone' }));
  await page.goto('/');
  await expect(page.getByRole('alert')).toContainText('There is no model at');
  const { violations } = await new AxeBuilder({ page }).analyze();
  expect(violations.map(({ id }) => id)).toEqual([]);
  await page.unroute('**/*.onnx');
  await page.getByRole('button', { name: 'Try again' }).click();
  await expect(page.getByRole('status')).toHaveText('Ready. Type anything.', { timeout: 60_000 });
  await expect(page.getByRole('alert')).toBeHidden();
});

test('a script tag is enough', async ({ page }) => {
  await page.goto('/script-tag.html');
  await expect(page.locator('#out')).toHaveText('wasm: 1 × 512 numbers, the first is 0.0466', { timeout: 60_000 });
});
