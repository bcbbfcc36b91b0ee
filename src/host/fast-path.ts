/** @module A faster way of running a model, beside the reference: used for what it was proven on, until it fails. */

import { callShape } from '../call-shape.ts';
import type { Portable } from '../portable.ts';
import type { OpenedHost } from './hosted-model.ts';

/** What a model is told of a faster way of running it. */
export interface FastPath {
  /** The candidate, as reports name it. */
  readonly name: string;
  readonly host: OpenedHost;
  /** Shapes of calls that it was proven on. */
  readonly shapes: Set<string>;
  /** What is wrong with an answer that nobody compared; undefined where nothing can be seen. */
  readonly faultOf: (answer: Portable) => string | undefined;
  /** It answered, and may be held against the reference. */
  readonly onAnswered: (args: readonly Portable[], answer: Portable) => void;
  /** It failed, or answered with what cannot be right: it is no longer used. */
  readonly onFailed: (reason: string) => void;
  /** The memory of its host grew run by run, by so many bytes: another one is to take its place. */
  readonly onLeak?: ((grownBytes: number) => void) | undefined;
}

export function takes({ shapes, host }: FastPath, args: readonly Portable[]): boolean {
  return host.client.isUsable && shapes.has(callShape(args));
}
