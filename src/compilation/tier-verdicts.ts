/** @module Verdicts kept in a persistent tier of the cache, sealed like all in it. */

import { CodecError, decodePortable, encodePortable } from '../codec.ts';
import type { CacheTier } from '../cache/cache-tier.ts';
import type { Portable } from '../portable.ts';
import type { ShapeTiming } from './trial.ts';
import type { KeptVerdict, VerdictMemory } from './verdict-memory.ts';

/** Apart from all tenants' answers: no tenant has a name that begins with a control character, unless it means to. */
const SCOPE = { tenant: '\u0001verdicts' };
/** A driver that was updated has another name; what else changes, a month is soon enough for. */
const TTL_SECONDS = 30 * 86_400;

export function verdictsIn(tier: CacheTier): VerdictMemory {
  return {
    async get(key) {
      const bytes = await tier.get(key, SCOPE);
      if (bytes === undefined) return undefined;
      try {
        return readVerdict(decodePortable(bytes));
      } catch (error) {
        if (error instanceof CodecError) return undefined;
        throw error;
      }
    },
    put: (key, { candidate, timings }) =>
      tier.put(
        key,
        encodePortable([candidate, timings.map(({ shape, runMs, referenceMs }) => [shape, runMs, referenceMs])]),
        {
          ...SCOPE,
          ttlSeconds: TTL_SECONDS,
        },
      ),
    delete: (key) => tier.delete(key, SCOPE),
  };
}

function readVerdict(value: Portable): KeptVerdict | undefined {
  if (!Array.isArray(value) || value.length !== 2) return undefined;
  const [candidate, rows] = value as unknown as [string | undefined, readonly (readonly [string, number, number])[]];
  if ((candidate !== undefined && typeof candidate !== 'string') || !Array.isArray(rows)) return undefined;
  const timings = rows.map(([shape, runMs, referenceMs]): ShapeTiming => ({ shape, runMs, referenceMs }));
  return { candidate, timings };
}
