/** Adapters of which most is loaded once a model is wrapped. */

import { expect, test, vi } from 'vitest';
import type { InferenceAdapter, LazyAdapter } from '../../src/adapters/adapter.ts';
import { callableAdapter } from '../../src/adapters/callable.ts';
import { createEpochly } from '../../src/create.ts';
import { webPlatform } from '../../platforms/web/platform.ts';

function setUp() {
  const { name, detect, getModelClasses, getEntryPoints, wrapForward, ...rest } = callableAdapter({
    deterministic: true,
  });
  const detection = { name, detect, getModelClasses, getEntryPoints, wrapForward };
  let loaded!: (adapter: InferenceAdapter) => void;
  let failed!: (error: unknown) => void;
  const load = vi.fn(() => new Promise<InferenceAdapter>((resolve, reject) => ((loaded = resolve), (failed = reject))));
  const lazy: LazyAdapter = { ...detection, load };
  const model = vi.fn(async (n: number) => n * 2);
  const epochly = createEpochly(webPlatform);
  const sources: unknown[] = [];
  epochly.onCall(({ source, error }) => sources.push(source ?? (error as Error).message));
  const proxy = epochly.wrap(model, { adapter: lazy as unknown as InferenceAdapter });
  return {
    proxy,
    model,
    load,
    sources,
    arrive: () => loaded({ ...detection, ...rest }),
    fail: () => failed('offline'),
  };
}

test('it is loaded with the first model, and the first call waits for it', async () => {
  const { proxy, model, load, sources, arrive } = setUp();
  expect(load).toHaveBeenCalledOnce();
  const calls = [proxy(1), proxy(1)];
  expect(model).not.toHaveBeenCalled();
  arrive();
  expect(await Promise.all(calls)).toEqual([2, 2]);
  expect(await proxy(1)).toBe(2);
  expect(model).toHaveBeenCalledOnce();
  expect(sources.toSorted()).toEqual(['l1', 'model', 'shared']);
});

test('a caller who leaves meanwhile leaves at once, and nothing is run for it', async () => {
  const { proxy, model, arrive } = setUp();
  const controller = new AbortController();
  const call = proxy.with({ signal: controller.signal })(1);
  controller.abort(new Error('left'));
  await expect(call).rejects.toThrow('left');
  arrive();
  await proxy(2);
  expect(model.mock.calls).toEqual([[2]]);
});

test('where it does not come, the model is called and observed, and that is said once', async () => {
  const warn = vi.spyOn(console, 'warn').mockImplementation(() => undefined);
  const { proxy, model, sources, fail } = setUp();
  const first = proxy(1);
  fail();
  expect(await first).toBe(2);
  expect(await proxy(1)).toBe(2);
  expect(model).toHaveBeenCalledTimes(2);
  expect(sources).toEqual(['model', 'model']);
  expect(warn).toHaveBeenCalledOnce();
  warn.mockRestore();
});
