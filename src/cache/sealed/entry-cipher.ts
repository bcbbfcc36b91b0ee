/** @module Seals and opens the entries whose names begin alike, in one generation. */

import { chain } from '../../maybe-promise.ts';
import type { MaybePromise } from '../../platform.ts';
import type { DataKey } from '../../privacy/keyring.ts';
import { aadTemplate, encodeHeader, fillAad, HEADER_BYTES, maxContentBytes, writeContent } from './envelope.ts';
import type { Sealer } from './tenant-keys.ts';

/** What is sealed in memory that is used again; what is longer gets memory of its own. */
const SCRATCH_BYTES = 16 * 1024;

/** What a key is given is used again for the next entry, unless the key takes its time and still has it. */
let scratch = new Uint8Array(SCRATCH_BYTES);

export class EntryCipher {
  #aad: Uint8Array;

  constructor(generation: Uint8Array, names: string) {
    this.#aad = aadTemplate(generation, names);
  }

  /** The envelope of an entry. `key` is the caller's. */
  seal(
    { number, key: dataKey }: Sealer,
    name: string,
    key: string,
    value: Uint8Array,
    expiresAt: number,
  ): MaybePromise<Uint8Array> {
    const header = encodeHeader(number, expiresAt);
    const length = maxContentBytes(key, value);
    const target = length > SCRATCH_BYTES ? new Uint8Array(length) : scratch;
    const content = target.subarray(0, writeContent(key, value, target));
    const aad = fillAad(this.#aad, header, name);
    const envelope =
      dataKey.sealBehind?.(header, content, aad) ??
      chain(dataKey.seal(content, aad), (sealed) => envelopeOf(header, sealed));
    if (envelope instanceof Promise) this.#leaveScratch();
    return envelope;
  }

  /** What was sealed; undefined where it does not authenticate. */
  open(dataKey: DataKey, envelope: Uint8Array, name: string): MaybePromise<Uint8Array | undefined> {
    const opened = dataKey.open(envelope.subarray(HEADER_BYTES), fillAad(this.#aad, envelope, name));
    if (opened instanceof Promise) this.#leaveScratch();
    return opened;
  }

  #leaveScratch(): void {
    this.#aad = this.#aad.slice();
    scratch = new Uint8Array(SCRATCH_BYTES);
  }
}

function envelopeOf(header: Uint8Array, sealed: Uint8Array): Uint8Array {
  const envelope = new Uint8Array(HEADER_BYTES + sealed.length);
  envelope.set(header);
  envelope.set(sealed, HEADER_BYTES);
  return envelope;
}
