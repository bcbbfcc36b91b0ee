/** Models that faulty ways are ways of. */

import type { Portable } from '../../src/portable.ts';
import { tensor } from '../../src/tensor.ts';
import { createRandom } from './cache-traces.ts';
import type { Subject } from './meet-fault.ts';
import { perceptron } from './onnx-builder.ts';

/**
 * A small classifier: `y` [n, 5] of `x` [n, 8], and `label` [n], the index of the largest score of each row, in whole numbers.
 */
export function classifier(): Subject {
  return {
    source: withLabels(perceptron([8, 16, 5])),
    ask(rows, seed) {
      const random = createRandom(seed);
      return {
        x: tensor(
          'float32',
          Float32Array.from({ length: rows * 8 }, () => random() * 2 - 1),
          [rows, 8],
        ),
      };
    },
  };
}

/** A sentence encoder of 'input_ids' and 'attention_mask', [n, 6]. */
export function encoder(source: Subject['source']): Subject {
  return {
    source,
    ask(rows, seed): Portable {
      const random = createRandom(seed);
      const ids = Array.from({ length: rows * 6 }, () => 10 + Math.floor(random() * 6000));
      return {
        input_ids: tensor('int64', ids, [rows, 6]),
        attention_mask: tensor(
          'int64',
          ids.map(() => 1),
          [rows, 6],
        ),
      };
    },
  };
}

/**
 * Protocol buffers that are put one behind the other are merged: a graph gets what a second one adds to it.
 * @see https://protobuf.dev/programming-guides/encoding/#last-one-wins
 */
function withLabels(model: Uint8Array): Uint8Array<ArrayBuffer> {
  const field = (number: number, content: readonly number[]): number[] => [number * 8 + 2, content.length, ...content];
  const int = (number: number, value: number): number[] => [number * 8, value];
  const text = (number: number, value: string): number[] => field(number, [...new TextEncoder().encode(value)]);
  const attribute = (name: string, value: number): number[] =>
    // AttributeProto: i is field 3; its type, field 20, is INT.
    field(5, [...text(1, name), ...int(3, value), 160, 1, 2]);
  const node = [
    ...text(1, 'y'),
    ...text(2, 'label'),
    ...text(4, 'ArgMax'),
    ...attribute('axis', 1),
    ...attribute('keepdims', 0),
  ];
  const INT64 = 7;
  const type = field(1, [...int(1, INT64), ...field(2, field(1, text(2, 'batch')))]);
  return Uint8Array.from([
    ...model,
    ...field(7, [...field(1, node), ...field(12, [...text(1, 'label'), ...field(2, type)])]),
  ]);
}
