/** @module Wrapped data keys in a store: a version (1 byte), the id of the master key (16, in ASCII), what its keyring made. */

import { toHex } from '../../bytes.ts';
import { KeyError } from '../../key-error.ts';
import { settled } from '../../maybe-promise.ts';
import type { Steps } from '../../maybe-promise.ts';
import type { DataKey, Keyring } from '../../privacy/keyring.ts';
import type { ByteStore, StoreEntry } from '../byte-store.ts';

/**
 * Of the record alone, and not of what is wrapped: a key that opens for its context is the right one, whatever became of this byte.
 * A later version wraps for other contexts.
 */
const VERSION = 1;
const ID_BYTES = 16;
/** Most records of which it is remembered that no keyring opens them, so that a device is not asked again for each call. */
const MAX_REFUSED = 64;

/** A name of the store, and what its key is wrapped for. */
export interface KeyPlace {
  readonly name: string;
  readonly context: Uint8Array;
}

export class KeyRecords {
  readonly #store: ByteStore;
  /** The first one wraps, each opens. */
  #keyrings: readonly [Keyring, ...Keyring[]];
  readonly #refused = new Map<string, KeyError>();

  constructor(store: ByteStore, keyrings: readonly [Keyring, ...Keyring[]]) {
    this.#store = store;
    this.#keyrings = keyrings;
  }

  /** Makes a key unless there is one, and returns the record that is there afterwards. */
  *make({ name, context }: KeyPlace): Steps<Uint8Array> {
    const [keyring] = this.#keyrings;
    const wrapped = yield* settled(keyring.newKey(context));
    return yield* settled(this.#store.putIfAbsent(name, encodeRecord(keyring.id, wrapped)));
  }

  /** @throws KeyError 'wrong' where none of the keyrings wrapped it, 'damaged' where one did and it is not as it was. */
  *open(record: Uint8Array, { name, context }: KeyPlace): Steps<DataKey> {
    const refusal = `${name} ${toHex(record)}`;
    const known = this.#refused.get(refusal);
    if (known !== undefined) throw known;
    const { id, wrapped } = decodeRecord(record);
    for (const keyring of this.#likeliestFirst(id)) {
      try {
        return yield* settled(keyring.openKey(wrapped, context));
      } catch (error) {
        if (!isWrong(error)) throw error;
      }
    }
    const error = this.#refusal(record, id);
    if (this.#refused.size < MAX_REFUSED) this.#refused.set(refusal, error);
    throw error;
  }

  /** From now on keys that this keyring wrapped are opened as well. */
  accept(keyring: Keyring): void {
    if (!this.#keyrings.includes(keyring)) this.#keyrings = [...this.#keyrings, keyring];
    this.#refused.clear();
  }

  /** From now on this keyring wraps, and the others go on opening. */
  use(keyring: Keyring): void {
    this.#keyrings = [keyring, ...this.#keyrings.filter((each) => each !== keyring)];
  }

  /** The record as the keyring would have made it; undefined where it did. */
  *rewrap(record: Uint8Array, { name, context }: KeyPlace, keyring: Keyring): Steps<StoreEntry | undefined> {
    const { id, wrapped } = decodeRecord(record);
    if (id === keyring.id) return undefined;
    for (const from of this.#likeliestFirst(id)) {
      if (from === keyring) continue;
      try {
        const again = yield* settled(keyring.rewrap(wrapped, context, from));
        return { key: name, bytes: encodeRecord(keyring.id, again) };
      } catch (error) {
        if (!isWrong(error)) throw error;
      }
    }
    throw this.#refusal(record, id);
  }

  /** One that gives another id to the same key may open it all the same. */
  #likeliestFirst(id: string): readonly Keyring[] {
    return this.#keyrings.toSorted((a, b) => Number(b.id === id) - Number(a.id === id));
  }

  #refusal(record: Uint8Array, id: string): KeyError {
    if (record[0] !== VERSION)
      return new KeyError(
        'A key in the store is of a version that this one cannot read, or damaged. Update epochly, or begin a new store.',
        { reason: 'wrong' },
      );
    if (this.#keyrings.some((each) => each.id === id))
      return new KeyError(`A key in the store is damaged: the master key ${id} wrapped it, and does not open it.`, {
        reason: 'damaged',
      });
    const given = this.#keyrings.map((each) => each.id).join(', ');
    return new KeyError(
      `The store was sealed with the master key ${id}, and given is ${given}. Give the one it was sealed with (as a previous one, where it was changed), or begin a new store.`,
      { reason: 'wrong' },
    );
  }
}

/** The same for the same key, however it is wrapped, and tells nothing of it. */
export function* fingerprintOf(key: DataKey): Steps<string> {
  return toHex(yield* settled(key.hash(new Uint8Array(0))));
}

function encodeRecord(id: string, wrapped: Uint8Array): Uint8Array {
  if (id.length > ID_BYTES) throw new RangeError(`A keyring's id has at most ${ID_BYTES} characters.`);
  const record = new Uint8Array(1 + ID_BYTES + wrapped.length);
  record[0] = VERSION;
  for (let i = 0; i < id.length; i++) record[1 + i] = id.charCodeAt(i);
  record.set(wrapped, 1 + ID_BYTES);
  return record;
}

function decodeRecord(record: Uint8Array): { readonly id: string; readonly wrapped: Uint8Array } {
  if (record.length < 1 + ID_BYTES)
    throw new KeyError('A key in the store is damaged: it was cut short.', { reason: 'damaged' });
  const codes = record.subarray(1, 1 + ID_BYTES).filter((code) => code !== 0);
  return { id: String.fromCharCode(...codes), wrapped: record.subarray(1 + ID_BYTES) };
}

function isWrong(error: unknown): boolean {
  return error instanceof KeyError && error.reason === 'wrong';
}

export function isDamaged(error: unknown): boolean {
  return error instanceof KeyError && error.reason === 'damaged';
}
