/** A Vite project: its development server and its build, with the plugin and without. */

import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build, createServer, preview } from 'vite';
import type { InlineConfig, Plugin } from 'vite';
import { describe, expect, onTestFinished, test } from 'vitest';
import { consumer } from './support/consumer.ts';
import { outcomeOf, program, scriptPage } from './support/browser.ts';
import { serve } from './support/static-server.ts';

const WAYS = [
  ['with the plugin', true],
  ['without the plugin', false],
] as const;

async function project(
  withPlugin: boolean,
  config: InlineConfig = {},
  options: { readonly assets?: boolean } = {},
): Promise<InlineConfig & { readonly root: string }> {
  const { folder } = consumer({
    'index.html': scriptPage('./main.js'),
    'main.js': program('epochly', './model.onnx'),
  });
  const plugins: Plugin[] = [];
  if (withPlugin) {
    const { epochly } = (await import(
      pathToFileURL(join(folder, 'node_modules/epochly/dist/platforms/vite/index.js')).href
    )) as {
      epochly(options: { readonly assets?: boolean }): Plugin;
    };
    plugins.push(epochly(options));
  }
  return {
    configFile: false,
    logLevel: 'error',
    ...config,
    root: folder,
    plugins,
    server: { host: '127.0.0.1', port: 0, ws: false },
  };
}

describe.each(WAYS)('%s', (_name, withPlugin) => {
  const expected = { dims: [1, 512], host: 'worker', warnings: [], isolated: withPlugin };

  test('the development server', async () => {
    const server = await createServer(await project(withPlugin));
    onTestFinished(() => server.close());
    await server.listen();
    expect(await outcomeOf(server.resolvedUrls!.local[0]!)).toMatchObject(expected);
  });

  test('the build', async () => {
    const config = await project(withPlugin);
    await build(config);
    const server = await preview({ ...config, preview: { host: '127.0.0.1', port: 0 } });
    onTestFinished(() => server.close());
    expect(await outcomeOf(server.resolvedUrls!.local[0]!)).toMatchObject(expected);
  });

  test('the build, in a folder of a site', async () => {
    const config = await project(withPlugin, { base: './' });
    await build(config);
    const { origin } = await serve({ folders: { '/deep/er/': join(config.root, 'dist') + '/' } });
    expect(await outcomeOf(`${origin}/deep/er/index.html`)).toMatchObject({ ...expected, isolated: false });
  });
});

test('a build that leaves the host files to be served from elsewhere', async () => {
  const config = await project(true, {}, { assets: false });
  await build(config);
  const built = readdirSync(join(config.root, 'dist/assets'));
  // The smallest host file is as large as the search for faster ways, which is the largest of the package's own.
  const isHostFile = (file: string): boolean =>
    statSync(join(config.root, 'dist/assets', file)).size > 80_000 && !file.startsWith('create-compiling-');
  expect(built.length).toBeGreaterThan(0);
  expect(built.filter((file) => file.endsWith('.wasm') || isHostFile(file))).toEqual([]);
});
