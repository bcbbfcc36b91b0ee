/** @module What a micro-batcher is made of, and what it is asked. */

import type { InferenceAdapter } from '../adapters/adapter.ts';
import type { CallOptions, ModelCall } from '../call.ts';
import type { Clock } from '../platform.ts';
import type { BatchKey } from './batch-key.ts';
import type { DeviceShare } from './device-share.ts';
import type { AskMemory } from './memory-limits.ts';
import type { MicroBatcherConfig } from './micro-batcher-config.ts';

/** What a batcher is made of. */
export interface DynamicMicroBatcherOptions<Model extends object = any> {
  readonly model: Model;
  readonly adapter: InferenceAdapter<Model>;
  /** Default: each field's own. */
  readonly config?: Partial<MicroBatcherConfig> | undefined;
  readonly clock?: Clock | undefined;
  /** What the model shares its device with. Default: nothing. */
  readonly device?: DeviceShare | undefined;
  /** The model's number, for batch keys. Default 0. */
  readonly modelId?: number | undefined;
  /** Told of each run of the model, which it has to begin, and of how many requests it is for. */
  readonly observe?: ((call: ModelCall, requests: number, run: () => unknown) => Promise<unknown>) | undefined;
  /** The memory of the place it runs in, in bytes, where that can be asked. */
  readonly memory?: AskMemory | undefined;
}

/** Options of one request. */
export interface BatchInferOptions extends Pick<CallOptions, 'signal' | 'deadlineMs' | 'tenant' | 'priority'> {
  /** In place of the adapter's: only requests of equal keys share a batch. */
  readonly batchKey?: BatchKey | undefined;
  /** Default: the model's primary entry point. */
  readonly entryPoint?: string | undefined;
}

/** A request as the way of a call hands it over. */
export interface SubmittedRequest extends Omit<BatchInferOptions, 'entryPoint'> {
  readonly call: ModelCall;
  /** On the clock of the batcher. */
  readonly deadlineAt?: number | undefined;
  /** Calls the model with the caller's own arguments, in this turn. */
  readonly runNow?: (() => Promise<unknown>) | undefined;
}
