/** The package inside of a Web Worker, where frameworks and hosts are opened as they are in a page. */

import { expect, onTestFinished, test } from 'vitest';
import { ENCODER } from './support/ort.ts';

interface Outcome {
  readonly error?: string;
  readonly host?: string;
  readonly warnings?: readonly string[];
  readonly dims?: readonly number[];
  readonly wrapped?: unknown;
}

test('wrap() and load() work there; a host is a worker of the worker', async () => {
  const worker = new Worker(new URL('./support/uses-epochly.worker.ts', import.meta.url), { type: 'module' });
  onTestFinished(() => worker.terminate());
  const outcome = await new Promise<Outcome>((resolve, reject) => {
    worker.addEventListener('message', ({ data }) => resolve(data as Outcome), { once: true });
    worker.addEventListener('error', ({ message }) => reject(new Error(message)), { once: true });
    worker.postMessage(new URL(ENCODER, location.href).href, []);
  });
  expect(outcome).toEqual({
    host: 'worker',
    warnings: [],
    dims: [1, 512],
    wrapped: { value: 6, hits: 1 },
  });
});
