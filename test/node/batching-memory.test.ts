/** The memory that calls are kept and joined in while they wait is used again: no answer may show it. */

import { createEpochly, tensor } from 'epochly';
import type { Tensor } from 'epochly';
import { expect, test } from 'vitest';
import { OCR_CLASSIFIER, ort } from '../helpers/models.ts';

const withoutCache = (): ReturnType<typeof createEpochly> => createEpochly({ config: { cache: { enabled: false } } });

type Feeds = Readonly<Record<string, Tensor>>;

/** A twin of onnxruntime's session that answers with what it was given: the same memory. */
class Echo {
  readonly inputNames = ['x'];
  readonly outputNames = ['y'];
  readonly inputMetadata = [{ name: 'x', isTensor: true, type: 'float32', shape: ['batch', 4096] }];
  readonly outputMetadata = [{ name: 'y', isTensor: true, type: 'float32', shape: ['batch', 4096] }];
  largest = 0;
  startProfiling = (): void => undefined;
  endProfiling = (): void => undefined;
  async release(): Promise<void> {}
  async run({ x }: Feeds): Promise<Feeds> {
    this.largest = Math.max(this.largest, x?.dims[0] ?? 0);
    await new Promise((resolve) => setImmediate(resolve));
    return { y: x as Tensor };
  }
}

test('answers that share the memory of what was asked stay as they were', async () => {
  const echo = new Echo();
  const session = withoutCache().wrap(echo);
  const answers: { readonly value: number; readonly y: Tensor }[] = [];
  let next = 0;
  const caller = async (): Promise<void> => {
    for (let i = 0; i < 60; i++) {
      const value = ++next;
      const asked = session.run({ x: tensor('float32', new Float32Array(4096).fill(value), [1, 4096]) });
      answers.push({ value, y: (await asked)['y'] as Tensor });
    }
  };
  await Promise.all(Array.from({ length: 12 }, caller));
  expect(echo.largest).toBeGreaterThan(1);
  const wrong = answers.filter(({ value, y }) => (y.data as Float32Array).some((each) => each !== value));
  expect([answers.length, wrong.length]).toEqual([720, 0]);
});

test('pictures that are asked for over and over are answered as each is alone', async () => {
  const raw = await ort.InferenceSession.create(OCR_CLASSIFIER);
  const session = withoutCache().wrap(raw);
  const pictures = Array.from({ length: 10 }, (_, i) =>
    Float32Array.from({ length: 3 * 48 * 192 }, (__, k) => Math.sin(k * (i + 1))),
  );
  const ask = (data: Float32Array): { readonly x: InstanceType<typeof ort.Tensor> } => ({
    x: new ort.Tensor('float32', data, [1, 3, 48, 192]),
  });
  const expected = await Promise.all(pictures.map(async (each) => Object.values(await raw.run(ask(each)))[0]?.data));
  for (let round = 0; round < 8; round++) {
    const answers = await Promise.all(pictures.map((each) => session.run(ask(each))));
    for (const [i, answer] of answers.entries()) {
      for (const { data } of Object.values(answer))
        (data as Float32Array).forEach((each, k) =>
          expect(Math.abs(each - (expected[i] as Float32Array)[k]!)).toBeLessThan(1e-4),
        );
    }
  }
});
