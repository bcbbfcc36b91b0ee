/** esbuild leaves URLs as they are: the two folders of the package are copied, and their address is given to `load()`. */

import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import { expect, test } from 'vitest';
import { consumer } from './support/consumer.ts';
import { outcomeOf, program, scriptPage } from './support/browser.ts';
import { serve } from './support/static-server.ts';

async function bundled(options: string): Promise<string> {
  const { folder } = consumer({
    'src/main.js': program('epochly', '/model.onnx', options),
    'public/index.html': scriptPage('/app/main.js'),
  });
  const { warnings } = await build({
    absWorkingDir: folder,
    entryPoints: ['src/main.js'],
    outfile: 'public/app/main.js',
    bundle: true,
    minify: true,
    format: 'esm',
    logLevel: 'silent',
  });
  expect(warnings).toEqual([]);
  return folder;
}

test('with the folders where the page says', async () => {
  const folder = await bundled("{ workerUrl: '/vendor/workers/' }");
  for (const each of ['workers', 'assets']) {
    cpSync(join(folder, 'node_modules/epochly/dist', each), join(folder, 'public/vendor', each), { recursive: true });
  }
  const { origin } = await serve({ folders: { '/': `${join(folder, 'public')}/` } });
  expect(await outcomeOf(`${origin}/index.html`)).toMatchObject({ dims: [1, 512], host: 'worker', warnings: [] });
});

test('without them, the error says what to do', async () => {
  const folder = await bundled('{}');
  const { origin } = await serve({ folders: { '/': `${join(folder, 'public')}/` } });
  expect((await outcomeOf(`${origin}/index.html`)).error).toMatch(
    /Serve the folders workers\/ and assets\/.*workerUrl/s,
  );
});
