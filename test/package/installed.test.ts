/** The package, packed and installed by npm: what is in it, what comes with it, and that it runs on each Node. */

import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { UPSCALER, USE_LITE, USE_LITE_FOLDER } from '../helpers/models.ts';
import { encoderProgram, runNode } from './support/encoder-program.ts';
import { nodeBinary } from './support/node-versions.ts';
import { npmInstall, pack } from './support/npm.ts';
import { root } from './support/static-server.ts';

/** The oldest that package.json's `engines` accepts, and each line that has been kept up since. */
const NODES = ['20.19.0', '20', '22', '24', '26'];

const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  readonly dependencies: Readonly<Record<string, string>>;
  readonly exports: object;
};

let files: readonly string[];
/** A project with the package and none of its peers. */
let bare: string;
/** One with onnxruntime-node as well. */
let complete: string;

beforeAll(async () => {
  const folder = mkdtempSync(join(tmpdir(), 'epochly-installed-'));
  const packed = await pack(folder);
  files = packed.files;
  bare = join(folder, 'bare');
  complete = join(folder, 'complete');
  await npmInstall(bare, [packed.tarball]);
  cpSync(bare, complete, { recursive: true });
  symlinkSync(join(root, 'node_modules/onnxruntime-node'), join(complete, 'node_modules/onnxruntime-node'), 'junction');
  return () => rmSync(folder, { recursive: true });
});

describe('what is published', () => {
  test('the build, the licences, the README, and nothing else', () => {
    const beside = files.filter((path) => !path.startsWith('dist/'));
    expect(beside.toSorted()).toEqual(['LICENSE', 'README.md', 'THIRD-PARTY-NOTICES.md', 'package.json']);
    expect(
      files.filter((path) => !/\.(?:d\.ts|js|wasm|md|LEGAL\.txt)$|^(?:LICENSE|package\.json)$/.test(path)),
    ).toEqual([]);
  });

  test('all that package.json refers to', () => {
    const targets = [...JSON.stringify(manifest.exports).matchAll(/"\.\/([^"*]+\.\w+)"/g)].map(([, path]) => path);
    expect(targets).toContain('dist/platforms/node/index.js');
    expect(targets.filter((path) => path !== 'package.json' && !files.includes(path as string))).toEqual([]);
  });

  test('with its dependencies and no peer', () => {
    const installed = readdirSync(join(bare, 'node_modules'), { recursive: true })
      .map(String)
      .filter((path) => /^(?:@[^/]+\/)?[^/@.][^/]*$/.test(path));
    expect(installed.toSorted()).toEqual(['epochly', ...Object.keys(manifest.dependencies)].toSorted());
  });
});

describe.each(NODES)('on Node %s', (version) => {
  let node: string;
  beforeAll(async () => {
    node = await nodeBinary(version);
  });

  test.each(['mjs', 'cjs'] as const)('every way of running a model gives the same answer (.%s)', async (kind) => {
    const { printed, stderr } = await runNode(node, [encoderProgram(complete, kind), USE_LITE], complete);
    const { raw, ...others } = printed as Record<string, { readonly dims: unknown; readonly data: readonly number[] }>;
    expect(raw).toMatchObject({ type: 'float32', dims: [1, 512] });
    expect(raw?.data).toHaveLength(512);
    expect(others).toEqual({
      node: expect.stringMatching(`^${version}`),
      instance: true,
      wrapped: raw,
      again: raw,
      worker: raw,
      process: raw,
      inline: raw,
    });
    expect(stderr).toBe('');
  });
});

describe.each(['worker', 'process', 'inline'] as const)(
  'a peer that is not installed, in a host of kind %s',
  (host) => {
    test.each([
      ['onnxruntime-node', USE_LITE, '>=1.22 <2'],
      ['@tensorflow/tfjs', UPSCALER, '>=4.20 <5'],
      ['@huggingface/transformers', { task: 'feature-extraction', model: USE_LITE_FOLDER }, '>=4 <5'],
    ])('is an error that names %s and its versions', async (packageName, source, versions) => {
      const program = `
      import { EpochlyError, load, MissingPeerError } from 'epochly';
      try {
        await load(${JSON.stringify(source)}, { host: '${host}' });
      } catch (error) {
        const { name, code, message, packageName } = error;
        const recognised = error instanceof MissingPeerError && EpochlyError.isInstance(error, 'MISSING_PEER');
        console.log(JSON.stringify({ name, code, message, packageName, recognised }));
      }`;
      writeFileSync(join(bare, 'missing.mjs'), program);
      const { printed } = await runNode(process.execPath, ['missing.mjs'], bare);
      expect(printed).toEqual({
        name: 'MissingPeerError',
        code: 'MISSING_PEER',
        message: expect.stringContaining(`${packageName} (${versions})`),
        packageName,
        recognised: true,
      });
    });
  },
);

test.each(['thread', 'process'])('a %s that ends before it answers is an error', async (kind) => {
  const broken = join(complete, '..', `broken-${kind}`);
  cpSync(bare, broken, { recursive: true });
  writeFileSync(join(broken, `node_modules/epochly/dist/platforms/node/host/${kind}-entry.js`), 'process.exit(3);');
  const program = `
    import { load } from 'epochly';
    const error = await load(process.argv[2], { host: '${kind === 'thread' ? 'worker' : kind}' }).catch((each) => each);
    console.log(JSON.stringify([error.code, error.message]));`;
  writeFileSync(join(broken, 'main.mjs'), program);
  const { printed } = await runNode(process.execPath, ['main.mjs', USE_LITE], broken);
  expect(printed).toEqual(['BACKEND_UNAVAILABLE', expect.stringContaining(`its ${kind} ended (exit code 3)`)]);
});
