/** Opens the demo page. */

import { expect } from '@playwright/test';
import type { Page } from '@playwright/test';

/** With its model open and its sentences embedded. */
export async function ready(page: Page): Promise<void> {
  await page.goto('/');
  await expect(page.getByRole('status')).toHaveText('Ready. Type anything.', { timeout: 60_000 });
}
