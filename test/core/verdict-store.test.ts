/** Verdicts in a store: what goes in comes out, and what else is there is no verdict. */

import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { MemoryStore } from '../../src/cache/memory-store.ts';
import type { KeptVerdict } from '../../src/compilation/verdict-memory.ts';
import { verdictsIn } from '../../src/compilation/verdict-store.ts';
import { sha256 } from '../../src/hash.ts';
import { VERSION } from '../../src/version.ts';
import { createFakeClock } from '../helpers/fake-clock.ts';

function setUp() {
  const clock = createFakeClock();
  const store = new MemoryStore();
  const state = { opened: 0, closed: 0 };
  const shared: MemoryStore = Object.create(store, { close: { value: () => void state.closed++ } });
  for (const name of ['get', 'write', 'trim', 'delete'] as const)
    Object.defineProperty(shared, name, { value: (store[name] as () => unknown).bind(store) });
  const open = async (): Promise<MemoryStore> => {
    state.opened++;
    return shared;
  };
  return { clock, store, state, memory: verdictsIn({ open, digest: sha256, clock }) };
}

const timing = { shape: 'float32[1,8]', runMs: 1.5, referenceMs: 9 };
const trial = { candidate: 'webgpu', passed: true, goldens: 3, openMs: 20, timings: [timing] };
const verdict = (over: Partial<KeptVerdict> = {}): KeptVerdict => ({
  candidate: 'webgpu',
  device: 'a GPU',
  tried: [trial, { ...trial, candidate: 'webnn', passed: false }],
  searchedAt: 1_700_000_000_000,
  ...over,
});

test('a verdict comes back as it was kept, by its key, until it is deleted', async () => {
  const { memory, state } = setUp();
  await memory.put('key', verdict());
  await memory.put('other', verdict({ candidate: undefined, device: undefined }));
  expect(await memory.get('key')).toEqual(verdict());
  expect(await memory.get('other')).toEqual({ tried: verdict().tried, searchedAt: 1.7e12 });
  await memory.delete('key');
  expect(await memory.get('key')).toBeUndefined();
  expect(state.closed).toBe(state.opened);
});

test('the store is not opened before it is asked, and is closed also where it fails', async () => {
  const { memory, store, state } = setUp();
  expect(state.opened).toBe(0);
  await memory.put('key', verdict());
  const [name] = store.keys('') as readonly [string];
  store.put(name, new TextEncoder().encode('{"candidate":"web'));
  await expect(memory.get('key')).rejects.toThrow(SyntaxError);
  expect(state).toEqual({ opened: 2, closed: 2 });
});

test('what is too large to be a verdict is not even read', async () => {
  const { memory, store } = setUp();
  await memory.put('key', verdict());
  const [name] = store.keys('') as readonly [string];
  store.put(name, new Uint8Array(3 << 20).fill(0x20));
  expect(await memory.get('key')).toBeUndefined();
});

test('of shapes and names without an end only some are kept', async () => {
  const { memory } = setUp();
  const timings = Array.from({ length: 1000 }, (_, i) => ({ ...timing, shape: `float32[${i}]` }));
  const endless = { ...timing, shape: 'x'.repeat(1e6) };
  const tried = Array.from({ length: 1000 }, (_, i) => ({ ...trial, candidate: `way ${i}` }));
  const most = { ...trial, timings: [endless, ...timings] };
  await memory.put('key', verdict({ tried: [...tried, most] }));
  const kept = await memory.get('key');
  expect(kept?.tried).toHaveLength(64);
  // What was chosen is among them.
  expect(kept?.tried[0]).toEqual({ ...trial, timings: timings.slice(0, 128) });
});

test('at most so much is kept of a verdict that it is read again', async () => {
  const { memory } = setUp();
  const timings = Array.from({ length: 1000 }, (_, i) => ({
    shape: `${i}`.padEnd(120, 'x'),
    runMs: 0.1 + 0.2,
    referenceMs: 1 / 3,
  }));
  const tried = Array.from({ length: 100 }, (_, i) => ({ ...trial, candidate: `way ${i}`, timings }));
  await memory.put('key', verdict({ candidate: 'way 7', tried }));
  expect((await memory.get('key'))?.tried[0]?.candidate).toBe('way 7');
});

test('verdicts of models that are not opened any more go', async () => {
  const { memory, store, clock } = setUp();
  await memory.put('long ago', verdict());
  clock.advance(31 * 86_400_000);
  await memory.put('now', verdict());
  expect(store.keys('')).toHaveLength(1);
});

test('no name in the store tells of which model it is', async () => {
  const { memory, store } = setUp();
  await memory.put('the secret model', verdict());
  expect(store.keys('')).toEqual([expect.stringMatching(/^verdict\/[0-9a-f]{64}$/)]);
});

test('the version that verdicts are kept under is the package’s', () => {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    readonly version: string;
  };
  expect(VERSION).toBe(version);
});
