/** @module Inputs and answers of transformers.js in portable form, and back: tensors, images, and classes of plain fields. */

import { UnsupportedOperationError } from '../errors.ts';
import { copyPortable, isPlainObject, isPortable } from '../portable.ts';
import type { Portable } from '../portable.ts';
import { isTensorLike } from '../tensor.ts';
import type { TensorLike } from '../tensor.ts';
import { isFrameworkTensor } from '../device-tensor.ts';
import { TensorClasses } from './framework-tensors.ts';
import { hasMethods, read } from '../shapes.ts';

type ImageClass = new (data: unknown, width: number, height: number, channels: number) => object;
type Fields = Readonly<Record<string, Portable>>;

/** Keys that no plain answer has: under them is the name of a class, or an image. What has such keys is not taken. */
const CLASS = '\0class';
const IMAGE = '\0image';
const MAX_DEPTH = 32;

const tensors = new TensorClasses();

/** The classes of a model's answers by name. Two of one name (a minifier makes them) are told apart by a number. */
interface AnswerClasses {
  readonly prototypes: Map<string, object>;
  image: ImageClass | undefined;
}

const answerClasses = new WeakMap<object, AnswerClasses>();

function classesOf(model: object): AnswerClasses {
  let classes = answerClasses.get(model);
  if (classes === undefined) answerClasses.set(model, (classes = { prototypes: new Map(), image: undefined }));
  return classes;
}

/**
 * A value as portable data; undefined where something in it has no such form, as what is in GPU memory, or an instance of a
 * class that does more than hold fields. May share memory with the value.
 */
export function toPortable(model: object, value: unknown): Portable | undefined {
  tensors.learn(model, value);
  let possible = true;
  const convert = (each: unknown, depth: number): Portable => {
    if (isTensorLike(each) || typeof each !== 'object' || each === null) {
      if (!isPortable(each)) possible = false;
      return each as Portable;
    }
    if (depth > MAX_DEPTH || !possible || isFrameworkTensor(each)) {
      possible = false;
      return undefined;
    }
    if (Array.isArray(each)) return each.map((inner) => convert(inner, depth + 1));
    if (ArrayBuffer.isView(each)) {
      if (!isPortable(each)) possible = false;
      return each as Portable;
    }
    if (isImage(each)) {
      const { data, width, height, channels } = each;
      classesOf(model).image ??= each.constructor as ImageClass;
      return { [IMAGE]: [convert(data, depth + 1), width, height, channels] };
    }
    const plain = isPlainObject(each);
    if (!plain && !isRecordClass(each)) {
      possible = false;
      return undefined;
    }
    const fields: Record<string, Portable> = plain
      ? {}
      : { [CLASS]: nameOf(model, Object.getPrototypeOf(each) as object) };
    for (const [key, inner] of Object.entries(each)) {
      // '__proto__' would be assigned, and not be a field.
      if (key.startsWith('\0') || key === '__proto__') possible = false;
      fields[key] = convert(inner, depth + 1);
    }
    return fields;
  };
  const portable = convert(value, 0);
  return possible ? portable : undefined;
}

/**
 * What `toPortable` was given, in classes of the model's transformers.js, with memory of its own.
 * @throws UnsupportedOperationError where a class in it was not seen in this process yet.
 */
export function fromPortable(model: object, value: Portable, hint: unknown): unknown {
  if (isTensorLike(value)) return tensors.make(model, value, hint);
  if (Array.isArray(value)) return value.map((each: Portable) => fromPortable(model, each, hint));
  if (!isPlainObject(value)) return copyPortable(value);
  const fields = value as Fields;
  const image = fields[IMAGE] as readonly [TensorLike['data'], number, number, number] | undefined;
  if (image !== undefined) {
    const Image = known(classesOf(model).image);
    const [data, width, height, channels] = image;
    return new Image(copyPortable(data as Portable), width, height, channels);
  }
  const { [CLASS]: name, ...rest } = fields;
  const answer =
    name === undefined ? {} : (Object.create(known(classesOf(model).prototypes.get(name as string))) as object);
  for (const [key, each] of Object.entries(rest))
    (answer as Record<string, unknown>)[key] = fromPortable(model, each, hint);
  return answer;
}

function known<T>(found: T | undefined): T {
  if (found !== undefined) return found;
  throw new UnsupportedOperationError(
    'The classes of this model’s answers are not known before one was seen: run it once.',
  );
}

function nameOf(model: object, prototype: object): string {
  const { prototypes } = classesOf(model);
  const constructor = read(prototype, 'constructor');
  const base = typeof constructor === 'function' ? constructor.name : '';
  for (let i = 0; ; i++) {
    const name = i === 0 ? base : `${base}#${i}`;
    const taken = prototypes.get(name);
    if (taken === undefined) prototypes.set(name, prototype);
    if (taken === undefined || taken === prototype) return name;
  }
}

/** RawImage: pixels in rows, channels interleaved. */
function isImage(value: object): value is { data: unknown; width: number; height: number; channels: number } {
  return (
    ['width', 'height', 'channels'].every((key) => typeof read(value, key) === 'number') &&
    ArrayBuffer.isView(read(value, 'data')) &&
    hasMethods(value, 'clone', 'toTensor')
  );
}

/** An instance of a class without methods or accessors, as ModelOutput's subclasses are: all there is to it is its fields. */
function isRecordClass(value: object): boolean {
  for (let prototype = Object.getPrototypeOf(value) as object | null; prototype !== null;) {
    const next = Object.getPrototypeOf(prototype) as object | null;
    if (next === null) return true;
    if (Reflect.ownKeys(prototype).some((key) => key !== 'constructor')) return false;
    prototype = next;
  }
  return true;
}
