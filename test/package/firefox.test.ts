/** dist/epochly.js by a script tag in Firefox, where there is one: set FIREFOX_PATH, or install Debian's firefox-esr. */

import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ort, USE_LITE, useLiteFeeds } from '../helpers/models.ts';
import { scriptPage } from './support/browser.ts';
import { firefoxPath, openInFirefox } from './support/firefox.ts';
import { root, serve } from './support/static-server.ts';

const ISOLATED = { 'Cross-Origin-Opener-Policy': 'same-origin', 'Cross-Origin-Embedder-Policy': 'require-corp' };
const CDN_HEADERS = { 'Access-Control-Allow-Origin': '*', 'Cross-Origin-Resource-Policy': 'cross-origin' };
const IDS = [4, 17, 98, 250];

const page = (from: string, options: string): string => `
  import { listBackends, load, tensor } from '${from}/dist/epochly.js';
  const report = async () => {
    const model = await load('/models/use-lite/model_fp32.onnx', ${options});
    const run = () => model.run({
      input_ids: tensor('int64', ${JSON.stringify(IDS)}, [1, ${IDS.length}]),
      attention_mask: tensor('int64', ${JSON.stringify(IDS.map(() => 1))}, [1, ${IDS.length}]),
    });
    const [{ sentence_embedding: first }, { sentence_embedding: again }] = [await run(), await run()];
    const { host, backend, warnings } = model.backendReport;
    await model.close();
    return { dims: first.dims, data: Array.from(first.data), again: Array.from(again.data), host, backend, warnings };
  };
  const about = { isolated: crossOriginIsolated, browser: navigator.userAgent };
  const outcome = await report().catch((error) => ({ error: String(error) }));
  await fetch('/', { method: 'POST', body: JSON.stringify({ ...about, ...outcome }) });`;

/** What the page in Firefox posts. */
async function outcomeOf(
  options: string,
  { from = '', headers = {} }: { readonly from?: string; readonly headers?: Readonly<Record<string, string>> } = {},
): Promise<Record<string, unknown>> {
  const posted = await new Promise<string>((resolve, reject) => {
    serve({
      folders: { '/dist/': join(root, 'dist'), '/models/': join(root, 'demo/models') },
      pages: { '/': scriptPage('/main.js') },
      scripts: { '/main.js': page(from, options) },
      headers: () => headers,
      onPost: resolve,
    }).then(({ origin }) => openInFirefox(origin), reject);
  });
  return JSON.parse(posted) as Record<string, unknown>;
}

if (firefoxPath === undefined) console.warn('Firefox is not tested: none is installed, and FIREFOX_PATH names none.');

describe.skipIf(firefoxPath === undefined)('in Firefox', { timeout: 90_000 }, () => {
  test.each([
    ['in a worker', '{}', {}, 'worker'],
    ['in a worker with threads, where the page is isolated', '{}', { headers: ISOLATED }, 'worker'],
    ['in place', "{ host: 'inline' }", {}, 'inline'],
  ])('a sentence is encoded as in Node, %s', async (_name, options, how, host) => {
    const { data, again, ...others } = await outcomeOf(options, how);
    expect(others).toEqual({
      browser: expect.stringContaining('Firefox/'),
      isolated: 'headers' in how,
      dims: [1, 512],
      host,
      backend: 'wasm',
      warnings: [],
    });
    const session = await ort.InferenceSession.create(USE_LITE);
    const expected = (await session.run(useLiteFeeds(...IDS)))['sentence_embedding']?.data as Float32Array;
    const difference = (data as readonly number[]).map((each, i) => Math.abs(each - (expected[i] as number)));
    expect(difference).toHaveLength(512);
    expect(Math.max(...difference)).toBeLessThan(1e-5);
    expect(again).toEqual(data);
  });

  test('a worker opens from another origin', async () => {
    const cdn = await serve({ folders: { '/dist/': join(root, 'dist') }, headers: () => CDN_HEADERS });
    expect(await outcomeOf('{}', { from: cdn.origin })).toMatchObject({
      dims: [1, 512],
      host: 'worker',
      warnings: [],
    });
  });
});
