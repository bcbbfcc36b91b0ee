/** @module Models' invalidation generations: what must be so for an entry to open, and is another one after each invalidation. */

import { randomBytes, sameBytes, toHex } from '../../bytes.ts';
import { runSteps, settled } from '../../maybe-promise.ts';
import type { Steps } from '../../maybe-promise.ts';
import type { MaybePromise } from '../../platform.ts';
import { GENERATION_BYTES } from './envelope.ts';
import type { RootKey } from './root-key.ts';
import type { VaultParts } from './vault-parts.ts';

export class ModelState {
  readonly name: string;
  /** Undefined until the root key is there to make it. */
  tag: string | undefined;
  /** Undefined where it is not known. */
  generation: Uint8Array | undefined;
  /** When the generation was last seen. */
  tick = -1;
  /** How often the generation was changed here: what was read before a change is too old. */
  changes = 0;
  /** How often it was invalidated here: what was begun before is not kept. */
  invalidations = 0;
  /** Whether the store has yet to be told of the generation. */
  unwritten = false;
  /** Those that were left: none of them is believed again, also where the store goes back to it. */
  readonly #superseded = new Set<string>();

  constructor(name: string) {
    this.name = name;
  }

  change(generation: Uint8Array | undefined): void {
    if (this.generation !== undefined) this.#superseded.add(toHex(this.generation));
    this.generation = generation;
    this.changes++;
  }

  wasLeft(generation: Uint8Array): boolean {
    return this.#superseded.has(toHex(generation));
  }
}

export class Models {
  readonly #parts: VaultParts;
  readonly #root: RootKey;
  readonly #states = new Map<string, ModelState>();

  constructor(parts: VaultParts, root: RootKey) {
    this.#parts = parts;
    this.#root = root;
  }

  state(name: string): ModelState {
    let state = this.#states.get(name);
    if (state === undefined) this.#states.set(name, (state = new ModelState(name)));
    return state;
  }

  /**
   * The model's generation; undefined where it has none, unless `create` is true. What a store has lost, by eviction say, comes
   * back as another one, so that nothing of before is served again.
   */
  *generationOf(model: ModelState, create: boolean): Steps<Uint8Array | undefined> {
    const { store, names, epoch, invalidated } = this.#parts;
    for (;;) {
      if (model.unwritten) yield* this.#write(model);
      const { changes } = model;
      const { tick } = epoch;
      if (model.tick === tick && model.generation !== undefined) return model.generation;
      const tag = (model.tag ??= yield* this.#root.tag('model', model.name, create));
      if (tag === undefined) return undefined;
      let found = yield* settled(store.get(names.generation(tag)));
      if (found === undefined && create)
        found = yield* settled(store.putIfAbsent(names.generation(tag), randomBytes(GENERATION_BYTES)));
      if (model.changes !== changes) continue;
      if (sameBytes(found, model.generation)) {
        model.tick = tick;
        return model.generation;
      }
      if (model.generation !== undefined) invalidated.emit({ model: model.name });
      if (found !== undefined && (found.length !== GENERATION_BYTES || model.wasLeft(found))) {
        this.#renew(model);
        continue;
      }
      model.change(found);
      model.tick = tick;
      return found;
    }
  }

  /** Leaves the model's generation, here before this returns. */
  invalidate(name: string): MaybePromise<void> {
    const model = this.state(name);
    model.invalidations++;
    this.#renew(model);
    return runSteps(this.#write(model));
  }

  /** The root key is another one, or gone. */
  forgetAll(): void {
    for (const model of this.#states.values()) {
      model.tag = undefined;
      if (!model.unwritten) model.change(undefined);
    }
  }

  /** Reads again what may have changed. */
  *refresh(): Steps<void> {
    for (const model of this.#states.values()) yield* this.generationOf(model, false);
  }

  #renew(model: ModelState): void {
    model.change(randomBytes(GENERATION_BYTES));
    model.unwritten = true;
  }

  *#write(model: ModelState): Steps<void> {
    const { names, epoch } = this.#parts;
    const tag = (model.tag ??= yield* this.#root.tag('model', model.name, true)) as string;
    const { changes, generation } = model;
    if (generation !== undefined) yield* epoch.publish({ puts: [{ key: names.generation(tag), bytes: generation }] });
    if (model.changes !== changes) return;
    model.unwritten = false;
    model.tick = epoch.tick;
  }
}
