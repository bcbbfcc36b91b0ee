/**
 * @module Which external data files an ONNX model refers to. Reads just as much of the protobuf as that takes, and takes
 * nothing in it for granted.
 * @see https://github.com/onnx/onnx/blob/main/docs/ExternalData.md
 */

import { ModelLoadError } from '../model-errors.ts';

/** Field numbers of onnx.proto. */
const MODEL = { graph: 7 } as const;
const GRAPH = { node: 1, initializer: 5 } as const;
const NODE = { attribute: 5 } as const;
const ATTRIBUTE = { tensor: 5, graph: 6, tensors: 10, graphs: 11 } as const;
const TENSOR = { externalData: 13 } as const;
const ENTRY = { key: 1, value: 2 } as const;

/** Subgraphs (If, Loop, Scan) nest; no real model nests this deep. */
const MAX_DEPTH = 32;

/**
 * The locations named by the tensors of a model, each once, as they stand in it.
 * @throws ModelLoadError where the bytes are no protobuf or end too early.
 */
export function listExternalData(model: Uint8Array): readonly string[] {
  const locations = new Set<string>();
  let sawGraph = false;
  for (const [field, graph] of messages(model)) {
    if (field !== MODEL.graph) continue;
    sawGraph = true;
    walkGraph(graph, locations, 0);
  }
  if (!sawGraph) throw broken('has no graph');
  return [...locations];
}

function walkGraph(graph: Uint8Array, locations: Set<string>, depth: number): void {
  if (depth > MAX_DEPTH) throw broken('nests its graphs too deep');
  for (const [field, message] of messages(graph)) {
    if (field === GRAPH.initializer) walkTensor(message, locations);
    else if (field === GRAPH.node) walkNode(message, locations, depth);
  }
}

function walkNode(node: Uint8Array, locations: Set<string>, depth: number): void {
  for (const [field, attribute] of messages(node)) {
    if (field !== NODE.attribute) continue;
    for (const [part, message] of messages(attribute)) {
      if (part === ATTRIBUTE.tensor || part === ATTRIBUTE.tensors) walkTensor(message, locations);
      else if (part === ATTRIBUTE.graph || part === ATTRIBUTE.graphs) walkGraph(message, locations, depth + 1);
    }
  }
}

function walkTensor(tensor: Uint8Array, locations: Set<string>): void {
  for (const [field, entry] of messages(tensor)) {
    if (field !== TENSOR.externalData) continue;
    const pair = new Map(messages(entry));
    const key = pair.get(ENTRY.key);
    const value = pair.get(ENTRY.value);
    if (key !== undefined && value !== undefined && text(key) === 'location') locations.add(text(value));
  }
}

function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

/** The length-delimited fields of a message, in their order; others are passed over. */
function* messages(bytes: Uint8Array): Generator<[field: number, content: Uint8Array]> {
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
        varint();
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

function broken(how: string): ModelLoadError {
  return new ModelLoadError(`The file ${how}: it is truncated, or not an ONNX model.`);
}
