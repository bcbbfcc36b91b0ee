/**
 * Answers of a reference and of a right backend, which differ by rounding: each number by up to 1e-4 of the largest one of its tensor, and generated
 * texts, once in a hundred, by what follows from another of two tokens that are level.
 */

import { ROUNDING } from '../../src/safety/distances.ts';
import type { OutputPair } from '../../src/safety/output-validator.ts';
import type { WorkloadType } from '../../src/safety/workload.ts';
import { Tensor, tensor } from '../../src/tensor.ts';

export type Workload = WorkloadType;
type Random = () => number;

/** A value with the most rounding there is between right backends, half of it at least kept for that of 32-bit storage. */
export function noisy(value: number, scale: number, random: Random): number {
  return value + (random() * 2 - 1) * 0.99 * ROUNDING * scale;
}

function normal(random: Random): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

/** Two tensors of the same numbers, one with rounding. */
function pair(dims: readonly number[], draw: (index: number) => number, random: Random): readonly [Tensor, Tensor] {
  const data = new Float32Array(dims.reduce((product, dim) => product * dim, 1));
  let scale = 0;
  for (let i = 0; i < data.length; i++) {
    data[i] = draw(i);
    scale = Math.max(scale, Math.abs(data[i] as number));
  }
  const other = data.map((each) => noisy(each, scale, random));
  return [new Tensor('float32', data, dims), new Tensor('float32', other, dims)];
}

const TEXT_LENGTH = 32;

/** One in a hundred diverges, from any place on. */
function texts(random: Random): OutputPair {
  const words = Array.from({ length: TEXT_LENGTH }, () => `w${Math.floor(random() * 1000)}`);
  const other = [...words];
  if (random() < 0.01)
    for (let i = Math.floor(random() * TEXT_LENGTH); i < TEXT_LENGTH; i++) other[i] = `w${Math.floor(random() * 1000)}`;
  const answer = (each: readonly string[]) => [{ generated_text: each.join(' '), finish_reason: 'stop' }];
  return { expected: answer(words), actual: answer(other) };
}

const DRAW: Readonly<Record<Workload, (random: Random) => OutputPair>> = {
  embedding(random) {
    const [expected, actual] = pair([1, 32], () => normal(random), random);
    return { expected: { sentence_embedding: expected }, actual: { sentence_embedding: actual } };
  },
  classifier(random) {
    const [expected, actual] = pair([1, 10], () => normal(random) * 4, random);
    return { expected: { logits: expected }, actual: { logits: actual } };
  },
  reranker(random) {
    const [expected, actual] = pair([10, 1], () => normal(random) * 4, random);
    return { expected: { logits: expected }, actual: { logits: actual } };
  },
  generation: texts,
  llm(random) {
    const [logits, otherLogits] = pair([1, 2, 16], () => normal(random) * 4, random);
    const [key, otherKey] = pair([1, 2, 2, 4], () => normal(random), random);
    return {
      expected: { logits, 'present.0.key': key },
      actual: { logits: otherLogits, 'present.0.key': otherKey },
    };
  },
  encoder(random) {
    const [expected, actual] = pair([1, 4, 16], () => normal(random), random);
    const mask = tensor('int64', [1, 1, 1, 0], [1, 4]);
    return { expected: { last_hidden_state: expected, mask }, actual: { last_hidden_state: actual, mask } };
  },
};

/** So many answers of a model, to different inputs. */
export function healthyPairs(workload: Workload, count: number, random: Random): readonly OutputPair[] {
  return Array.from({ length: count }, () => DRAW[workload](random));
}
