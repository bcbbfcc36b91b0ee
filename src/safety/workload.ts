/** @module By which validator a model's answers are compared. */

import type { ModelType } from '../adapters/adapter.ts';

/** Workloads that have a validator of their own. */
export type WorkloadType = Exclude<ModelType, 'unknown'>;

/** All of them. */
export const WORKLOAD_TYPES: readonly WorkloadType[] = [
  'classifier',
  'embedding',
  'encoder',
  'generation',
  'llm',
  'reranker',
];

/** The workload of a model's type. What is not known is compared number by number, which presumes nothing of what may differ. */
export function workloadOf(modelType: ModelType): WorkloadType {
  return modelType === 'unknown' ? 'encoder' : modelType;
}
