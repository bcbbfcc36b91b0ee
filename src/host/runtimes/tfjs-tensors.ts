/** @module Portable tensors in and out of TensorFlow.js, checked against what the model says of itself. */

import type { TensorInfo } from '../../adapters/adapter.ts';
import { InputError, UnsupportedOperationError } from '../../errors.ts';
import { isPlainObject } from '../../portable.ts';
import type { Portable } from '../../portable.ts';
import { isTensorLike, Tensor } from '../../tensor.ts';
import type { TensorLike, TensorType } from '../../tensor.ts';
import type { TfModel, TfNamespace, TfOutput, TfTensor, TfTensorInfo } from './tfjs-namespace.ts';

const TYPES: ReadonlySet<string> = new Set(['float32', 'int32', 'bool', 'string']);

/** Inputs or outputs as epochly describes them: open dimensions are -1, names as the model's author wrote them. */
export function describeTensors(infos: readonly TfTensorInfo[], names?: readonly string[]): TensorInfo[] {
  return infos.map((info, index) => ({
    name: names?.[index] ?? info.name.replace(/:0$/, ''),
    type: info.dtype !== undefined && TYPES.has(info.dtype) ? (info.dtype as TensorType) : undefined,
    dims: info.shape?.map((size) => (size === null || size < 0 ? -1 : size)),
  }));
}

/**
 * The one argument of a run (a tensor, an array of them, or tensors by name) as checked tensors in the model's order.
 * @throws InputError naming the input that is missing, unknown or does not fit.
 */
export function orderInputs(args: readonly Portable[], inputs: readonly TensorInfo[]): TensorLike[] {
  const expected = `This model takes ${inputs.map(describeInput).join(', ')}`;
  if (args.length !== 1) {
    throw new InputError(
      `${expected}, as one argument: a tensor, an array of tensors, or tensors by name. It was given ${args.length}.`,
    );
  }
  const [input] = args;
  let given: readonly unknown[];
  if (isTensorLike(input)) given = [input];
  else if (Array.isArray(input)) given = input;
  else if (isPlainObject(input)) given = byName(input, inputs);
  else
    throw new InputError(
      `${expected}; it was given ${typeof input === 'object' ? 'something that is no tensor' : `a ${typeof input}`}.`,
    );
  if (given.length !== inputs.length) {
    throw new InputError(`${expected}: ${inputs.length} of them. It was given ${given.length}.`);
  }
  return inputs.map((info, index) => checkInput(given[index], info));
}

function byName(given: Readonly<Record<string, unknown>>, inputs: readonly TensorInfo[]): unknown[] {
  const normalised = new Map(Object.entries(given).map(([name, value]) => [name.replace(/:0$/, ''), value]));
  const known = inputs.map((info) => info.name);
  for (const name of normalised.keys()) {
    if (!known.includes(name)) {
      throw new InputError(`The model has no input named ${JSON.stringify(name)}. Its inputs: ${known.join(', ')}.`, {
        input: name,
      });
    }
  }
  return inputs.map((info) => {
    if (!normalised.has(info.name)) {
      throw new InputError(
        `The input ${JSON.stringify(info.name)} is missing. The model takes ${inputs.map(describeInput).join(', ')}.`,
        {
          input: info.name,
        },
      );
    }
    return normalised.get(info.name);
  });
}

function checkInput(value: unknown, info: TensorInfo): TensorLike {
  const options = { input: info.name };
  if (!isTensorLike(value)) {
    throw new InputError(`The input ${JSON.stringify(info.name)} must be a tensor (${describeInput(info)}).`, options);
  }
  if (info.type === undefined ? !TYPES.has(value.type) : value.type !== info.type) {
    const wanted = info.type ?? 'float32, int32, bool or string';
    throw new InputError(`The input ${JSON.stringify(info.name)} must be ${wanted}; it is ${value.type}.`, options);
  }
  const { dims } = info;
  if (dims !== undefined) {
    const fits =
      dims.length === value.dims.length && dims.every((size, axis) => size === -1 || size === value.dims[axis]);
    if (!fits) {
      throw new InputError(
        `The input ${JSON.stringify(info.name)} must have the dims ${describeDims(dims)}; it has [${value.dims.join(', ')}].`,
        options,
      );
    }
  }
  return value;
}

function describeInput(info: TensorInfo): string {
  return `${info.name}: ${info.type ?? 'tensor'}${info.dims === undefined ? '' : ` ${describeDims(info.dims)}`}`;
}

function describeDims(dims: readonly (number | string)[]): string {
  return `[${dims.map((size) => (size === -1 ? 'any' : size)).join(', ')}]`;
}

export function toTf(tf: TfNamespace, value: TensorLike): TfTensor {
  // tfjs keeps the array it is given, and a later run must not see this one's memory: inputs are fresh copies here.
  return tf.tensor(value.data, value.dims, value.type);
}

/** The output in the form that tfjs gives it: a tensor, an array of tensors, or tensors by name. */
export async function fromTf(output: TfOutput): Promise<Portable> {
  if (isTfTensor(output)) return readTensor(output);
  if (Array.isArray(output)) return Promise.all((output as readonly TfTensor[]).map(readTensor));
  const named: Record<string, Portable> = {};
  for (const [name, tensor] of Object.entries(output as Readonly<Record<string, TfTensor>>))
    named[name] = await readTensor(tensor);
  return named;
}

function isTfTensor(value: TfOutput): value is TfTensor {
  return typeof (value as TfTensor).data === 'function' && typeof (value as TfTensor).dtype === 'string';
}

async function readTensor(tensor: TfTensor): Promise<TensorLike> {
  const dims = [...tensor.shape];
  const data = await tensor.data();
  // The cpu backend gives out its own memory, which the next run may overwrite: every answer is a copy.
  switch (tensor.dtype) {
    case 'float32':
      return new Tensor('float32', Float32Array.from(data as ArrayLike<number>), dims);
    case 'int32':
      return new Tensor('int32', Int32Array.from(data as ArrayLike<number>), dims);
    case 'bool':
      return new Tensor('bool', Uint8Array.from(data as ArrayLike<number>), dims);
    case 'string':
      return new Tensor('string', [...(data as readonly string[])], dims);
    default:
      throw new UnsupportedOperationError(`An output of the model is ${tensor.dtype}, which has no portable form.`);
  }
}

/** Names and shapes of a model's inputs, less the lookup tables that a Graph model feeds itself. */
export function inputsOf(model: TfModel): TensorInfo[] {
  if (model.inputNames !== undefined && model.predictAsync === undefined)
    return describeTensors(model.inputs, model.inputNames);
  return describeTensors(model.inputs.filter((info) => info.dtype !== 'resource'));
}
