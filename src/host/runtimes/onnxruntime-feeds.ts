/** @module Inputs held against what a model declares, before it runs: onnxruntime's own errors name neither side well. */

import type { TensorInfo } from '../../adapters/adapter.ts';
import { InputError } from '../../errors.ts';
import { isPlainObject } from '../../portable.ts';
import type { Portable } from '../../portable.ts';
import { isTensorLike, tensor } from '../../tensor.ts';
import type { TensorLike } from '../../tensor.ts';

/** @throws InputError that names the input, what it should be and what it is. */
export function checkFeeds(
  inputs: readonly TensorInfo[],
  args: readonly Portable[],
): Readonly<Record<string, TensorLike>> {
  const [feeds, parameters] = args;
  if (parameters !== undefined) throw new InputError('An ONNX model takes inputs only: it has no parameters.');
  if (!isPlainObject(feeds) || isTensorLike(feeds)) {
    throw new InputError(
      `The inputs are an object with a tensor for each name: ${inputs.map(({ name }) => name).join(', ')}.`,
    );
  }
  for (const name of Object.keys(feeds)) {
    if (inputs.every((each) => each.name !== name)) {
      throw new InputError(
        `The model has no input "${name}". Its inputs are ${inputs.map((each) => each.name).join(', ')}.`,
        {
          input: name,
        },
      );
    }
  }
  return Object.fromEntries(inputs.map((info) => [info.name, checkFeed(info, feeds[info.name])]));
}

function checkFeed(info: TensorInfo, value: unknown): TensorLike {
  const { name, type, dims } = info;
  if (value === undefined)
    throw new InputError(`The input "${name}" is missing. It is ${describe(info)}.`, { input: name });
  if (!isTensorLike(value)) {
    throw new InputError(`The input "${name}" is no tensor. Make it with tensor('${type ?? 'float32'}', data, dims).`, {
      input: name,
    });
  }
  if (type !== undefined && value.type !== type) {
    throw new InputError(`The input "${name}" is ${describe(info)}; it was given a tensor of ${value.type}.`, {
      input: name,
    });
  }
  const fits =
    dims === undefined ||
    (dims.length === value.dims.length &&
      dims.every((dim, i) => typeof dim === 'string' || dim < 0 || dim === value.dims[i]));
  if (!fits) {
    throw new InputError(`The input "${name}" is ${describe(info)}; it was given dims [${value.dims.join(', ')}].`, {
      input: name,
    });
  }
  try {
    return tensor(value.type, value.data as never, value.dims);
  } catch (cause) {
    throw new InputError(`The input "${name}" is no sound tensor: ${(cause as Error).message}`, { input: name, cause });
  }
}

function describe({ type, dims }: TensorInfo): string {
  const size = dims?.map((dim) => (dim === -1 ? 'any' : dim)).join(', ');
  return `${type ?? 'a tensor'}${size === undefined ? '' : ` of dims [${size}]`}`;
}
