/** @module What the operations in a GraphModel's graph tell of it. */

import { read, valuesOf } from './shapes.ts';

/** Operations of converted graphs that draw their answers. */
const RANDOM_OPS = /Random|Multinomial|TruncatedNormal/;
/** Categories of operations that only `executeAsync` runs. */
const ASYNC_CATEGORIES: ReadonlySet<unknown> = new Set(['control', 'dynamic', 'hash_table']);

interface GraphTraits {
  /** Why its answers do not repeat. */
  readonly refusal: 'nondeterministic' | 'unknown' | undefined;
  /** Whether it has operations that only `executeAsync` runs: control flow, and shapes that depend on values. */
  readonly needsAsync: boolean;
}

const traitsOfGraphs = new WeakMap<object, GraphTraits>();

/** Graphs do not change, and have thousands of nodes: each is looked through once. */
export function graphTraits(model: object): GraphTraits {
  const graph = read(read(model, 'executor'), 'graph');
  if (typeof graph !== 'object' || graph === null) return { refusal: 'unknown', needsAsync: true };
  let traits = traitsOfGraphs.get(graph);
  if (traits === undefined) {
    const nodes = nodesOf(graph);
    const isRandom = nodes.some((node) => RANDOM_OPS.test(String(read(node, 'op'))));
    const isCustom = nodes.some((node) => read(node, 'category') === 'custom');
    traits = {
      refusal: isRandom ? 'nondeterministic' : isCustom ? 'unknown' : undefined,
      needsAsync: nodes.some((node) => ASYNC_CATEGORIES.has(read(node, 'category'))),
    };
    traitsOfGraphs.set(graph, traits);
  }
  return traits;
}

/** Its nodes and those of the functions that it calls. */
export function nodesOf(graph: unknown): readonly unknown[] {
  return [...valuesOf(read(graph, 'nodes')), ...valuesOf(read(graph, 'functions')).flatMap(nodesOf)];
}
