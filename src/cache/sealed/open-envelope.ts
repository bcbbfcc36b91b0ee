/** @module An entry's bytes opened, or why not. */

import { settled } from '../../maybe-promise.ts';
import type { Steps } from '../../maybe-promise.ts';
import type { TierMissReason } from '../cache-tier.ts';
import type { EntryCipher } from './entry-cipher.ts';
import { decodeContent, expiryOf, HEADER_BYTES, keyNumberOf, VERSION } from './envelope.ts';
import type { EnvelopeContent } from './envelope.ts';
import type { TenantKeys } from './tenant-keys.ts';

/** What an envelope is opened with. */
export interface Opening {
  readonly keys: TenantKeys;
  readonly cipher: EntryCipher;
}

/** @throws KeyError where it was sealed with a key that another master key wrapped. */
export function* openEnvelope(
  { keys, cipher }: Opening,
  name: string,
  envelope: Uint8Array,
  nowMs: number,
): Steps<EnvelopeContent | TierMissReason> {
  if (envelope.length > 0 && envelope[0] !== VERSION) return 'other_version';
  if (envelope.length < HEADER_BYTES) return 'unauthentic';
  if (expiryOf(envelope) <= nowMs) return 'expired';
  let key = keys.find(keyNumberOf(envelope));
  if (key instanceof Promise) key = yield* settled(key);
  if (key === undefined) return 'unauthentic';
  let content = cipher.open(key, envelope, name);
  if (content instanceof Promise) content = yield* settled(content);
  return (content && decodeContent(content)) ?? 'unauthentic';
}
