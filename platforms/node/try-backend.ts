/** @module Whether a backend opens a model here: only trying shows. */

import { HostClient } from '../../src/host/host-client.ts';
import { nodeClock } from './clock.ts';
import { openProcess } from './host/process-host.ts';

/** `y = x` of one float32, in the ONNX format. */
const SMALLEST_MODEL = 'CAhCAhAROjoKEAoBeBIBeSIISWRlbnRpdHlaDwoBeBIKCggIARIECgIIAWIPCgF5EgoKCAgBEgQKAggBEgR0ZXN0';

/** Initialising a GPU takes seconds; a driver that takes longer than this is of no use either. */
const PATIENCE_MS = 30_000;

/**
 * Opens the smallest model on the backend, in a child process: a provider that crashes, or says much on its way to
 * failing, does so there.
 *
 * @returns undefined where it opened, else why not.
 */
export async function tryBackend(backend: string): Promise<string | undefined> {
  const leaving = new AbortController();
  const timer = nodeClock.after(PATIENCE_MS, () =>
    leaving.abort(new Error(`Nothing was heard of it for ${PATIENCE_MS / 1000} s.`)),
  );
  try {
    const client = new HostClient(await openProcess('onnxruntime', { quiet: true }));
    try {
      const bytes = new Uint8Array(Buffer.from(SMALLEST_MODEL, 'base64'));
      const files = {
        format: 'onnx',
        files: [{ path: 'model', bytes }],
        identity: '',
        source: 'the smallest model',
      } as const;
      await client.request('open', { files, backend }, { signal: leaving.signal });
      return undefined;
    } finally {
      await client.retire();
    }
  } catch (error) {
    return `It was tried, and opens no model here: ${(error as Error).message.trim()}`;
  } finally {
    timer[Symbol.dispose]();
  }
}
