/** Which part of the sources may import which: read from every file. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { importsOf, sourcesBelow } from './support/imports.ts';
import type { Import } from './support/imports.ts';
import { root } from './support/static-server.ts';

const { dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  readonly dependencies: Readonly<Record<string, string>>;
};

/** Folders of src/ that know of each other only what types say. */
const ROOMS = ['adapters', 'host', 'cache', 'batching', 'compilation', 'safety', 'metrics', 'privacy'];
/** Files that put rooms together: the way of a call, of `wrap()`, of `load()`. */
const WAYS = ['pipeline', 'proxy', 'load', 'optimizer', 'wrap', 'model-record'];
/** Files and folders that put everything together. */
const ROOTS = ['create', 'create-compiling', 'bind-platform', 'persistence'];

/** The part that a file or a package belongs to; any file right in src/ that is not named above is a leaf. */
function partOf(path: string): string {
  const [folder, name, ...below] = path.replace(/\.ts$/, '').split('/') as [string, string?, ...string[]];
  if (folder === 'platforms') return `platforms/${name}`;
  if (folder === 'demo') return 'demo';
  if (path.startsWith('node:')) return 'node:*';
  if (folder !== 'src' || name === undefined) return `package ${path}`;
  if (ROOTS.includes(name)) return 'root';
  if (below.length > 0 && name !== 'config') return `src/${name}`;
  if (WAYS.includes(name)) return 'way';
  return name === 'index' ? 'index' : 'leaf';
}

const rooms = ROOMS.map((name) => `src/${name}`);
const core = ['leaf', ...rooms, 'src/serving', 'way', 'root', 'index'];
const own = Object.keys(dependencies);

/** What each part may import beside itself; what a package may be, by the beginning of its name. */
const MAY: Readonly<Record<string, { readonly parts: readonly string[]; readonly packages?: readonly string[] }>> = {
  leaf: { parts: [], packages: own },
  ...Object.fromEntries(rooms.map((room) => [room, { parts: ['leaf'], packages: own }])),
  'src/serving': { parts: ['leaf', ...rooms], packages: own },
  way: { parts: ['leaf', ...rooms] },
  root: { parts: ['leaf', ...rooms, 'src/serving', 'way'] },
  index: { parts: core },
  'platforms/node': { parts: [...core, 'node:*'] },
  'platforms/browser': {
    parts: core,
    packages: ['idb', 'onnxruntime-web', '@tensorflow/tfjs', '@huggingface/transformers'],
  },
  'platforms/web': { parts: core },
  'platforms/vite': { parts: [...core, 'node:*'], packages: ['vite'] },
  demo: { parts: [], packages: ['epochly', '@huggingface/tokenizers'] },
};

/** The exceptions, and why. */
const EXCEPTIONS: Readonly<Record<string, string>> = {
  'src/call.ts → src/adapters/adapter.ts': 'a call names the adapter that reads it; a type',
  'src/config.ts → src/cache/cache-config.ts': "the cache's settings are described where they are used; a type",
  'src/config/schema.ts → src/cache/cache-config.ts': 'and so are their defaults',
  'src/platform.ts → src/host/channel.ts': 'a platform opens hosts; a type',
  'src/platform.ts → src/host/model-files.ts': 'a platform reads models; a type',
  'src/platform.ts → src/host/model-sources.ts': 'from sources; a type',
  'src/platform.ts → src/cache/byte-store.ts': 'it opens stores; a type',
  'src/platform.ts → src/privacy/audit-storage.ts': 'places for the audit log; a type',
  'src/platform.ts → src/privacy/keyring.ts': 'and keyrings; a type',
  'src/batching/dynamic-micro-batcher.ts → src/pipeline.ts':
    'a batcher on its own gives up on a request as a proxy does',
  'src/host/hosted-model.ts → src/pipeline.ts': 'one way to give up on a call, for its signal or its deadline',
};

function isAllowed({ from, to, typeOnly }: Import): boolean {
  const [part, target] = [partOf(from), partOf(to)];
  if (part === target) return true;
  const { parts, packages = [] } = MAY[part] ?? { parts: [] };
  if (parts.includes(target)) return true;
  if (typeOnly && rooms.includes(part) && rooms.includes(target)) return true;
  return (
    target.startsWith('package ') &&
    packages.some((name) => to === name || to.startsWith(`${name}/`) || to.startsWith(`${name}-`))
  );
}

const imports = sourcesBelow('src', 'platforms', 'demo/src').flatMap(importsOf);
const breaking = imports.filter((each) => !isAllowed(each)).map(({ from, to }) => `${from} → ${to}`);

test('every file imports only what its part may', () => {
  expect(imports.length).toBeGreaterThan(300);
  expect(breaking.filter((each) => !(each in EXCEPTIONS))).toEqual([]);
});

test('every exception is still one', () => {
  expect([...new Set(breaking)].filter((each) => each in EXCEPTIONS).toSorted()).toEqual(
    Object.keys(EXCEPTIONS).toSorted(),
  );
});

test.each<[Import, boolean]>([
  [{ from: 'src/errors.ts', to: 'src/cache/l1-cache.ts', typeOnly: true }, false],
  [{ from: 'src/cache/l1-cache.ts', to: 'src/errors.ts', typeOnly: false }, true],
  [{ from: 'src/cache/l1-cache.ts', to: 'src/adapters/adapter.ts', typeOnly: true }, true],
  [{ from: 'src/cache/l1-cache.ts', to: 'src/adapters/adapter.ts', typeOnly: false }, false],
  [{ from: 'src/cache/l1-cache.ts', to: 'src/pipeline.ts', typeOnly: true }, false],
  [{ from: 'src/load.ts', to: 'src/create.ts', typeOnly: true }, false],
  [{ from: 'src/index.ts', to: 'platforms/web/platform.ts', typeOnly: true }, false],
  [{ from: 'src/hash.ts', to: 'node:crypto', typeOnly: true }, false],
  [{ from: 'src/sha256.ts', to: '@noble/hashes/sha2.js', typeOnly: false }, true],
  [{ from: 'src/adapters/tfjs.ts', to: '@tensorflow/tfjs', typeOnly: true }, false],
  [{ from: 'platforms/web/index.ts', to: 'platforms/browser/read-model.ts', typeOnly: false }, false],
  [{ from: 'platforms/browser/read-model.ts', to: 'node:crypto', typeOnly: false }, false],
  [{ from: 'demo/src/main.ts', to: 'src/index.ts', typeOnly: false }, false],
  [{ from: 'demo/src/main.ts', to: 'epochly', typeOnly: false }, true],
])('the rule holds: $from → $to', (each, allowed) => {
  expect(isAllowed(each)).toBe(allowed);
});
