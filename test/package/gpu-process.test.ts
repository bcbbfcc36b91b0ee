/** A GPU process that is killed, as by a driver, while a model runs on WebGPU: in a Chromium of its own, which bears a grudge for it. */

import { expect, onTestFinished, test } from 'vitest';
import { openPage } from '../helpers/chromium-page.ts';
import type { OpenedPage } from '../helpers/chromium-page.ts';
import type { GpuPage } from './support/gpu-page.ts';
import { root } from './support/static-server.ts';

declare const gpuPage: GpuPage;

async function open(backend: 'webgpu' | 'auto'): Promise<OpenedPage> {
  const opened = await openPage({ root, script: 'test/package/support/gpu-page.ts', webgpu: true });
  onTestFinished(() => opened.close());
  await opened.page.evaluate((name) => gpuPage.open(name), backend);
  return opened;
}

/** What eight calls at once get while it is killed, and eight after one another from then on. */
async function killMeanwhile({ browser, page }: OpenedPage): Promise<{ during: string[]; after: string[] }> {
  const waiting = page.evaluate(() => Promise.all(Array.from({ length: 8 }, () => gpuPage.ask())));
  const session = await browser.newBrowserCDPSession();
  await session.send('Browser.crashGpuProcess');
  const during = await waiting;
  const after: string[] = [];
  for (let i = 0; i < 8; i++) after.push(await page.evaluate(() => gpuPage.ask()));
  return { during, after };
}

const RIGHT = Array.from({ length: 7 }, () => 'right');

test('by name: who waits is answered or told so, and the next call is served by a new host', async () => {
  const opened = await open('webgpu');
  expect(await opened.page.evaluate(() => gpuPage.ask())).toBe('right');
  const { during, after } = await killMeanwhile(opened);
  for (const each of during) expect(['right', 'HOST_FAILED']).toContain(each);
  // Where nobody waited when it was lost, the first to ask is told.
  expect(['right', 'HOST_FAILED']).toContain(after[0]);
  expect(after.slice(1)).toEqual(RIGHT);
  expect([...during, ...after]).toContain('HOST_FAILED');
});

test("by 'auto', while WebGPU answers: every call is answered, and rightly", async () => {
  const opened = await open('auto');
  const { page } = opened;
  let chosen: string | undefined;
  for (let call = 0; call < 500 && chosen === undefined; call++) {
    expect(await page.evaluate(() => gpuPage.ask())).toBe('right');
    chosen = await page.evaluate(() => gpuPage.chosen());
  }
  expect(chosen).toMatch(/^webgpu/);
  const { during, after } = await killMeanwhile(opened);
  expect([...during, ...after]).toEqual(['right', ...RIGHT, 'right', ...RIGHT]);
});
