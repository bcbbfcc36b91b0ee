/** @module Settings of a micro-batcher. */

import { SECTIONS, whyNot } from '../config/schema.ts';
import type { FieldSpec } from '../config/schema.ts';
import { ConfigError } from '../errors.ts';

/** Settings of a DynamicMicroBatcher. */
export interface MicroBatcherConfig {
  /** Rows of a batch, at most; 0: found by measurement, and capped by memory. Default 32. */
  readonly maxBatchSize: number;
  /** Requests that may wait; one more is refused with QueueFullError. Default 1024. */
  readonly maxQueueDepth: number;
  /** Milliseconds that a request is kept waiting for company, at most, while others run or come. Default 50. */
  readonly maxWaitMs: number;
  /** Percent of the memory that batches leave free. Default 20. */
  readonly gpuHeadroomPct: number;
  /** Milliseconds within which requests are to be answered, as far as any size of batches can. Default 100. */
  readonly targetLatencyMs: number;
}

export const DEFAULT_MICRO_BATCHER_CONFIG: MicroBatcherConfig = {
  maxBatchSize: 32,
  maxQueueDepth: 1024,
  maxWaitMs: 50,
  gpuHeadroomPct: 20,
  targetLatencyMs: 100,
};

/** Settings with each one that is not given by default. @throws ConfigError naming the one that is wrong */
export function completeConfig(given: Partial<MicroBatcherConfig> = {}): MicroBatcherConfig {
  const complete: Record<string, unknown> = { ...DEFAULT_MICRO_BATCHER_CONFIG };
  for (const field of Object.keys(complete)) {
    const value = given[field as keyof MicroBatcherConfig];
    if (value === undefined) continue;
    const wanted = whyNot(SECTIONS.batching[field] as FieldSpec, value);
    if (wanted !== undefined) throw new ConfigError(field, `${field} is ${wanted}, not ${String(value)}.`);
    complete[field] = value;
  }
  return complete as unknown as MicroBatcherConfig;
}
