/**
 * @module Nothing but keyed hashes of questions and answers: no answer can be given from them, and an answer that is another one
 * than before is noticed.
 *
 * A record is the header of an envelope, whose time is that until which answers are compared, the answer's hash, and a hash over
 * both. Each is HMAC-SHA-256 under the tenant's first key, and over the record's name as well: equal answers to different
 * questions are not seen to be.
 */

import { concat, sameBytes } from '../../bytes.ts';
import { Emitter } from '../../events.ts';
import type { EventSource } from '../../events.ts';
import { runSteps, settled } from '../../maybe-promise.ts';
import type { Steps } from '../../maybe-promise.ts';
import type { MaybePromise } from '../../platform.ts';
import type { TierPutOptions, TierScope, TierStats } from '../cache-tier.ts';
import { clearByPrefix } from './clear-by-prefix.ts';
import { encodeHeader, expiryOf, HEADER_BYTES } from './envelope.ts';
import { HASH_USE } from './hash-use.ts';
import type { Space } from './space.ts';
import { textBytes } from './text.ts';
import { VaultTier } from './vault-tier.ts';
import type { SealedTierOptions } from './vault-tier.ts';

/** The same question, and another answer than the last time. */
export interface AnswerChange {
  readonly tenant: string;
  readonly model: string;
}

const HASH_BYTES = 32;
const RECORD_BYTES = HEADER_BYTES + 2 * HASH_BYTES;

/** Keyed hashes of questions and answers, in place of answers: it never gives one, and tells where one changed. */
export class HashesOnlyTier extends VaultTier {
  readonly #answerChanged = new Emitter<AnswerChange>();
  #answersChanged = 0;

  readonly onAnswerChanged: EventSource<AnswerChange> = this.#answerChanged.event;

  constructor(options: SealedTierOptions) {
    super(options, 'h');
  }

  /** Always a miss. */
  override get(_key: string, _scope?: TierScope): undefined {
    return this.counts.miss('absent');
  }

  /** Holds the answer's hash against that of the last one, and keeps it. */
  override put(key: string, value: Uint8Array, options: TierPutOptions = {}): MaybePromise<void> {
    return runSteps(this.#put(key, value, options));
  }

  /** Forgets all of the tenant, or of one of its models: which keys begin so cannot be told. */
  override clearPrefix(_prefix: string, scope: TierScope = {}): MaybePromise<void> {
    return runSteps(this.#clear(scope));
  }

  override getStats(): TierStats {
    return { ...super.getStats(), answersChanged: this.#answersChanged };
  }

  *#put(key: string, value: Uint8Array, options: TierPutOptions): Steps<void> {
    if (this.isClosed) return;
    const { tenant = 'default', model = '' } = options;
    this.counts.put();
    const invalidations = this.vault.invalidationsOf(model);
    // Until it is hashed the caller might change it.
    const copy = value.slice();
    try {
      const expiresAt = this.expiryOf(options);
      const space = yield* settled(this.vault.space(tenant, model, true));
      if (space === undefined) return this.counts.drop(1);
      const name = yield* settled(space.nameOf(key));
      const answer = yield* hash(space, HASH_USE.answer, name, copy);
      const before = yield* this.#answerBefore(space, name);
      const header = encodeHeader(0, expiresAt);
      const mark = yield* hash(space, HASH_USE.record, name, header, answer);
      // Invalidated here, or by others, since whoever computed it began.
      const isOutdated = options.stamp !== undefined && options.stamp !== space.stamp;
      const isSame = space.isCurrent && this.vault.invalidationsOf(model) === invalidations;
      const mayBeKept = !this.isClosed && isSame && !isOutdated;
      if (!mayBeKept) return this.counts.drop(1);
      if (!this.writes.put(name, concat([header, answer, mark]), expiresAt, space)) this.counts.drop(1);
      if (before === undefined || sameBytes(before, answer)) return;
      this.#answersChanged++;
      this.#answerChanged.emit({ tenant, model });
    } catch (error) {
      this.counts.error(error);
      this.counts.drop(1);
    }
  }

  /** The hash of the last answer; undefined where there is none that could be compared. */
  *#answerBefore(space: Space, name: string): Steps<Uint8Array | undefined> {
    const record = yield* settled(this.read(name));
    if (record?.length !== RECORD_BYTES || expiryOf(record) <= this.clock.epochNow()) return undefined;
    const header = record.subarray(0, HEADER_BYTES);
    const answer = record.subarray(HEADER_BYTES, HEADER_BYTES + HASH_BYTES);
    const mark = yield* hash(space, HASH_USE.record, name, header, answer);
    return sameBytes(mark, record.subarray(HEADER_BYTES + HASH_BYTES)) ? answer : undefined;
  }

  *#clear({ tenant = 'default', model }: TierScope): Steps<void> {
    if (this.isClosed) return;
    try {
      yield* settled(this.writes.flush());
      const { store, clock, names, vault, writes } = this;
      yield* clearByPrefix({ store, clock, names, vault, writes, tenant, model, prefix: '' });
    } catch (error) {
      this.counts.error(error);
    }
  }
}

/** The name, of a length that is the same for all of a tier, keeps the parts behind it from being read otherwise. */
function hash(space: Space, use: number, name: string, ...parts: readonly Uint8Array[]): Steps<Uint8Array> {
  return settled(space.keys.first.hash(concat([Uint8Array.of(use), textBytes(name), ...parts])));
}
