/** @module What goes into and comes out of transformers.js pipelines, as portable values. */

import { InferenceError } from '../../model-errors.ts';
import { isPlainObject, isTypedArray, MAX_PORTABLE_DEPTH } from '../../portable.ts';
import type { Portable } from '../../portable.ts';
import { isTensorLike, Tensor } from '../../tensor.ts';
import type { TensorLike } from '../../tensor.ts';
import type { TransformersLibrary } from './transformers.ts';

/** Portable arguments as the library's own values: uint8 tensors of [height, width, channels] are images. */
export function toPipeline(lib: TransformersLibrary, value: Portable): unknown {
  if (isTensorLike(value)) {
    const [height, width, channels] = value.dims;
    if (value.type === 'uint8' && value.dims.length === 3 && lib.RawImage !== undefined) {
      return new lib.RawImage(value.data, width as number, height as number, channels as number);
    }
    return new lib.Tensor(value.type, value.data, value.dims);
  }
  if (isTypedArray(value)) return value;
  if (Array.isArray(value)) return value.map((each: Portable) => toPipeline(lib, each));
  if (isPlainObject(value)) {
    return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, toPipeline(lib, each as Portable)]));
  }
  return value;
}

interface LibraryTensor {
  readonly type: string;
  readonly dims: readonly number[];
  readonly location?: string;
  readonly data: unknown;
  readonly ort_tensor?: { getData?(release?: boolean): Promise<unknown> };
}

/** An answer as plain data: the library's tensors, images and sounds lose their classes, functions are left out. */
export async function fromPipeline(value: unknown, depth = 0): Promise<Portable> {
  if (depth > MAX_PORTABLE_DEPTH)
    throw new InferenceError('The answer of the pipeline is nested too deeply, or is cyclic.');
  switch (typeof value) {
    case 'object':
      break;
    case 'function':
    case 'symbol':
      return undefined;
    default:
      return value as Portable;
  }
  if (value === null || isTypedArray(value)) return value;
  if (isLibraryTensor(value)) return readTensor(value);
  if (Array.isArray(value)) {
    const items: Portable[] = [];
    for (const each of value) items.push(await fromPipeline(each, depth + 1));
    return items;
  }
  const entries =
    value instanceof Map ? [...value].map(([name, each]) => [String(name), each] as const) : Object.entries(value);
  const fields: Record<string, Portable> = {};
  for (const [name, each] of entries)
    if (typeof each !== 'function') fields[name] = await fromPipeline(each, depth + 1);
  return fields;
}

function isLibraryTensor(value: object): value is LibraryTensor {
  return (
    typeof (value as Partial<LibraryTensor>).type === 'string' &&
    Array.isArray((value as Partial<LibraryTensor>).dims) &&
    'data' in value
  );
}

async function readTensor(value: LibraryTensor): Promise<TensorLike> {
  const onGpu = value.location !== undefined && value.location !== 'cpu' && value.location !== 'none';
  const data = onGpu ? await value.ort_tensor?.getData?.() : value.data;
  const tag = Object.prototype.toString.call(data).slice(8, -1);
  const plain = tag === 'Float16Array' ? bits(data as ArrayBufferView) : data;
  return new Tensor(value.type as TensorLike['type'], plain as never, [...value.dims]);
}

function bits(view: ArrayBufferView): Uint16Array {
  return new Uint16Array(view.buffer as ArrayBuffer, view.byteOffset, view.byteLength / 2);
}
