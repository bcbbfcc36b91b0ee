/** @module The hash of a TensorFlow.js model. */

import { encodePortable } from '../codec.ts';
import type { Portable, TypedArray } from '../portable.ts';
import { sha256Hex } from '../sha256.ts';
import { read } from '../shapes.ts';
import { nodesOf } from '../tfjs-graphs.ts';
import { readTree } from './tfjs-tensors.ts';
import { isLayersModel } from './tfjs-types.ts';
import type { TfModel, TfTensor } from './tfjs-types.ts';

/** SHA-256 over topology and weights: names, dtypes, shapes and bytes. Undefined where the model does not give them out. */
export async function hashModel(model: TfModel): Promise<string | undefined> {
  const topology = describeTopology(model);
  if (topology === undefined) return undefined;
  const parts = [framed(topology)];
  for (const [name, tensor] of namedWeights(model)) {
    const value = await readTree(tensor);
    if (value === undefined) return undefined;
    const { type, dims, data } = value as {
      readonly type: string;
      readonly dims: readonly number[];
      readonly data: Portable;
    };
    const isText = Array.isArray(data);
    parts.push(framed([name, type, dims, isText ? data : (data as TypedArray).byteLength]));
    // Megabytes of numbers go in as they lie, without a copy.
    if (!isText) parts.push(bytesOf(data as TypedArray));
  }
  return sha256Hex(...parts);
}

/** Bytes in front of which their number stands, so that no two sequences of values give the same bytes. */
function framed(value: Portable): Uint8Array {
  const bytes = encodePortable(value);
  const all = new Uint8Array(4 + bytes.length);
  new DataView(all.buffer).setUint32(0, bytes.length, true);
  all.set(bytes, 4);
  return all;
}

function bytesOf({ buffer, byteOffset, byteLength }: TypedArray): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

function namedWeights(model: TfModel): readonly (readonly [string, TfTensor])[] {
  if (isLayersModel(model)) {
    return model.weights.map((variable) => [variable.originalName ?? variable.name, variable.read()]);
  }
  return Object.entries(model.weights).flatMap(([name, tensors]) => tensors.map((tensor) => [name, tensor] as const));
}

/** Layers and how they are connected, as text: equal weights under another activation are another model. */
function describeTopology(model: TfModel): string | undefined {
  try {
    if (isLayersModel(model)) return JSON.stringify(model.getConfig());
    const nodes = nodesOf(read(read(model, 'executor'), 'graph'));
    return JSON.stringify(
      nodes.map((node) => ['name', 'op', 'inputNames', 'attrParams'].map((key) => read(node, key))),
    );
  } catch {
    return undefined;
  }
}
