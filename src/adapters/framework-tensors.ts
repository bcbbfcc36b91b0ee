/**
 * @module Tensors of onnxruntime's shape in a framework's own class, which was seen on them: the caller's `instanceof` must
 * hold for a kept answer.
 */

import { UnsupportedOperationError } from '../errors.ts';
import { copyPortable } from '../portable.ts';
import type { TensorLike } from '../tensor.ts';
import { isFrameworkTensor } from '../device-tensor.ts';
import type { MakeTensor } from './rows.ts';
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
        // A plain object with the fields of a tensor is of nobody's class.
        if (typeof candidate !== 'function' || candidate === Object) return false;
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

  /** Makes tensors of the model's framework around data; plain ones where none of that framework was seen. */
  maker(model: object, hint: unknown): MakeTensor {
    const Tensor = this.learn(model, hint);
    return Tensor === undefined ? makePlain : (type, data, dims) => new Tensor(type, data, dims);
  }
}

/** onnxruntime reads the fields of what it is fed, whatever its class; `location` is one of them. */
export const makePlain: MakeTensor = (type, data, dims) => ({ type, data, dims, location: 'cpu' }) as TensorLike;
