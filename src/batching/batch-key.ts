/** @module Which requests may share a batch: those with equal keys. */

/** What two requests must have in common to share a batch. */
export interface BatchKey {
  readonly modelId: number;
  readonly endpoint: string;
  /** The dims of the inputs without the batch dimension, in the order of the inputs' names, joined. */
  readonly inputShapeBucket: readonly number[];
  /** The inputs' element types, in the order of their names. */
  readonly dtype: string;
  readonly maxNewTokens?: number | undefined;
  readonly temperature?: number | undefined;
  readonly topP?: number | undefined;
  readonly padTokenId?: number | undefined;
}

/** Equal keys give equal strings, different keys different ones. */
export function batchKeyString(key: BatchKey): string {
  return JSON.stringify([
    key.modelId,
    key.endpoint,
    key.inputShapeBucket,
    key.dtype,
    key.maxNewTokens,
    key.temperature,
    key.topP,
    key.padTokenId,
  ]);
}
