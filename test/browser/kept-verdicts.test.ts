/** What a search came to, kept by the browser for the next start: each start is a worker, which remembers nothing itself. */

import { expect, inject, onTestFinished, test, vi } from 'vitest';
import { openStore } from '../../platforms/browser/index.ts';
import { ENCODER } from './support/ort.ts';

interface Outcome {
  readonly error?: string;
  readonly tried?: readonly string[];
  readonly reason?: string;
}

async function start(verdictsPath: string): Promise<Outcome> {
  const worker = new Worker(new URL('./support/searches.worker.ts', import.meta.url), { type: 'module' });
  onTestFinished(() => worker.terminate());
  return new Promise((resolve, reject) => {
    worker.addEventListener('message', ({ data }) => resolve(data as Outcome), { once: true });
    worker.addEventListener('error', ({ message }) => reject(new Error(message)), { once: true });
    worker.postMessage({ address: new URL(ENCODER, location.href).href, verdictsPath }, []);
  });
}

// Where WebGPU is emulated, each search takes many seconds, and finds the same.
test.skipIf(inject('webgpu'))('the second start searches nothing, until the store holds rubbish', async () => {
  const path = `verdicts ${crypto.randomUUID()}`;
  const searched = { tried: ['webgpu'], reason: 'None of the ways that give the same answers is faster.' };
  expect(await start(path)).toEqual(searched);
  const store = await openStore(path);
  onTestFinished(() => store.close());
  const kept = async (): Promise<readonly string[]> => store.keys('verdict/');
  await vi.waitFor(async () => expect(await kept()).toHaveLength(1));
  expect(await start(path)).toEqual({
    tried: ['webgpu'],
    reason: 'At an earlier start nothing was faster than the reference.',
  });
  for (const name of await kept()) await store.put(name, new TextEncoder().encode('{"candidate":7}'));
  expect(await start(path)).toEqual(searched);
});
