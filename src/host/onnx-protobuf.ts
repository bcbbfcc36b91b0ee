/**
 * @module Reads the protobuf of an ONNX model, as much of it as somebody asks for, and takes nothing in it for granted.
 * @see https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
 * @see https://protobuf.dev/programming-guides/encoding/
 */

import { ModelLoadError } from '../model-errors.ts';

/** Field numbers of onnx.proto. */
export const MODEL = { graph: 7, functions: 25 } as const;
export const GRAPH = { node: 1, initializer: 5, input: 11 } as const;
export const FUNCTION = { node: 7, domain: 10 } as const;
export const VALUE_INFO = { name: 1 } as const;
export const NODE = { input: 1, output: 2, operator: 4, attribute: 5, domain: 7 } as const;
export const ATTRIBUTE = { name: 1, tensor: 5, graph: 6, tensors: 10, graphs: 11 } as const;
export const TENSOR = { type: 2, int32Data: 5, name: 8, rawData: 9, externalData: 13 } as const;

/** TensorProto.DataType of truth values. */
export const BOOL = 9;

/** Subgraphs (If, Loop, Scan) nest; no real model nests this deep. */
export const MAX_DEPTH = 32;

export function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

/**
 * The length-delimited fields of a message, in their order; others are passed over.
 * @throws ModelLoadError where the bytes are no protobuf or end too early.
 */
export function* messages(bytes: Uint8Array): Generator<[field: number, content: Uint8Array]> {
  for (const [field, content] of fields(bytes)) if (typeof content !== 'number') yield [field, content];
}

/** The fields of a message, in their order: bytes, or a number. Those of four and eight bytes are passed over. */
export function* fields(bytes: Uint8Array): Generator<[field: number, content: Uint8Array | number]> {
  let position = 0;
  const varint = (): number => {
    let value = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = bytes[position++];
      if (byte === undefined) throw broken('ends too early');
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    throw broken('is no protobuf');
  };
  while (position < bytes.length) {
    const tag = varint();
    const field = Math.floor(tag / 8);
    switch (tag % 8) {
      case 0:
        yield [field, varint()];
        break;
      case 1:
        position += 8;
        break;
      case 5:
        position += 4;
        break;
      case 2: {
        const length = varint();
        if (length > bytes.length - position) throw broken('ends too early');
        yield [field, bytes.subarray(position, position + length)];
        position += length;
        break;
      }
      default:
        throw broken('is no protobuf');
    }
  }
  if (position > bytes.length) throw broken('ends too early');
}

/** What a model is refused with that is none. */
export function broken(how: string): ModelLoadError {
  return new ModelLoadError(`The file ${how}: it is truncated, or not an ONNX model.`);
}
