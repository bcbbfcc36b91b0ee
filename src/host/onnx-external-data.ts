/**
 * @module Which external data files an ONNX model refers to.
 * @see https://github.com/onnx/onnx/blob/main/docs/ExternalData.md
 */

import { ATTRIBUTE, broken, GRAPH, MAX_DEPTH, messages, MODEL, NODE, TENSOR, text } from './onnx-protobuf.ts';

/** Field numbers of an entry of a tensor's `external_data`. */
const ENTRY = { key: 1, value: 2 } as const;

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
