/** A Chromium of its own for a test, and the small program that pages run to prove that a host works. */

import { chromium } from 'playwright';
import type { Page } from 'playwright';
import { onTestFinished } from 'vitest';
import { chromiumArgs, chromiumPath } from '../../helpers/chromium.ts';

export interface Outcome {
  readonly error?: string;
  readonly code?: string;
  readonly dims?: readonly number[];
  readonly host?: string;
  readonly warnings?: readonly string[];
  readonly isolated: boolean;
  readonly secure: boolean;
}

/** A page's program: loads the sentence encoder and runs it once. `options` is JavaScript. */
export function program(importFrom: string, modelUrl: string, options = '{}'): string {
  return `
    import { load, tensor } from ${JSON.stringify(importFrom)};
    const about = { isolated: crossOriginIsolated, secure: isSecureContext };
    try {
      const model = await load(${JSON.stringify(modelUrl)}, ${options});
      const { sentence_embedding } = await model.run({
        input_ids: tensor('int64', [4, 17, 98, 250], [1, 4]),
        attention_mask: tensor('int64', [1, 1, 1, 1], [1, 4]),
      });
      const { host, warnings } = model.backendReport;
      globalThis.outcome = { ...about, dims: sentence_embedding.dims, host, warnings };
      await model.close();
    } catch (error) {
      globalThis.outcome = { ...about, error: String(error), code: error.code };
    }`;
}

export function scriptPage(script: string): string {
  return `<!doctype html><html lang="en"><title>epochly</title><script type="module" src="${script}"></script></html>`;
}

/** Opens a page and waits for what its program says. */
export async function outcomeOf(url: string, args: readonly string[] = []): Promise<Outcome> {
  const browser = await chromium.launch({ executablePath: chromiumPath(), args: [...chromiumArgs(false), ...args] });
  onTestFinished(() => browser.close());
  const page: Page = await browser.newPage();
  const messages: string[] = [];
  page.on('console', (message) => messages.push(message.text()));
  page.on('pageerror', (error) => messages.push(String(error)));
  await page.goto(url);
  try {
    await page.waitForFunction(() => 'outcome' in globalThis, undefined, { timeout: 60_000 });
  } catch (cause) {
    throw new Error(`The page said nothing; its console: ${messages.join('\n')}`, { cause });
  }
  return page.evaluate(() => (globalThis as unknown as { outcome: Outcome }).outcome);
}
