/** @module No encryption, where somebody decided so: the same layout, with a checksum against damage in place of secrecy. */

import { concat, randomBytes } from '../bytes.ts';
import { KeyError } from '../key-error.ts';
import { runSteps, settled } from '../maybe-promise.ts';
import type { Steps } from '../maybe-promise.ts';
import type { MaybePromise } from '../platform.ts';
import { KEY_BYTES, NONCE_BYTES, TAG_BYTES, WRAPPED_KEY_BYTES } from './key-format.ts';
import type { DataKey, Keyring } from './keyring.ts';

/** HMAC-SHA-256: 32 bytes. */
export type Hmac = (key: Uint8Array, message: Uint8Array) => MaybePromise<Uint8Array>;

/** What is hashed begins with what it is hashed for. */
const USE = { hash: 0, seal: 1, wrap: 2 } as const;

/**
 * Keeps everything readable for whoever has the store. Keys lie in it open, so that what it makes of them detects damage, and
 * entries that were mixed up, but nobody who means it. Its id is 'plaintext'; nothing that was sealed by another keyring opens
 * with it, and the other way round.
 */
export class PlainKeyring implements Keyring {
  readonly id: string = 'plaintext';
  readonly #hmac: Hmac;

  constructor(hmac: Hmac) {
    this.#hmac = hmac;
  }

  newKey(context: Uint8Array): MaybePromise<Uint8Array> {
    return protect(this.#hmac, USE.wrap, randomBytes(KEY_BYTES), context);
  }

  openKey(wrapped: Uint8Array, context: Uint8Array): MaybePromise<DataKey> {
    return runSteps(this.#openKey(wrapped, context));
  }

  rewrap(wrapped: Uint8Array, context: Uint8Array, from: Keyring): MaybePromise<Uint8Array> {
    if (!(from instanceof PlainKeyring))
      throw new KeyError('What was sealed does not become readable by a rotation. Begin a new store.');
    return runSteps(this.#rewrap(wrapped, context));
  }

  close(): void {}

  *#openKey(wrapped: Uint8Array, context: Uint8Array): Steps<DataKey> {
    const raw = wrapped.subarray(NONCE_BYTES, NONCE_BYTES + KEY_BYTES);
    const whole =
      wrapped.length === WRAPPED_KEY_BYTES &&
      (yield* settled(openPlain(this.#hmac, USE.wrap, raw, wrapped, context))) !== undefined;
    if (!whole) throw new KeyError('This key is damaged, or was wrapped by a master key.', { reason: 'wrong' });
    return new PlainDataKey(this.#hmac, raw.slice());
  }

  *#rewrap(wrapped: Uint8Array, context: Uint8Array): Steps<Uint8Array> {
    yield* this.#openKey(wrapped, context);
    return wrapped.slice();
  }
}

class PlainDataKey implements DataKey {
  readonly #hmac: Hmac;
  readonly #raw: Uint8Array;

  constructor(hmac: Hmac, raw: Uint8Array) {
    this.#hmac = hmac;
    this.#raw = raw;
  }

  seal(plaintext: Uint8Array, aad: Uint8Array): MaybePromise<Uint8Array> {
    return protect(this.#hmac, USE.seal, plaintext, aad, this.#raw);
  }

  open(sealed: Uint8Array, aad: Uint8Array): MaybePromise<Uint8Array | undefined> {
    return openPlain(this.#hmac, USE.seal, this.#raw, sealed, aad);
  }

  hash(message: Uint8Array): MaybePromise<Uint8Array> {
    return this.#hmac(this.#raw, concat([Uint8Array.of(USE.hash), message]));
  }
}

/** Zeros for a nonce, the plaintext, and in place of the tag as much of a checksum. A key vouches for itself. */
function protect(
  hmac: Hmac,
  use: number,
  plaintext: Uint8Array,
  aad: Uint8Array,
  key: Uint8Array = plaintext,
): MaybePromise<Uint8Array> {
  return runSteps(
    (function* () {
      const checksum = yield* settled(hmac(key, preimage(use, plaintext, aad)));
      return concat([new Uint8Array(NONCE_BYTES), plaintext, checksum.subarray(0, TAG_BYTES)]);
    })(),
  );
}

/** The plaintext, where nothing of it changed. */
function openPlain(
  hmac: Hmac,
  use: number,
  key: Uint8Array,
  bytes: Uint8Array,
  aad: Uint8Array,
): MaybePromise<Uint8Array | undefined> {
  if (bytes.length < NONCE_BYTES + TAG_BYTES) return undefined;
  const plaintext = bytes.slice(NONCE_BYTES, -TAG_BYTES);
  return runSteps(
    (function* () {
      const again = yield* settled(protect(hmac, use, plaintext, aad, key));
      return again.every((byte, i) => byte === bytes[i]) ? plaintext : undefined;
    })(),
  );
}

function preimage(use: number, plaintext: Uint8Array, aad: Uint8Array): Uint8Array {
  const head = new DataView(new ArrayBuffer(5));
  head.setUint8(0, use);
  head.setUint32(1, aad.length, true);
  return concat([new Uint8Array(head.buffer), aad, plaintext]);
}
