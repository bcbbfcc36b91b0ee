/** dist/epochly.js by a script tag, in every situation that decides how its host can be opened. */

import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { outcomeOf, program, scriptPage } from './support/browser.ts';
import { root, serve } from './support/static-server.ts';
import type { StaticServer } from './support/static-server.ts';

const dist = { '/dist/': join(root, 'dist') };
const model = { '/models/': join(root, 'demo/models') };
const MODEL_PATH = '/models/use-lite/model_fp32.onnx';
const ISOLATED = { 'Cross-Origin-Opener-Policy': 'same-origin', 'Cross-Origin-Embedder-Policy': 'require-corp' };
const CDN_HEADERS = { 'Access-Control-Allow-Origin': '*', 'Cross-Origin-Resource-Policy': 'cross-origin' };

/** A site with a page and its script; the package may be on another origin. */
async function site({
  cdn,
  csp,
  cspEverywhere = false,
  isolate = false,
  options,
  hostHeaders = true,
}: {
  readonly cdn?: StaticServer;
  readonly csp?: string;
  /** A worker from a URL is under the policy of its own answer, not under the page's. */
  readonly cspEverywhere?: boolean;
  readonly isolate?: boolean;
  readonly options?: string;
  readonly hostHeaders?: boolean;
} = {}): Promise<StaticServer> {
  const from = `${cdn?.origin ?? ''}/dist/epochly.js`;
  return serve({
    folders: { ...(cdn === undefined && dist), ...model },
    pages: { '/': scriptPage('/main.js') },
    scripts: { '/main.js': program(from, MODEL_PATH, options) },
    headers: (path) => ({
      ...(csp !== undefined && (cspEverywhere || path === '/') && { 'Content-Security-Policy': csp }),
      ...(isolate && (hostHeaders || !path.startsWith('/dist/workers/')) && ISOLATED),
    }),
  });
}

const cdnServer = (): Promise<StaticServer> => serve({ folders: dist, headers: () => CDN_HEADERS });

describe('a worker opens', () => {
  test('from the same origin', async () => {
    const { origin, missing } = await site();
    expect(await outcomeOf(origin)).toEqual({
      dims: [1, 512],
      host: 'worker',
      warnings: [],
      isolated: false,
      secure: true,
    });
    expect(missing).toEqual([]);
  });

  test('with threads, where the page is cross-origin isolated', async () => {
    const { origin, requests } = await site({ isolate: true });
    expect(await outcomeOf(origin)).toMatchObject({ dims: [1, 512], host: 'worker', warnings: [], isolated: true });
    // The runtime's threads are workers of the same file; with one core there are none.
    const opened = requests.filter((path) => path === '/dist/workers/onnxruntime-wasm.js').length;
    expect(opened).toBe(Math.min(4, availableParallelism()));
  });

  test('where the page is isolated and the server sends the worker without that header', async () => {
    const { origin } = await site({ isolate: true, hostHeaders: false });
    expect(await outcomeOf(origin)).toMatchObject({ dims: [1, 512], host: 'worker', warnings: [], isolated: true });
  });

  test('from another origin', async () => {
    const { origin } = await site({ cdn: await cdnServer() });
    expect(await outcomeOf(origin)).toMatchObject({ dims: [1, 512], host: 'worker', warnings: [] });
  });

  test('from another origin, with threads', async () => {
    const { origin } = await site({ cdn: await cdnServer(), isolate: true });
    expect(await outcomeOf(origin)).toMatchObject({ dims: [1, 512], host: 'worker', warnings: [], isolated: true });
  });

  test('under a policy without blob:', async () => {
    const csp = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'";
    const { origin } = await site({ csp });
    expect(await outcomeOf(origin)).toMatchObject({ dims: [1, 512], host: 'worker', warnings: [] });
  });

  test('on an insecure origin, without WebGPU and WebCrypto', async () => {
    const { port } = await site();
    const outcome = await outcomeOf(`http://epochly.test:${port}/`, [
      '--host-resolver-rules=MAP epochly.test 127.0.0.1',
    ]);
    expect(outcome).toMatchObject({ dims: [1, 512], host: 'worker', secure: false });
  });
});

describe('no worker opens, and the model runs in place with a warning', () => {
  test('from another origin under a policy without blob:', async () => {
    const cdn = await cdnServer();
    const csp = `default-src 'self' ${cdn.origin}; script-src 'self' ${cdn.origin} 'wasm-unsafe-eval'; worker-src 'self'`;
    const { origin } = await site({ cdn, csp });
    const outcome = await outcomeOf(origin);
    expect(outcome).toMatchObject({ dims: [1, 512], host: 'inline' });
    expect(outcome.warnings?.join()).toMatch(/No worker could be opened.*blob/);
  });

  test.each([false, true])('under a policy without workers; isolated: %s', async (isolate) => {
    const csp = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'none'";
    const { origin } = await site({ csp, isolate });
    const outcome = await outcomeOf(origin);
    expect(outcome).toMatchObject({ dims: [1, 512], host: 'inline' });
    expect(outcome.warnings?.join()).toMatch(/No worker could be opened.*worker-src/);
  });

  test('where it was asked for, there is nothing to warn of', async () => {
    const { origin } = await site({ options: "{ host: 'inline' }" });
    expect(await outcomeOf(origin)).toMatchObject({ dims: [1, 512], host: 'inline', warnings: [] });
  });
});

describe('what cannot work says why', () => {
  test('a policy without WebAssembly', async () => {
    const { origin } = await site({ csp: "default-src 'self'", cspEverywhere: true });
    const outcome = await outcomeOf(origin);
    expect(outcome.code).toBe('BACKEND_UNAVAILABLE');
    expect(outcome.error).toMatch(/wasm/i);
  });

  test('host files that are not there', async () => {
    const { origin } = await site({ options: "{ workerUrl: '/nowhere/' }" });
    const outcome = await outcomeOf(origin);
    expect(outcome.error).toMatch(/nowhere\/onnxruntime-wasm\.js.*workerUrl/s);
  });

  test('folders given by hand', async () => {
    const cdn = await cdnServer();
    const { origin } = await site({
      options: `{ workerUrl: '/dist/workers', assetsUrl: '${cdn.origin}/dist/assets' }`,
    });
    expect(await outcomeOf(origin)).toMatchObject({ dims: [1, 512], host: 'worker', warnings: [] });
  });
});
