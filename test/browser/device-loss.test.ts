/** What a model's callers get where the GPU device is lost, or the worker is gone: really, in Chromium. */

import { beforeAll, describe, expect, inject, test } from 'vitest';
import { browserPlatform } from '../../platforms/browser/platform.ts';
import { valuesMatch } from '../../src/adapters/compare.ts';
import { createEpochly } from '../../src/create.ts';
import type { LoadedModel } from '../../src/create.ts';
import type { LoadOptions } from '../../src/load.ts';
import type { Portable } from '../../src/portable.ts';
import { tensor } from '../../src/tensor.ts';
import { perceptron } from '../helpers/onnx-builder.ts';
import { losingPlatform } from './support/losable-host.ts';
import type { Losing, Loss } from './support/losable-host.ts';

const MODEL = perceptron([8, 16, 4]);
const CONFIG = { cache: { enabled: false }, batching: { enabled: false } };
const QUESTIONS = Array.from({ length: 8 }, (_, question) => ({
  x: tensor(
    'float32',
    Float32Array.from({ length: 8 }, (_each, i) => Math.sin(question + i)),
    [1, 8],
  ),
}));
/** Known to the page at once, before anybody is told. */
const HEARD: readonly Loss[] = ['the device is destroyed', 'the worker fails'];

let answers: readonly Portable[];
const open = (losing: Losing, options: LoadOptions): Promise<LoadedModel> =>
  createEpochly(losing.platform, { config: CONFIG }).load(MODEL, options);

/** Whether the model gives the reference's answer; an error is the caller's. */
async function isRight(model: LoadedModel, question: number): Promise<boolean> {
  const answer = await model.run(QUESTIONS[question % QUESTIONS.length]);
  return valuesMatch(answers[question % QUESTIONS.length], answer, 1e-4);
}

describe.runIf(inject('webgpu'))('where Chromium has WebGPU', () => {
  beforeAll(async () => {
    const reference = await createEpochly(browserPlatform, { config: CONFIG }).load(MODEL);
    answers = await Promise.all(QUESTIONS.map((each) => reference.run(each)));
    await reference.close();
  });

  test.each(HEARD)('%s: who waits is told so or answered, and the next call is served by a new host', async (how) => {
    const losing = losingPlatform();
    const model = await open(losing, { backend: 'webgpu' });
    expect(await isRight(model, 0)).toBe(true);
    const waiting = Promise.allSettled(QUESTIONS.map((_, question) => isRight(model, question)));
    await losing.lose(how);
    for (const each of await waiting) {
      if (each.status === 'fulfilled') expect(each.value).toBe(true);
      else expect(each.reason).toMatchObject({ code: 'HOST_FAILED' });
    }
    // Where nobody waited when it was lost, the first to ask is told.
    await isRight(model, 2).catch((reason: unknown) => expect(reason).toMatchObject({ code: 'HOST_FAILED' }));
    expect(await isRight(model, 3)).toBe(true);
    expect(losing.opened()).toBe(2);
    await model.close();
  });

  test('a worker that is gone without a word is taken for hung once its caller has left, and is replaced', async () => {
    const losing = losingPlatform({ speed: 20 });
    const model = await open(losing, { backend: 'webgpu' });
    expect(await isRight(model, 0)).toBe(true);
    await losing.lose('the worker ends');
    await expect(model.run(QUESTIONS[0], { deadlineMs: 2000 })).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' });
    const replaced = new Promise((resolve) => model.onHostReplaced(resolve));
    await expect(replaced).resolves.toMatchObject({ code: 'HOST_FAILED' });
    expect(await isRight(model, 1)).toBe(true);
    expect(losing.opened()).toBe(2);
    await model.close();
  });

  test.each(HEARD)("%s while WebGPU answers for backend 'auto': every call is answered, and rightly", async (how) => {
    const losing = losingPlatform({ slowMs: 100 });
    // No options that are tried beside it.
    const frameworkOptions = { graphOptimizationLevel: 'all', freeDimensionOverrides: {} };
    const model = await open(losing, { backend: 'auto', frameworkOptions });
    const isOn = (): boolean => model.backendReport.search?.gate?.state === 'on';
    for (let call = 0; call < 1000 && !isOn(); call++) expect(await isRight(model, call)).toBe(true);
    expect(model.backendReport.search).toMatchObject({
      chosen: expect.stringMatching(/^webgpu/),
      gate: { state: 'on' },
    });
    const waiting = Promise.all(QUESTIONS.map((_, question) => isRight(model, question)));
    await losing.lose(how);
    expect(await waiting).toEqual(QUESTIONS.map(() => true));
    for (let call = 0; call < 8; call++) expect(await isRight(model, call)).toBe(true);
    await model.close();
  });
});
