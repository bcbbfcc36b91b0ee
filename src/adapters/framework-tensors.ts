/**
 * @module Tensors of onnxruntime's shape, as a framework made them. They are told by their `location`, which epochly's own
 * have none of, and built with the class that was seen on them: the caller's `instanceof` must hold for a kept answer.
 */

import { UnsupportedOperationError } from '../errors.ts';
import { copyPortable } from '../portable.ts';
import type { TensorLike } from '../tensor.ts';
import { hasArray, read, someValue } from './shapes.ts';

/** The class of a framework's tensors. */
export type TensorConstructor = new (type: string, data: unknown, dims: readonly number[]) => TensorLike;

const IN_MEMORY: ReadonlySet<unknown> = new Set(['cpu', 'cpu-pinned']);
/** What a disposed tensor says of its place: running with it is an error, which is the framework's to raise. */
const DISPOSED = 'none';

/** Whether `value` is a framework's tensor, wherever its data is. */
export function isFrameworkTensor(value: unknown): boolean {
  return (
    typeof read(value, 'location') === 'string' && typeof read(value, 'type') === 'string' && hasArray(value, 'dims')
  );
}

/** Whether a framework's tensor keeps its data on a GPU or another device. */
export function isOnDevice(value: unknown): boolean {
  const location = read(value, 'location');
  if (location === undefined || location === DISPOSED || IN_MEMORY.has(location)) return false;
  return isFrameworkTensor(value);
}

/** The Tensor class of each model, from the first tensor of its that was seen. */
export class TensorClasses {
  readonly #classes = new WeakMap<object, TensorConstructor>();

  /** Learns the class from any tensor in `value`. Costs a look-up once it is known. */
  learn(model: object, value: unknown): TensorConstructor | undefined {
    let found = this.#classes.get(model);
    if (found !== undefined) return found;
    someValue(
      value,
      (each) => {
        const candidate = isFrameworkTensor(each) ? read(each, 'constructor') : undefined;
        if (typeof candidate !== 'function') return false;
        found = candidate as TensorConstructor;
        return true;
      },
      4,
    );
    if (found !== undefined) this.#classes.set(model, found);
    return found;
  }

  /**
   * A tensor of the model's framework with a copy of the data.
   * @throws UnsupportedOperationError where no tensor of that framework was seen, in `hint` or before.
   */
  make(model: object, value: TensorLike, hint: unknown): TensorLike {
    const Tensor = this.learn(model, hint);
    if (Tensor === undefined) {
      throw new UnsupportedOperationError(
        'The class of this model’s tensors is not known before one was seen: run the model once.',
      );
    }
    const { type, data, dims } = copyPortable(value);
    return new Tensor(type, data, dims);
  }
}
