import { expect, test } from 'vitest';
import { listBackends, load } from 'epochly';
import { identityModel } from '../helpers/onnx-builder.ts';

test('a backend is available where a model opens on it, and only there', async () => {
  const backends = await listBackends();
  expect(backends.map(({ backend }) => backend)).toEqual(['tensorrt', 'cuda', 'dml', 'coreml', 'webgpu', 'cpu']);
  for (const { backend, available, reason } of backends) {
    const opened = await load(identityModel('float32'), { backend, host: 'process' }).catch(() => undefined);
    expect(opened !== undefined, `${backend} (${reason})`).toBe(available);
    if (!available) expect(reason).toBeTruthy();
    await opened?.close();
  }
  expect(backends.at(-1)).toMatchObject({ available: true, device: expect.any(String) });
});
