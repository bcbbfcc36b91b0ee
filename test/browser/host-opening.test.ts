import { expect, test } from 'vitest';
import { openHost } from '../../platforms/browser/host/open-host.ts';
import { hostFileFor, locateHostFile } from '../../platforms/browser/host/host-files.ts';
import { openClient } from './support/hosts.ts';

test('the smallest host file that has the backends', () => {
  expect(hostFileFor('onnxruntime', ['wasm'])).toBe('onnxruntime-wasm');
  expect(hostFileFor('onnxruntime', ['wasm', 'webnn'])).toBe('onnxruntime-webgpu');
  expect(hostFileFor('tfjs', ['webgpu'])).toBe('tfjs');
});

test('folders given by the caller, with and without a slash, relative to the page', () => {
  const { script, assets } = locateHostFile('onnxruntime-wasm', { workerUrl: '/app/workers' });
  expect(script).toBe(`${location.origin}/app/workers/onnxruntime-wasm.js`);
  expect(assets).toEqual({
    'ort-wasm-simd-threaded.wasm': `${location.origin}/app/assets/ort-wasm-simd-threaded.wasm`,
  });
  const apart = locateHostFile('tfjs', { assetsUrl: 'https://cdn.example/epochly/' });
  expect(Object.values(apart.assets)[0]).toBe('https://cdn.example/epochly/tfjs-backend-wasm-simd.wasm');
});

test('a host file that is not there is a clear error that says what to do', async () => {
  const opening = openHost({ kind: 'worker', framework: 'tfjs', backends: ['cpu'], workerUrl: '/nowhere/' });
  await expect(opening).rejects.toMatchObject({
    code: 'HOST_FAILED',
    message: expect.stringMatching(/nowhere\/tfjs\.js.*workerUrl/s),
  });
});

test('an aborted signal, before and while it opens', async () => {
  const reason = new Error('enough');
  const options = { kind: 'worker', framework: 'tfjs', backends: ['cpu'] } as const;
  await expect(openHost({ ...options, signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  const controller = new AbortController();
  const opening = openHost({ ...options, signal: controller.signal });
  controller.abort(reason);
  await expect(opening).rejects.toBe(reason);
});

test('there are no child processes', async () => {
  await expect(openHost({ kind: 'process', framework: 'tfjs', backends: [] })).rejects.toMatchObject({
    code: 'UNSUPPORTED_OPERATION',
  });
});

test('a host that is ended says so once, and takes no more messages', async () => {
  const { channel } = await openClient('onnxruntime');
  const reasons: string[] = [];
  channel.onExit((reason) => reasons.push(reason));
  await channel.terminate();
  await channel.terminate();
  channel.post({ type: 'cancel', id: 1 });
  expect(reasons).toHaveLength(1);
});

test('what cannot be cloned is refused where it is posted', async () => {
  const { channel } = await openClient('onnxruntime');
  expect(() => channel.post({ body: () => undefined })).toThrow(expect.objectContaining({ name: 'DataCloneError' }));
});
