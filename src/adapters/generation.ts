/** @module Options of text generation that make an answer one of many. */

import type { CacheRefusal } from './adapter.ts';
import { read, someValue } from '../shapes.ts';

/**
 * Why a call with these options cannot be cached: it draws its answer (`do_sample`, with one beam or several), or it calls
 * back while it runs. A `temperature` on its own draws nothing: without `do_sample` it is not used.
 *
 * @param samplesByDefault what `do_sample` is where the call does not say
 */
export function generationRefusal(
  options: Readonly<Record<string, unknown>>,
  inputs: unknown,
  samplesByDefault = false,
): CacheRefusal | undefined {
  const samples = options['do_sample'] ?? read(options['generation_config'], 'do_sample') ?? samplesByDefault;
  if (samples) return 'nondeterministic';
  const calledBack = [options, inputs].some((each) => someValue(each, (value) => typeof value === 'function'));
  return calledBack || options['streamer'] != null ? 'side_effects' : undefined;
}
