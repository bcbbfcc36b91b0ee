/** @module A model.json and its weight shards, from memory, as TensorFlow.js's loaders want them. */

import { concat } from '../../bytes.ts';
import { ModelLoadError } from '../../model-errors.ts';
import type { ModelFiles } from '../model-files.ts';
import type { TfModelArtifacts } from './tfjs-namespace.ts';

interface ModelJson {
  readonly modelTopology?: unknown;
  readonly weightsManifest?: readonly { readonly paths: readonly string[]; readonly weights: readonly unknown[] }[];
  readonly [field: string]: unknown;
}

/** What tfjs reads from a model.json besides topology and weights, by the same names in its artifacts. */
const KEPT_FIELDS = [
  'format',
  'generatedBy',
  'convertedBy',
  'signature',
  'userDefinedMetadata',
  'modelInitializer',
  'initializerSignature',
  'trainingConfig',
] as const;

/** @throws ModelLoadError where the main file is not a model.json, or a shard it names is missing. */
export function readTfjsArtifacts(model: ModelFiles): TfModelArtifacts {
  const [main, ...rest] = model.files;
  if (main === undefined) throw new ModelLoadError(`${model.source} has no files.`);
  const json = parseModelJson(main.bytes, model.source);
  const shards = new Map(rest.map((file) => [file.path, file.bytes]));
  const parts: Uint8Array[] = [];
  const weightSpecs: unknown[] = [];
  for (const group of json.weightsManifest ?? []) {
    weightSpecs.push(...group.weights);
    for (const path of group.paths) {
      const bytes = shards.get(path) ?? shards.get(path.replace(/^\.\//, ''));
      if (bytes === undefined)
        throw new ModelLoadError(`${model.source} names the weight file ${path}, which was not read.`);
      parts.push(bytes);
    }
  }
  const artifacts: Record<string, unknown> = {};
  for (const field of KEPT_FIELDS) if (json[field] != null) artifacts[field] = json[field];
  return { ...artifacts, modelTopology: json.modelTopology, weightSpecs, weightData: concat(parts).buffer };
}

function parseModelJson(bytes: Uint8Array, source: string): ModelJson {
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder().decode(bytes));
  } catch (cause) {
    throw new ModelLoadError(`${source} is not valid JSON, so it is not a TensorFlow.js model.json.`, { cause });
  }
  if (typeof json !== 'object' || json === null || (json as ModelJson).modelTopology == null) {
    throw new ModelLoadError(`${source} has no modelTopology, so it is not a TensorFlow.js model.json.`);
  }
  return json as ModelJson;
}

/** Ops that tfjs runs only asynchronously: control flow, shapes that depend on values, lookup tables. */
const ASYNC_OPS: ReadonlySet<string> = new Set([
  'Switch',
  'Merge',
  'Enter',
  'Exit',
  'NextIteration',
  'If',
  'StatelessIf',
  'While',
  'StatelessWhile',
  'NonMaxSuppressionV2',
  'NonMaxSuppressionV3',
  'NonMaxSuppressionV5',
  'Where',
  'HashTable',
  'HashTableV2',
  'LookupTableImport',
  'LookupTableImportV2',
  'LookupTableFind',
  'LookupTableFindV2',
  'LookupTableSize',
  'LookupTableSizeV2',
]);

function isAsync({ op }: { readonly op?: string }): boolean {
  return op !== undefined && ASYNC_OPS.has(op);
}

/** Whether a Graph model can only be run by `executeAsync`. */
export function needsAsyncExecution(topology: unknown): boolean {
  const { node, library } = topology as {
    readonly node?: readonly { readonly op?: string }[];
    readonly library?: { readonly function?: readonly { readonly nodeDef?: readonly { readonly op?: string }[] }[] };
  };
  return (node ?? []).some(isAsync) || (library?.function ?? []).some((each) => (each.nodeDef ?? []).some(isAsync));
}
