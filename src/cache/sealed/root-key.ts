/** @module The root key of a store: what makes tags of the names of tenants and models. */

import { sameBytes } from '../../bytes.ts';
import { settled } from '../../maybe-promise.ts';
import type { Steps } from '../../maybe-promise.ts';
import type { DataKey } from '../../privacy/keyring.ts';
import { rootPlace } from './key-places.ts';
import { fingerprintOf } from './key-records.ts';
import { tagOf } from './names.ts';
import { textBytes } from './text.ts';
import type { VaultParts } from './vault-parts.ts';

interface Known {
  readonly key: DataKey;
  readonly fingerprint: string;
  record: Uint8Array;
  tick: number;
}

export class RootKey {
  readonly #parts: VaultParts;
  readonly #onLost: () => void;
  #known: Known | undefined;

  /** `onLost` is called where it turns out to be another one, or gone, and with it all that was named by it. */
  constructor(parts: VaultParts, onLost: () => void) {
    this.#parts = parts;
    this.#onLost = onLost;
  }

  /** Undefined where there is none, unless `create` is true. @throws KeyError where it was sealed with another master key. */
  *open(create: boolean): Steps<DataKey | undefined> {
    const { store, names, records, epoch } = this.#parts;
    const place = rootPlace(names);
    for (;;) {
      const known = this.#known;
      const { tick } = epoch;
      if (known?.tick === tick) return known.key;
      let record = yield* settled(store.get(place.name));
      if (record === undefined && create) {
        record = yield* records.make(place);
        yield* epoch.begin();
      }
      if (known !== undefined && sameBytes(record, known.record)) {
        known.tick = tick;
        return known.key;
      }
      const key = record && (yield* records.open(record, place));
      const fingerprint = key && (yield* fingerprintOf(key));
      // Another came first with what it read.
      if (this.#known !== known) continue;
      if (record === undefined || key === undefined || fingerprint === undefined) {
        this.#lose();
        return undefined;
      }
      if (known !== undefined && fingerprint !== known.fingerprint) this.#lose();
      // Wrapped anew by another master key, it is the same key.
      this.#known = { key, fingerprint, record, tick };
      return key;
    }
  }

  /** What stands for a tenant or a model in the names of the store. */
  *tag(kind: 'tenant' | 'model', name: string, create: boolean): Steps<string | undefined> {
    const key = yield* this.open(create);
    return key && tagOf(yield* settled(key.hash(textBytes(`${kind}\0${name}`))));
  }

  #lose(): void {
    if (this.#known === undefined) return;
    this.#known = undefined;
    this.#onLost();
  }
}
