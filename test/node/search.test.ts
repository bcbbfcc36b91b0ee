/** What a search tries beyond backends, on real models: before the first call, and with options that a session takes or refuses. */

import { afterEach, expect, test, vi } from 'vitest';
import { createEpochly, tensor, unwrap } from 'epochly';
import type { LoadedModel } from 'epochly';
import { valuesMatch } from '../../src/adapters/compare.ts';
import { EMOTION, USE_LITE } from '../helpers/models.ts';

const epochly = createEpochly({ config: { cache: { enabled: false }, batching: { enabled: false } } });
const opened: LoadedModel[] = [];
afterEach(async () => {
  for (const each of opened.splice(0)) await each.close();
});

async function load(...args: Parameters<typeof epochly.load>): Promise<LoadedModel> {
  const model = await epochly.load(...args);
  opened.push(model);
  return model;
}

const face = (seed: number) => ({
  input_1: tensor(
    'float32',
    Float32Array.from({ length: 64 * 64 }, (_, i) => (((i * seed * 31) % 97) - 48) / 48),
    [1, 64, 64, 1],
  ),
});

test('a TensorFlow.js model that says its sizes is searched before its first call, and WebAssembly takes over', async () => {
  const model = await load(EMOTION, { backend: 'auto' });
  const reference = await load(EMOTION);
  await vi.waitFor(() => expect(model.backendReport.search?.state).toBe('done'), { timeout: 50_000, interval: 50 });
  expect(model.backendReport).toMatchObject({
    backend: 'cpu',
    search: { chosen: 'wasm', goldens: { captured: 0, generated: 3 }, verdicts: expect.any(Array) },
  });
  const wasm = model.backendReport.search?.verdicts.find(({ candidate }) => candidate === 'wasm');
  expect(wasm).toMatchObject({ passed: true, goldens: 3 });
  for (let seed = 1; seed < 12; seed++) {
    const answer = await model.run(face(seed));
    expect(valuesMatch(await reference.run(face(seed)), answer, 1e-5)).toBe(true);
  }
  expect(model.backendReport.search?.chosen).toBe('wasm');
});

test('a model that leaves its sizes open waits for its first calls', async () => {
  const model = await load(USE_LITE, { backend: 'auto' });
  await vi.waitFor(() => expect(model.backendReport.search).toBeDefined());
  expect(model.backendReport.search).toMatchObject({ state: 'waiting', goldens: { captured: 0, generated: 0 } });
});

test('what a provider, or the runtime, does not take is why the way is refused', async () => {
  const hosted = unwrap(await load(USE_LITE));
  const { signal } = new AbortController();
  for (const frameworkOptions of [{ graphOptimizationLevel: 'best' }, { executionMode: 'sideways' }])
    await expect(hosted.openWay({ backend: 'cpu', frameworkOptions }, signal)).rejects.toMatchObject({
      code: 'BACKEND_UNAVAILABLE',
    });
  const { client } = await hosted.openWay({ backend: 'cpu', providerOptions: { useArena: true } }, signal);
  await client.retire();
});
