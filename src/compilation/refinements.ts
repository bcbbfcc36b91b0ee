/** @module Options of a backend that may make it faster still, or right where it is wrong as it is. */

import type { TensorInfo } from '../adapters/adapter.ts';
import type { HostFramework } from '../host/channel.ts';
import type { Backend } from '../platform.ts';
import { isPlainObject } from '../portable.ts';
import type { Portable } from '../portable.ts';
import type { Golden } from '../safety/golden-store.ts';
import { isTensorLike } from '../tensor.ts';
import type { Candidate } from './candidates.ts';

/** One option: the ways with each of its values that differ from `base` in nothing else. None where it is not for that backend. */
export type Refinement = (base: Candidate, goldens: readonly Golden[]) => readonly Candidate[];

export interface RefinementFacts {
  readonly framework: HostFramework;
  readonly reference: Backend;
  /** What the model says of its inputs. */
  readonly inputs: readonly TensorInfo[];
  /** The options that the caller gave: what they decide is not tried otherwise. */
  readonly frameworkOptions?: Readonly<Record<string, Portable>> | undefined;
}

type Options = Pick<Candidate, 'frameworkOptions' | 'providerOptions'>;

/** The options of onnxruntime, in the order in which they are tried; those of other frameworks are not known to pay. */
export function refinementsFor({
  framework,
  reference,
  inputs,
  frameworkOptions = {},
}: RefinementFacts): readonly Refinement[] {
  if (framework !== 'onnxruntime') return [];
  const isFree = (name: string): boolean => !(name in frameworkOptions);
  const refinements: Refinement[] = [
    // https://onnxruntime.ai/docs/execution-providers/WebGPU-ExecutionProvider.html
    (base) => eachValue(base, 'webgpu', 'preferredLayout', ['NHWC', 'NCHW'], (layout) => `layout ${layout}`),
    // https://www.w3.org/TR/webnn/#dictdef-mlcontextoptions
    (base) => eachValue(base, 'webnn', 'deviceType', ['gpu', 'npu', 'cpu'], (device) => `on its ${device}`),
  ];
  if (isFree('graphOptimizationLevel'))
    refinements.push((base) => (isMended(base) ? [] : ['extended', 'basic'].map((level) => withLevel(base, level))));
  // onnxruntime-node 1.30 takes the option and does nothing.
  if (isFree('freeDimensionOverrides') && reference === 'wasm')
    refinements.push((base, goldens) => withSizes(base, inputs, goldens));
  return refinements;
}

/**
 * The way with fewer of the graph's operators joined into one: a join may be what is wrong. Undefined where there is nothing to take
 * back.
 */
export function mended({ framework, frameworkOptions = {} }: RefinementFacts, way: Candidate): Candidate | undefined {
  if (framework !== 'onnxruntime' || 'graphOptimizationLevel' in frameworkOptions) return undefined;
  return withLevel(way, 'basic');
}

function isMended({ frameworkOptions = {} }: Candidate): boolean {
  return 'graphOptimizationLevel' in frameworkOptions;
}

/** https://onnxruntime.ai/docs/performance/model-optimizations/graph-optimizations.html; the default is 'all'. */
function withLevel(base: Candidate, graphOptimizationLevel: string): Candidate {
  return extended(base, `graph ${graphOptimizationLevel}`, { frameworkOptions: { graphOptimizationLevel } });
}

function eachValue(
  base: Candidate,
  backend: string,
  option: string,
  values: readonly string[],
  describe: (value: string) => string,
): readonly Candidate[] {
  if (base.backend !== backend) return [];
  return values.map((value) => extended(base, describe(value), { providerOptions: { [option]: value } }));
}

/**
 * The open dimensions fixed at what all calls had so far: what is known beforehand need not be computed in each run. A session that was
 * opened so takes nothing else, so calls of several shapes leave them open.
 */
function withSizes(base: Candidate, inputs: readonly TensorInfo[], goldens: readonly Golden[]): readonly Candidate[] {
  const [golden] = goldens;
  const feeds = golden?.inputs[0];
  if (golden === undefined || !isPlainObject(feeds) || goldens.some(({ shape }) => shape !== golden.shape)) return [];
  const sizes = new Map<string, number>();
  for (const { name, dims = [] } of inputs) {
    const given = feeds[name];
    if (!isTensorLike(given)) return [];
    for (const [i, dim] of dims.entries()) {
      const size = given.dims[i];
      if (typeof dim !== 'string' || size === undefined) continue;
      if ((sizes.get(dim) ?? size) !== size) return [];
      sizes.set(dim, size);
    }
  }
  if (sizes.size === 0) return [];
  const text = [...sizes].map(([name, size]) => `${name}=${size}`).join(' ');
  const freeDimensionOverrides = Object.fromEntries(sizes);
  return [extended(base, `fixed at ${text}`, { frameworkOptions: { freeDimensionOverrides } })];
}

function extended(base: Candidate, what: string, { frameworkOptions, providerOptions }: Options): Candidate {
  return {
    ...base,
    name: `${base.name}, ${what}`,
    ...(frameworkOptions && { frameworkOptions: { ...base.frameworkOptions, ...frameworkOptions } }),
    ...(providerOptions && { providerOptions: { ...base.providerOptions, ...providerOptions } }),
  };
}

/** The way of that name, among those that there are and what they can be refined to; undefined where there is none. */
export function wayNamed(
  name: string,
  ways: readonly Candidate[],
  refinements: readonly Refinement[],
  goldens: readonly Golden[],
): Candidate | undefined {
  let base = ways.find((each) => each.name === name);
  if (base !== undefined) return base;
  // Each name begins with that of what it was made of.
  base = ways.filter((each) => name.startsWith(`${each.name}, `)).toSorted((a, b) => b.name.length - a.name.length)[0];
  for (const refinement of refinements) {
    if (base === undefined || base.name === name) break;
    base = refinement(base, goldens).find((each) => `${name}, `.startsWith(`${each.name}, `)) ?? base;
  }
  return base?.name === name ? base : undefined;
}
