/** @module What the parts of a vault share. */

import type { Emitter } from '../../events.ts';
import type { Clock } from '../../platform.ts';
import type { ByteStore } from '../byte-store.ts';
import type { TierInvalidation } from '../cache-tier.ts';
import type { Epoch } from './epoch.ts';
import type { KeyLock } from './key-lock.ts';
import type { KeyRecords } from './key-records.ts';
import type { Names } from './names.ts';

export interface VaultParts {
  readonly store: ByteStore;
  readonly names: Names;
  readonly records: KeyRecords;
  readonly keyLock: KeyLock;
  readonly clock: Clock;
  readonly epoch: Epoch;
  /** What others invalidated. */
  readonly invalidated: Emitter<TierInvalidation>;
  /** How often one data key seals. */
  readonly sealLimit: number;
}
