/** webpack: for the web it copies the host files, whose URLs are spelled out for it; for Node the package stays outside. */

import { symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import webpack from 'webpack';
import type { Configuration } from 'webpack';
import { USE_LITE } from '../helpers/models.ts';
import { outcomeOf, program, scriptPage } from './support/browser.ts';
import { consumer } from './support/consumer.ts';
import { encoderProgram, runNode } from './support/encoder-program.ts';
import { root, serve } from './support/static-server.ts';

/** Builds, without an error or a warning. */
async function build(configuration: Configuration): Promise<void> {
  // What is large is the runtimes: 40 MB, of which a page fetches what it uses.
  const common: Configuration = { mode: 'production', performance: { hints: false } };
  const stats = await new Promise<webpack.Stats | undefined>((resolve, reject) => {
    webpack({ ...common, ...configuration }, (error, done) => (error ? reject(error) : resolve(done)));
  });
  const { errors, warnings } = stats?.toJson({ all: false, errors: true, warnings: true }) ?? {};
  expect([errors, warnings].flat().map((each) => each?.message)).toEqual([]);
}

function linkPeer(folder: string): void {
  const peer = 'node_modules/onnxruntime-node';
  symlinkSync(join(root, peer), join(folder, peer), 'junction');
}

test('for the web: a worker opens from what webpack copied, and from the folder that the page says', async () => {
  const { folder } = consumer({
    'src/main.js': program('epochly', '/model.onnx', "location.search ? { workerUrl: '/vendor/workers/' } : {}"),
    'public/index.html': scriptPage('/app/main.js'),
  });
  await build({ context: folder, entry: './src/main.js', target: 'web', output: { path: join(folder, 'public/app') } });
  const { origin, requests, missing } = await serve({
    folders: { '/vendor/': join(folder, 'node_modules/epochly/dist'), '/': `${join(folder, 'public')}/` },
  });
  const works = { dims: [1, 512], host: 'worker', warnings: [] };
  expect(await outcomeOf(`${origin}/index.html`)).toMatchObject(works);
  expect(requests.filter((path) => path.startsWith('/vendor/'))).toEqual([]);
  expect(await outcomeOf(`${origin}/index.html?vendor`)).toMatchObject(works);
  expect(requests).toContain('/vendor/workers/onnxruntime-wasm.js');
  expect(missing).toEqual([]);
});

test('for Node, with the package as an external', async () => {
  const { folder } = consumer({});
  linkPeer(folder);
  await build({
    context: folder,
    entry: encoderProgram(folder, 'mjs'),
    target: 'node20',
    externalsType: 'commonjs',
    externals: ['epochly', 'onnxruntime-node'],
    output: { path: join(folder, 'built'), filename: 'main.cjs' },
  });
  const { printed, stderr } = await runNode(process.execPath, ['built/main.cjs', USE_LITE], folder);
  const { raw, ...others } = printed as Record<string, { readonly dims: unknown }>;
  expect(raw?.dims).toEqual([1, 512]);
  expect(others).toMatchObject({ wrapped: raw, again: raw, worker: raw, process: raw, inline: raw });
  expect(stderr).toBe('');
});

test('for Node, with the package in the bundle and no peer: it builds, runs in place, and says what is missing', async () => {
  const { folder } = consumer({
    'main.mjs': `
      import { callableAdapter, load, wrap } from 'epochly';
      const twice = wrap(async (x) => 2 * x, { adapter: callableAdapter({ deterministic: true }) });
      const [model, ...hosts] = process.argv.slice(2);
      const opened = {};
      for (const host of hosts) {
        opened[host] = await load(model, { host }).then(
          ({ backendReport: { host, warnings } }) => [host, warnings.join()],
          ({ code, message }) => [code, message],
        );
      }
      console.log(JSON.stringify({ answer: await twice(21), opened }));`,
  });
  await build({
    context: folder,
    entry: './main.mjs',
    target: 'node20',
    output: { path: join(folder, 'built'), filename: 'main.cjs' },
  });
  const run = async (...hosts: readonly string[]): Promise<unknown> =>
    (await runNode(process.execPath, ['built/main.cjs', USE_LITE, ...hosts], folder)).printed;

  const leaveOut = expect.stringContaining('as an external package');
  expect(await run('worker', 'process', 'auto')).toEqual({
    answer: 42,
    opened: {
      worker: ['BACKEND_UNAVAILABLE', leaveOut],
      process: ['BACKEND_UNAVAILABLE', leaveOut],
      auto: ['MISSING_PEER', expect.stringContaining('onnxruntime-node')],
    },
  });
  linkPeer(folder);
  expect(await run('auto')).toEqual({ answer: 42, opened: { auto: ['inline', leaveOut] } });
});
