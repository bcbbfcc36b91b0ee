/** @module Makes room in steps, between which others write. */

import type { TrimOptions } from '../../../src/cache/byte-store.ts';
import { afterKey, afterPrefix, keyToBytes } from './key-bytes.ts';
import type { Listed, Tables } from './tables.ts';

/** What one transaction deletes at most: others wait for it. */
export const STEP_ENTRIES = 256;
const STEP_BYTES = 4 << 20;

/** Pages that one step gives back to the file system. */
const STEP_PAGES = 256;
/** So many unused pages stay in the file at least, to be written again. */
const SPARE_PAGES = 1024;

/** Where a trim has got to; the next step goes on from there. */
export type TrimProgress =
  | { readonly at: 'expired'; readonly deleted: number; readonly from?: Uint8Array | undefined }
  | {
      readonly at: 'oldest';
      readonly deleted: number;
      readonly after: number;
      /** What was left below the prefix, unless others changed it since `version`. */
      readonly bytes?: number | undefined;
      readonly version?: number | undefined;
    }
  | { readonly at: 'spare'; readonly deleted: number }
  | { readonly at: 'end'; readonly deleted: number };

export interface TrimContext {
  readonly tables: Tables;
  /** Runs a task in a transaction. */
  transact<T>(task: () => T): T;
}

export function trimStep(context: TrimContext, options: TrimOptions, progress: TrimProgress): TrimProgress {
  switch (progress.at) {
    case 'expired':
      return deleteExpired(context, options, progress);
    case 'oldest':
      return deleteOldest(context, options, progress);
    case 'spare': {
      // What was deleted leaves its pages in the file.
      const { deleted } = progress;
      return { at: context.tables.giveBack(STEP_PAGES, SPARE_PAGES) ? 'spare' : 'end', deleted };
    }
    case 'end':
      return progress;
  }
}

function deleteExpired(
  context: TrimContext,
  { prefix, nowMs }: TrimOptions,
  { deleted, from = Uint8Array.from(keyToBytes(prefix)) }: TrimProgress & { readonly at: 'expired' },
): TrimProgress {
  const found = context.tables.listExpired(from, afterPrefix(prefix), nowMs, STEP_ENTRIES);
  const step = firstOf(found);
  const count = deleteUnchanged(context, step).length;
  const last = step.at(-1);
  if (last === undefined || (step.length === found.length && found.length < STEP_ENTRIES))
    return { at: 'oldest', deleted: deleted + count, after: -1 };
  return { at: 'expired', deleted: deleted + count, from: afterKey(last.key) };
}

function deleteOldest(
  context: TrimContext,
  { prefix, maxBytes }: TrimOptions,
  progress: TrimProgress & { readonly at: 'oldest' },
): TrimProgress {
  const { tables } = context;
  // Two connections that trim at once would else make room twice.
  const version = tables.dataVersion;
  let bytes = progress.version === version ? progress.bytes : undefined;
  bytes ??= tables.usage(prefix).bytes;
  const { deleted, after } = progress;
  if (bytes <= maxBytes) return { at: 'spare', deleted };
  let excess = bytes - maxBytes;
  const found = tables.listByUse(prefix, after, STEP_ENTRIES);
  const step = firstOf(found).filter(({ size }) => {
    const isNeeded = excess > 0;
    excess -= size;
    return isNeeded;
  });
  const last = step.at(-1);
  if (last === undefined) return { at: 'spare', deleted };
  const gone = deleteUnchanged(context, step);
  bytes -= gone.reduce((sum, { size }) => sum + size, 0);
  return { at: 'oldest', deleted: deleted + gone.length, after: last.used, bytes, version };
}

/** As many as one transaction takes; one at least. */
export function firstOf(found: readonly Listed[]): readonly Listed[] {
  let bytes = 0;
  const end = found.findIndex(({ size }) => (bytes += size) >= STEP_BYTES);
  return end < 0 ? found : found.slice(0, end + 1);
}

function deleteUnchanged({ tables, transact }: TrimContext, step: readonly Listed[]): readonly Listed[] {
  if (step.length === 0) return [];
  return transact(() => step.filter(({ key, used }) => tables.delete(key, used)));
}
