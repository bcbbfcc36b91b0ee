/** @module The keyring of browsers: it wraps data keys by a master key that no script can read. */

import { concat, randomBytes } from '../../../src/bytes.ts';
import { ClosedError } from '../../../src/errors.ts';
import { KeyError } from '../../../src/key-error.ts';
import { KEY_BYTES, NONCE_BYTES, WRAPPED_KEY_BYTES } from '../../../src/privacy/key-format.ts';
import type { DataKey, Keyring } from '../../../src/privacy/keyring.ts';
import { deriveDataKey, gcm } from './data-key.ts';
import { isOperationError, requireSubtle, source } from './web-crypto.ts';

/** What may not be guessed. Tests give what is known. */
export interface RandomSource {
  /** 12 bytes, others each time. */
  nonce(): Uint8Array;
  /** A data key that can be wrapped. */
  dataKey(): Promise<CryptoKey>;
}

const AES = { name: 'AES-GCM', length: 8 * KEY_BYTES } as const;

export const webCryptoRandom: RandomSource = {
  nonce: () => randomBytes(NONCE_BYTES),
  // Its bytes are in no script's memory at any time.
  dataKey: () => requireSubtle().generateKey(AES, true, ['encrypt']),
};

/** A master key that wraps and unwraps, and nothing else. */
export const MASTER_USAGES: readonly KeyUsage[] = ['wrapKey', 'unwrapKey'];

/** Makes a master key that cannot be exported. */
export function generateMasterKey(): Promise<CryptoKey> {
  return requireSubtle().generateKey(AES, false, MASTER_USAGES);
}

export class BrowserKeyring implements Keyring {
  readonly id: string;
  readonly #random: RandomSource;
  #master: CryptoKey | undefined;

  constructor(id: string, master: CryptoKey, random: RandomSource = webCryptoRandom) {
    this.id = id;
    this.#master = master;
    this.#random = random;
  }

  async newKey(context: Uint8Array): Promise<Uint8Array> {
    const of = context.slice();
    return this.#wrap(await this.#random.dataKey(), of);
  }

  async openKey(wrapped: Uint8Array, context: Uint8Array): Promise<DataKey> {
    const base = await this.#unwrap(wrapped, context, 'HKDF', false, ['deriveKey']);
    return deriveDataKey(base, this.#random.nonce);
  }

  async rewrap(wrapped: Uint8Array, context: Uint8Array, from: Keyring): Promise<Uint8Array> {
    if (!(from instanceof BrowserKeyring))
      throw new KeyError('A key can be wrapped anew only from one keyring of a browser to another.');
    const of = context.slice();
    return this.#wrap(await from.#unwrap(wrapped, of, AES.name, true, ['encrypt']), of);
  }

  close(): void {
    this.#master = undefined;
  }

  async #wrap(dataKey: CryptoKey, context: Uint8Array): Promise<Uint8Array> {
    const nonce = this.#random.nonce();
    const wrapped = await requireSubtle().wrapKey('raw', dataKey, this.#open(), gcm(nonce, context));
    return concat([nonce, new Uint8Array(wrapped)]);
  }

  async #unwrap(
    wrapped: Uint8Array,
    context: Uint8Array,
    algorithm: string,
    extractable: boolean,
    usages: readonly KeyUsage[],
  ): Promise<CryptoKey> {
    const master = this.#open();
    const wrong = (cause?: unknown): KeyError =>
      new KeyError(`The master key ${this.id} did not wrap this key, or not for this use of it.`, {
        reason: 'wrong',
        cause,
      });
    if (wrapped.length !== WRAPPED_KEY_BYTES) throw wrong();
    const parameters = gcm(wrapped.subarray(0, NONCE_BYTES), context);
    const ciphertext = source(wrapped.subarray(NONCE_BYTES));
    try {
      return await requireSubtle().unwrapKey('raw', ciphertext, master, parameters, algorithm, extractable, usages);
    } catch (error) {
      throw isOperationError(error) ? wrong(error) : error;
    }
  }

  #open(): CryptoKey {
    if (this.#master === undefined) throw new ClosedError('The keyring is closed.');
    return this.#master;
  }
}
