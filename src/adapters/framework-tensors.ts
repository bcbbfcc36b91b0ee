/**
 * @module Tensors of onnxruntime's shape in a framework's own class, which was seen on them: the caller's `instanceof` must
 * hold for a kept answer.
 */

import { UnsupportedOperationError } from '../errors.ts';
import { copyPortable } from '../portable.ts';
import type { TensorLike } from '../tensor.ts';
import { isFrameworkTensor } from '../device-tensor.ts';
import { read, someValue } from '../shapes.ts';

/** The class of a framework's tensors. */
export type TensorConstructor = new (type: string, data: unknown, dims: readonly number[]) => TensorLike;

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
