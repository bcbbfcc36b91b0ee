/** @module The entries of a tenant whose keys begin so: names do not tell, so that each is opened. */

import { KeyError } from '../../key-error.ts';
import { settled, settledAll } from '../../maybe-promise.ts';
import type { Steps } from '../../maybe-promise.ts';
import type { Clock } from '../../platform.ts';
import type { ByteStore } from '../byte-store.ts';
import { EntryCipher } from './entry-cipher.ts';
import { GENERATION_BYTES } from './envelope.ts';
import { openEnvelope } from './open-envelope.ts';
import type { Opening } from './open-envelope.ts';
import type { Names } from './names.ts';
import type { TenantState } from './tenants.ts';
import { readText } from './text.ts';
import type { Vault } from './vault.ts';
import type { WriteBuffer } from './write-buffer.ts';

export interface ClearByPrefixOptions {
  readonly store: ByteStore;
  readonly clock: Pick<Clock, 'epochNow' | 'soon'>;
  readonly names: Names;
  readonly vault: Vault;
  readonly writes: WriteBuffer;
  readonly tenant: string;
  /** Default: all of the tenant's. */
  readonly model: string | undefined;
  readonly prefix: string;
}

/** Entries that are read at once. */
const ENTRIES_AT_ONCE = 32;
/** Entries after which others get their turn. */
const ENTRIES_A_TURN = 1024;
const MODEL_TAG_CHARACTERS = 32;

/** Deletes what begins so, and what does not open and so might. */
export function* clearByPrefix(options: ClearByPrefixOptions): Steps<void> {
  const { store, clock, names, vault, writes, prefix } = options;
  const tenant = yield* vault.tenant(options.tenant);
  if (tenant === undefined) return;
  const below = yield* namesOf(options, tenant);
  if (below === undefined) return;
  if (prefix === '') return yield* settled(store.deletePrefix(below));
  const found = yield* settled(store.keys(below));
  const openings = new Map<string, Opening | undefined>();
  const tenantNames = `${names.entries}${tenant.tag}/`;
  for (let from = 0; from < found.length; from += ENTRIES_AT_ONCE) {
    if (from % ENTRIES_A_TURN === ENTRIES_A_TURN - ENTRIES_AT_ONCE)
      yield new Promise<void>((resolve) => clock.soon(resolve));
    const some = found.slice(from, from + ENTRIES_AT_ONCE);
    const envelopes = yield* settledAll(some.map((name) => store.get(name)));
    for (const [i, name] of some.entries()) {
      const envelope = envelopes[i];
      if (envelope === undefined) continue;
      const modelTag = name.slice(tenantNames.length, tenantNames.length + MODEL_TAG_CHARACTERS);
      if (!openings.has(modelTag)) openings.set(modelTag, yield* openingOf(options, tenant, modelTag));
      const opening = openings.get(modelTag);
      const key = opening && (yield* keyOf(opening, name, envelope, clock.epochNow()));
      if (key === undefined || readText(key).startsWith(prefix)) writes.delete(name, true);
    }
  }
}

/** What the names of all entries in question begin with; undefined where there are none. */
function* namesOf(
  { names, vault, tenant, model }: ClearByPrefixOptions,
  { tag }: TenantState,
): Steps<string | undefined> {
  if (model === undefined) return `${names.entries}${tag}/`;
  return (yield* settled(vault.space(tenant, model, false)))?.names;
}

/** Undefined where nothing of the model opens. */
function* openingOf(
  { store, names }: ClearByPrefixOptions,
  { tag, keys }: TenantState,
  modelTag: string,
): Steps<Opening | undefined> {
  const generation = yield* settled(store.get(names.generation(modelTag)));
  if (generation?.length !== GENERATION_BYTES) return undefined;
  return { keys, cipher: new EntryCipher(generation, `${names.entries}${tag}/${modelTag}/`) };
}

/** The caller's key. */
function* keyOf(opening: Opening, name: string, envelope: Uint8Array, nowMs: number): Steps<Uint8Array | undefined> {
  try {
    const opened = yield* openEnvelope(opening, name, envelope, nowMs);
    return typeof opened === 'string' ? undefined : opened.key;
  } catch (error) {
    if (error instanceof KeyError) return undefined;
    throw error;
  }
}
