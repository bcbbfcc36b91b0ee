/** The oldest version of each peer that package.json accepts, installed and run on a real model. The newest run everywhere else. */

import { mkdirSync, readFileSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Plugin } from 'vite';
import { expect, test } from 'vitest';
import { UPSCALER, USE_LITE, USE_LITE_FOLDER } from '../helpers/models.ts';
import { outcomeOf, program, scriptPage } from './support/browser.ts';
import { consumer } from './support/consumer.ts';
import { runNode } from './support/encoder-program.ts';
import { cachedInstall } from './support/npm.ts';
import { root, serve } from './support/static-server.ts';

const { peerDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  readonly peerDependencies: Readonly<Record<string, string>>;
};

/** The first version of a range such as ^1.22.0, >=6 or >=12.0.0 <14. */
function oldest(name: string): string {
  const [version = 'none'] = /\d[\d.]*/.exec(peerDependencies[name] ?? '') ?? [];
  return [...version.split('.'), '0', '0'].slice(0, 3).join('.');
}

/** The oldest versions of some peers, installed beside each other: their node_modules. */
async function install(peers: readonly string[]): Promise<string> {
  const packages = peers.map((name) => `${name}@${oldest(name)}`);
  return join(await cachedInstall(`peers/${packages.join('+').replaceAll(/[@/]/g, '_')}`, packages), 'node_modules');
}

/** What a program prints that runs in a project with the package and the oldest versions of these peers. */
async function runWith(peers: readonly string[], main: string, ...args: readonly string[]): Promise<unknown> {
  const installed = await install(peers);
  const { folder } = consumer({ 'main.mjs': main });
  for (const name of peers) {
    const link = join(folder, 'node_modules', name);
    mkdirSync(dirname(link), { recursive: true });
    symlinkSync(join(installed, name), link, 'junction');
  }
  return (await runNode(process.execPath, ['main.mjs', ...args], folder)).printed;
}

const ENCODE = `
  const [model] = process.argv.slice(2);
  const feeds = (make) => ({ input_ids: make('int64', [4n, 17n, 98n], [1, 3]), attention_mask: make('int64', [1n, 1n, 1n], [1, 3]) });
  const ortFeeds = feeds((type, data, dims) => new ort.Tensor(type, BigInt64Array.from(data), dims));
  const numbers = ({ sentence_embedding: { data } }) => Array.from(data);
  const session = await ort.InferenceSession.create(model);
  const raw = numbers(await session.run(ortFeeds));
  const wrapped = numbers(await wrap(session).run(ortFeeds));
  const again = numbers(await wrap(session).run(ortFeeds));`;

test('onnxruntime-node', async () => {
  const printed = await runWith(
    ['onnxruntime-node'],
    `import { load, tensor, wrap } from 'epochly';
    import ort from 'onnxruntime-node';
    ${ENCODE}
    const loaded = await load(model);
    const inWorker = numbers(await loaded.run(feeds(tensor)));
    await loaded.close();
    console.log(JSON.stringify({ runtime: loaded.backendReport.runtime, raw, wrapped, again, inWorker }));`,
    USE_LITE,
  );
  const { raw, ...others } = printed as { readonly raw: readonly number[] };
  expect(raw).toHaveLength(512);
  const runtime = `onnxruntime-node ${oldest('onnxruntime-node')}`;
  expect(others).toEqual({ runtime, wrapped: raw, again: raw, inWorker: raw });
});

test('onnxruntime-web', async () => {
  const printed = await runWith(
    ['onnxruntime-web'],
    `import { wrap } from 'epochly';
    import { createRequire } from 'node:module';
    const ort = createRequire(import.meta.url)('onnxruntime-web');
    ort.env.wasm.numThreads = 1;
    ${ENCODE}
    console.log(JSON.stringify({ version: ort.env.versions.web, raw, wrapped, again }));`,
    USE_LITE,
  );
  const { raw, ...others } = printed as { readonly raw: readonly number[] };
  expect(raw).toHaveLength(512);
  expect(others).toEqual({ version: oldest('onnxruntime-web'), wrapped: raw, again: raw });
});

test('TensorFlow.js and its WebAssembly backend', async () => {
  const printed = await runWith(
    ['@tensorflow/tfjs', '@tensorflow/tfjs-backend-wasm'],
    `import { readFileSync } from 'node:fs';
    import { dirname, join } from 'node:path';
    import { createRequire } from 'node:module';
    import { load, tensor, wrap } from 'epochly';
    const tf = createRequire(import.meta.url)('@tensorflow/tfjs');
    await tf.setBackend('cpu');
    const [path] = process.argv.slice(2);
    const { weightsManifest, ...artifacts } = JSON.parse(readFileSync(path, 'utf8'));
    const shards = weightsManifest.flatMap(({ paths }) => paths.map((each) => readFileSync(join(dirname(path), each))));
    const weightSpecs = weightsManifest.flatMap(({ weights }) => weights);
    const weightData = new Uint8Array(Buffer.concat(shards)).buffer;
    const model = await tf.loadLayersModel({ load: async () => ({ ...artifacts, weightSpecs, weightData }) });

    const pixels = Float32Array.from({ length: 8 * 8 * 3 }, (_, i) => (37 * i) % 256);
    const input = tf.tensor(pixels, [1, 8, 8, 3]);
    const printed = { raw: Array.from(model.predict(input).dataSync()) };
    printed.wrapped = Array.from(wrap(model).predict(input).dataSync());
    printed.inferred = Array.from((await wrap(model).infer(input)).dataSync());
    printed.again = Array.from((await wrap(model).infer(input)).dataSync());
    for (const backend of ['cpu', 'wasm']) {
      const loaded = await load(path, { backend });
      printed[backend] = Array.from((await loaded.run(tensor('float32', pixels, [1, 8, 8, 3]))).data);
      printed.runtime = loaded.backendReport.runtime;
      await loaded.close();
    }
    console.log(JSON.stringify(printed));`,
    UPSCALER,
  );
  const { raw, wasm, ...others } = printed as { readonly raw: readonly number[]; readonly wasm: readonly number[] };
  expect(raw).toHaveLength(16 * 16 * 3);
  const runtime = `@tensorflow/tfjs ${oldest('@tensorflow/tfjs')}`;
  expect(others).toEqual({ runtime, wrapped: raw, inferred: raw, again: raw, cpu: raw });
  expect(wasm).toHaveLength(raw.length);
  const scale = Math.max(...raw.map(Math.abs));
  expect(Math.max(...wasm.map((each, i) => Math.abs(each - (raw[i] as number)) / scale))).toBeLessThan(1e-4);
});

test('transformers.js', async () => {
  const printed = await runWith(
    ['@huggingface/transformers'],
    `import { basename, dirname } from 'node:path';
    import { AutoModel, AutoTokenizer, env } from '@huggingface/transformers';
    import { load, wrap } from 'epochly';
    const [folder] = process.argv.slice(2);
    const text = 'The cat sat on the mat.';
    Object.assign(env, { allowRemoteModels: false, localModelPath: dirname(folder) });
    const name = basename(folder);
    const model = await AutoModel.from_pretrained(name, { dtype: 'fp32', subfolder: '', model_file_name: 'model_fp32' });
    const tokens = (await AutoTokenizer.from_pretrained(name))(text);
    const numbers = ({ data }) => Array.from(data);
    const raw = numbers((await model(tokens)).sentence_embedding);
    const wrapped = numbers((await wrap(model)(tokens)).sentence_embedding);
    const again = numbers((await wrap(model)(tokens)).sentence_embedding);
    const loaded = await load({ task: 'feature-extraction', model: folder });
    const inWorker = numbers(await loaded.run(text));
    await loaded.close();
    console.log(JSON.stringify({ runtime: loaded.backendReport.runtime, raw, wrapped, again, inWorker }));`,
    USE_LITE_FOLDER.replace(/[\\/]$/, ''),
  );
  const { raw, ...others } = printed as { readonly raw: readonly number[] };
  expect(raw).toHaveLength(512);
  const runtime = `@huggingface/transformers ${oldest('@huggingface/transformers')}`;
  expect(others).toEqual({ runtime, wrapped: raw, again: raw, inWorker: raw });
});

test('better-sqlite3', async () => {
  const printed = await runWith(
    ['better-sqlite3'],
    `import { createRequire } from 'node:module';
    import { openSqliteStore } from './node_modules/epochly/dist/platforms/node/store/open-sqlite-store.js';
    const { version } = createRequire(import.meta.url)('better-sqlite3/package.json');
    const store = await openSqliteStore({ path: 'store/store.db', driver: 'better-sqlite3' });
    await store.write({ puts: ['a', 'b'].map((key, i) => ({ key, bytes: Uint8Array.of(i), expiresAt: 1000 + i })) });
    const printed = { version, warnings: store.warnings, a: [...store.get('a')] };
    printed.first = [...(await store.putIfAbsent('a', Uint8Array.of(9)))];
    printed.trimmed = await store.trim({ prefix: '', nowMs: 1000, maxBytes: 100 });
    await store.close();
    const again = await openSqliteStore({ path: 'store/store.db', driver: 'better-sqlite3' });
    printed.keys = await again.keys('');
    await again.close();
    console.log(JSON.stringify(printed));`,
  );
  const version = oldest('better-sqlite3');
  expect(printed).toEqual({ version, warnings: [], a: [0], first: [0], trimmed: 1, keys: ['b'] });
});

test('vite', async () => {
  const vite = join(await install(['vite']), 'vite/dist/node/index.js');
  const { build, version } = (await import(pathToFileURL(vite).href)) as typeof import('vite');
  expect(version).toBe(oldest('vite'));
  const { folder } = consumer({
    'index.html': scriptPage('./main.js'),
    'main.js': program('epochly', './model.onnx'),
  });
  const plugin = join(folder, 'node_modules/epochly/dist/platforms/vite/index.js');
  const { epochly } = (await import(pathToFileURL(plugin).href)) as { epochly(): Plugin };
  await build({
    configFile: false,
    logLevel: 'error',
    root: folder,
    plugins: [epochly()],
    build: { target: 'es2022' },
  });
  const { origin } = await serve({ folders: { '/': `${join(folder, 'dist')}/` } });
  expect(await outcomeOf(`${origin}/index.html`)).toMatchObject({ dims: [1, 512], host: 'worker', warnings: [] });
});
