/** @module Tensors of TensorFlow.js in portable form, and back. */

import { UnsupportedOperationError } from '../errors.ts';
import type { MaybePromise } from '../platform.ts';
import { isPlainObject, isPortable } from '../portable.ts';
import type { Portable } from '../portable.ts';
import { isTensorLike, Tensor } from '../tensor.ts';
import type { TensorLike } from '../tensor.ts';
import { read, someValue, valuesOf } from '../shapes.ts';
import { currentBackend, isTfTensor } from './tfjs-types.ts';
import type { TfTensor } from './tfjs-types.ts';

type TensorBufferClass = new (shape: readonly number[], dtype: string, values: unknown) => { toTensor(): TfTensor };

/** Backends that keep tensors in memory, where reading them at once costs no more than reading them later. */
const IN_MEMORY: ReadonlySet<string | undefined> = new Set(['cpu', 'wasm', 'tensorflow']);
const DTYPES: ReadonlySet<string> = new Set(['float32', 'int32', 'bool', 'string']);

/** tf.TensorBuffer, which makes tensors from values, by model. */
const bufferClasses = new WeakMap<object, TensorBufferClass>();
/** Tensors that were read before. A backend keeps what it read back from a GPU, so that reading again is at once. */
const readBefore = new WeakSet<TfTensor>();

/** The tensors in a tree of arrays and plain objects. */
export function tensorsIn(value: unknown): readonly TfTensor[] {
  if (isTfTensor(value)) return [value];
  return Array.isArray(value) || isPlainObject(value) ? valuesOf(value).flatMap(tensorsIn) : [];
}

/**
 * A tree with TensorFlow.js tensors in it as a tree with portable ones; undefined where something else is in it. May share
 * memory with the tensors. At once where their data is in memory: the caller cannot change it in between.
 */
export function readTree(value: unknown): MaybePromise<Portable | undefined> {
  const tensors = tensorsIn(value);
  if (IN_MEMORY.has(currentBackend()) || tensors.every((tensor) => readBefore.has(tensor)))
    return replaceTensors(value);
  const reads = tensors.map((tensor) => (tensor.dtype === 'string' ? tensor.bytes() : tensor.data()));
  return Promise.all(reads).then(() => {
    for (const tensor of tensors) readBefore.add(tensor);
    return replaceTensors(value);
  });
}

/** A tree as `readTree` gives it, read at once whatever that takes. */
function replaceTensors(value: unknown): Portable | undefined {
  if (isTfTensor(value)) return readNow(value);
  if (!Array.isArray(value) && !isPlainObject(value)) return isPortable(value) ? value : undefined;
  if (isTensorLike(value)) return value;
  const entries: [string, Portable][] = [];
  for (const [key, each] of Object.entries(value as object)) {
    const portable = replaceTensors(each);
    if (portable === undefined && each !== undefined) return undefined;
    entries.push([key, portable]);
  }
  return Array.isArray(value) ? entries.map(([, each]) => each) : Object.fromEntries(entries);
}

function readNow(tensor: TfTensor): TensorLike | undefined {
  if (!DTYPES.has(tensor.dtype)) return undefined;
  const data = tensor.dtype === 'string' ? decodeStrings(bytesNow(tensor)) : tensor.dataSync();
  if (data === undefined) return undefined;
  try {
    return new Tensor(tensor.dtype as 'float32', data as Float32Array, tensor.shape.slice());
  } catch {
    return undefined; // Some kernels keep numbers in another type than the tensor's.
  }
}

/**
 * The elements of a string tensor as they are kept. TensorFlow.js decodes them where it reads them at once, which loses byte
 * order marks and all that is no UTF-8; it leaves the data of other dtypes as it is.
 */
function bytesNow(tensor: TfTensor): unknown {
  return Reflect.apply(tensor.dataSync, Object.create(tensor, { dtype: { value: 'bytes' } }), []);
}

/** Strings of UTF-8; undefined where the bytes are something else, which as strings would all look alike. */
function decodeStrings(encoded: unknown): readonly string[] | undefined {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  try {
    return (encoded as readonly Uint8Array[]).map((bytes) => decoder.decode(bytes));
  } catch {
    return undefined;
  }
}

/** Learns from any tensor in `value` how to make tensors for the model. Costs a look-up once that is known. */
export function learnTensors(model: object, value: unknown): TensorBufferClass | undefined {
  let known = bufferClasses.get(model);
  if (known !== undefined) return known;
  someValue(value, (each) => {
    known = isTfTensor(each) ? bufferClassOf(each) : undefined;
    return known !== undefined;
  });
  if (known !== undefined) bufferClasses.set(model, known);
  return known;
}

/** The class of a tensor's `bufferSync()`, from an empty receiver of the method, so that nothing is read from a GPU. */
function bufferClassOf(tensor: TfTensor): TensorBufferClass | undefined {
  const bufferSync = read(tensor, 'bufferSync');
  if (typeof bufferSync !== 'function') return undefined;
  const empty = { shape: [0], dtype: 'float32', dataSync: () => new Float32Array(0) };
  return read(Reflect.apply(bufferSync, empty, []), 'constructor') as TensorBufferClass | undefined;
}

/**
 * A portable tree as a tree with tensors of the model's TensorFlow.js, which the caller disposes of.
 * @throws UnsupportedOperationError where no tensor was seen, in `hint` or before.
 */
export function makeTree(model: object, value: Portable, hint: unknown): unknown {
  const TensorBuffer = learnTensors(model, hint);
  if (TensorBuffer === undefined) {
    throw new UnsupportedOperationError(
      'How to make tensors for this model is not known before one was seen: run the model once.',
    );
  }
  const make = (each: Portable): unknown => {
    // Copied, because a backend keeps the memory that it is given.
    if (isTensorLike(each)) return new TensorBuffer(each.dims.slice(), each.type, each.data.slice()).toTensor();
    if (Array.isArray(each)) return each.map(make);
    if (!isPlainObject(each)) return each;
    return Object.fromEntries(Object.entries(each).map(([key, inner]) => [key, make(inner as Portable)]));
  };
  return make(value);
}
