/** @module What a store and the place that writes for it say to each other. */

import type { StoreBatch, TrimOptions } from '../../../src/cache/byte-store.ts';
import type { TrimProgress } from './trim.ts';

/** Done one after another, in the order in which they were asked for. */
export type StoreTask =
  | { readonly type: 'write'; readonly batch: StoreBatch }
  | { readonly type: 'putIfAbsent'; readonly key: string; readonly bytes: Uint8Array }
  | { readonly type: 'deletePrefix'; readonly prefix: string }
  | { readonly type: 'keys'; readonly prefix: string }
  | { readonly type: 'usage'; readonly prefix: string }
  | { readonly type: 'trim'; readonly options: TrimOptions; readonly progress: TrimProgress };

export type Outcome = { readonly value: unknown } | { readonly failure: string };

export type WriteRequest =
  | { readonly type: 'perform'; readonly tasks: readonly StoreTask[] }
  /** The file of that identity is no longer open for reading: open what is at the path now, or in its place. */
  | { readonly type: 'reopen'; readonly identity: string; readonly damaged: boolean }
  | { readonly type: 'close' };

export type WriteReply =
  /** At the beginning, and after each 'reopen'. */
  | { readonly type: 'opened'; readonly identity: string; readonly warning?: string | undefined }
  | { readonly type: 'failed'; readonly reason: string }
  /** One for each task of a 'perform'. */
  | { readonly type: 'performed'; readonly outcomes: readonly Outcome[] }
  /** The file cannot be written: a 'reopen' is waited for, and then the tasks are performed. */
  | { readonly type: 'unusable'; readonly identity: string; readonly damaged: boolean }
  | { readonly type: 'closed' };

/** The writing end. */
export interface WritePort {
  post(reply: WriteReply, transfer?: readonly ArrayBuffer[]): void;
  onMessage(listener: (request: WriteRequest) => void): void;
  close(): void;
}
