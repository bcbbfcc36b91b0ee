/** @module Whether the answers of an ONNX model repeat: its graph tells, which a session does not show. */

import { ATTRIBUTE, BOOL, broken, fields, FUNCTION, GRAPH, MAX_DEPTH, messages } from './onnx-protobuf.ts';
import { MODEL, NODE, TENSOR, text, VALUE_INFO } from './onnx-protobuf.ts';

/**
 * Operators that draw, whatever their domain. A `seed` makes only the sequence of their answers repeat, not each.
 * @see https://onnx.ai/onnx/operators/
 * @see https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md
 */
const RANDOM = /^(Random\w+|Bernoulli|Multinomial|Sampling|\w+Dropout)$/;

/** Draws where its third input, a truth value, is there and true. */
const DROPOUT = 'Dropout';
const TRAINING_MODE = 2;

/** Domains whose operators are known: all but those above compute. */
const KNOWN_DOMAINS = /^(ai\.onnx.*|com\.microsoft.*|)$/;

interface Node {
  readonly operator: string;
  readonly domain: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** The branches of an If, the body of a Loop or a Scan. */
  readonly graphs: readonly Uint8Array[];
  /** What a Constant is, where that is a tensor. */
  readonly tensors: readonly Uint8Array[];
}

/** A graph, or the body of a function. */
interface Scope {
  readonly nodes: readonly Node[];
  /** Of a graph: what is given to it, and what it has of its own. */
  readonly inputs: readonly string[];
  readonly initializers: readonly Uint8Array[];
}

/**
 * Why the answers of a model cannot be kept: 'nondeterministic' where an operator draws, or may, in its graph, in a branch
 * or a loop of that, or in a function of its own; 'unknown' where nothing is known of an operator.
 *
 * @throws ModelLoadError where the bytes are no protobuf or end too early.
 */
export function randomRefusal(model: Uint8Array): 'nondeterministic' | 'unknown' | undefined {
  const parts = [...messages(model)];
  const graphs = parts.filter(([field]) => field === MODEL.graph).map(([, graph]) => graph);
  const functions = parts.filter(([field]) => field === MODEL.functions).map(([, each]) => each);
  const scopes = [
    ...graphs.map((graph) => readScope(graph, GRAPH.node)),
    ...functions.map((each) => readScope(each, FUNCTION.node)),
  ];
  if (scopes.some((scope) => draws(scope, new Set(), 0))) return 'nondeterministic';
  const own = new Set(functions.map((each) => textOf(each, FUNCTION.domain)));
  return scopes.some((scope) => hasUnknown(scope, own)) ? 'unknown' : undefined;
}

/** `falses`: names outside of the scope of which it is known that they are false. */
function draws(scope: Scope, falses: ReadonlySet<string>, depth: number): boolean {
  if (depth > MAX_DEPTH) throw broken('nests its graphs too deep');
  const known = knownFalses(scope, falses);
  return scope.nodes.some(({ operator, inputs, graphs }) => {
    const mode = operator === DROPOUT ? inputs[TRAINING_MODE] : undefined;
    return (
      RANDOM.test(operator) ||
      (mode !== undefined && mode !== '' && !known.has(mode)) ||
      graphs.some((graph) => draws(readScope(graph, GRAPH.node), known, depth + 1))
    );
  });
}

function hasUnknown({ nodes }: Scope, own: ReadonlySet<string>): boolean {
  return nodes.some(
    ({ domain, graphs }) =>
      (!KNOWN_DOMAINS.test(domain) && !own.has(domain)) ||
      graphs.some((graph) => hasUnknown(readScope(graph, GRAPH.node), own)),
  );
}

/** The constants that are false. What is given to a graph is not, also where it has a value of its own by default. */
function knownFalses({ nodes, inputs, initializers }: Scope, outer: ReadonlySet<string>): ReadonlySet<string> {
  const known = new Set(outer);
  const set = (name: string, tensor: Uint8Array | undefined): unknown =>
    tensor !== undefined && isFalse(tensor) ? known.add(name) : known.delete(name);
  for (const each of initializers) set(textOf(each, TENSOR.name), each);
  for (const { operator, outputs, tensors } of nodes) {
    for (const name of outputs) set(name, operator === 'Constant' ? tensors[0] : undefined);
  }
  for (const name of inputs) known.delete(name);
  return known;
}

/** Whether a tensor is of truth values, at least one, all of them false and all of them here. */
function isFalse(tensor: Uint8Array): boolean {
  let type: unknown;
  const values: number[] = [];
  for (const [field, content] of fields(tensor)) {
    if (field === TENSOR.type) type = content;
    else if (field === TENSOR.int32Data || field === TENSOR.rawData) {
      // A sequence of small numbers: packed, or one by one.
      values.push(...(typeof content === 'number' ? [content] : content.subarray(0, 2)));
    }
  }
  return type === BOOL && values.length === 1 && values[0] === 0;
}

function readScope(message: Uint8Array, nodeField: number): Scope {
  const isGraph = nodeField === GRAPH.node;
  const nodes: Node[] = [];
  const inputs: string[] = [];
  const initializers: Uint8Array[] = [];
  for (const [field, content] of messages(message)) {
    if (field === nodeField) nodes.push(readNode(content));
    else if (isGraph && field === GRAPH.input) inputs.push(textOf(content, VALUE_INFO.name));
    else if (isGraph && field === GRAPH.initializer) initializers.push(content);
  }
  return { nodes, inputs, initializers };
}

function readNode(message: Uint8Array): Node {
  const inputs: string[] = [];
  const outputs: string[] = [];
  const graphs: Uint8Array[] = [];
  const tensors: Uint8Array[] = [];
  let [operator, domain] = ['', ''];
  for (const [field, content] of messages(message)) {
    if (field === NODE.input) inputs.push(text(content));
    else if (field === NODE.output) outputs.push(text(content));
    else if (field === NODE.operator) operator = text(content);
    else if (field === NODE.domain) domain = text(content);
    else if (field === NODE.attribute) {
      for (const [part, value] of messages(content)) {
        if (part === ATTRIBUTE.graph || part === ATTRIBUTE.graphs) graphs.push(value);
        else if (part === ATTRIBUTE.tensor) tensors.push(value);
      }
    }
  }
  return { operator, domain, inputs, outputs, graphs, tensors };
}

/** A field of text; '' where there is none. */
function textOf(message: Uint8Array, wanted: number): string {
  for (const [field, content] of messages(message)) if (field === wanted) return text(content);
  return '';
}
