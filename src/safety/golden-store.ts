/** @module What the reference answered: the truth that a faster way is held against. */

import { sameBytes } from '../bytes.ts';
import { decodePortable, encodePortable } from '../codec.ts';
import { copyPortable } from '../portable.ts';
import type { Portable } from '../portable.ts';
import type { CacheTier } from '../cache/cache-tier.ts';
import { callShape } from '../call-shape.ts';

/** Inputs and the reference's answer to just these. */
export interface Golden {
  readonly inputs: readonly Portable[];
  readonly output: Portable;
  /** 'captured': somebody asked it. 'generated': made up from what the model says of its inputs. */
  readonly origin: 'captured' | 'generated';
  /** Equal for inputs of equal types and sizes. */
  readonly shape: string;
}

/** Whether equal inputs were answered alike: 'unknown' until it was tried. */
export type Determinism = 'deterministic' | 'nondeterministic' | 'unknown';

/** A snapshot of what is kept of one model. */
export interface GoldenSummary {
  readonly captured: number;
  readonly generated: number;
  readonly bytes: number;
  readonly shapes: readonly string[];
  readonly determinism: Determinism;
  /** Inputs that were not kept, by reason. */
  readonly refused: Readonly<Partial<Record<GoldenRefusal, number>>>;
}

/**
 * Why inputs were not kept: 'known': they are kept already, and the same again would be no evidence more. 'redacted': what remained of them after redaction, the reference refused. 'too_large'. 'enough': there are
 * as many of the shape, and chance did not choose it. 'nondeterministic': the reference does not answer alike.
 */
export type GoldenRefusal = 'known' | 'redacted' | 'too_large' | 'enough' | 'nondeterministic';

/** Runs the reference. */
export type RunReference = (inputs: readonly Portable[]) => Promise<Portable>;

/** How much is kept, and where. */
export interface GoldenStoreOptions {
  /** Most goldens that are kept of one shape. Default 8. */
  readonly maxPerShape?: number | undefined;
  /** Most shapes of one model; of more, that which was asked longest ago goes. Default 32. */
  readonly maxShapes?: number | undefined;
  /** Most bytes of one model's goldens, inputs and outputs. Default 33,554,432 (32 MiB). */
  readonly maxBytes?: number | undefined;
  /** Takes out of inputs what must not be kept; the reference is then asked what remains. */
  readonly redactor?: { matches(data: Portable): boolean; redact(data: Portable): Portable } | undefined;
  /** Keeps them beyond this process: a sealed tier. Default: in memory. */
  readonly tier?: CacheTier | undefined;
  /** From 0 to below 1. Default `Math.random`. */
  readonly random?: (() => number) | undefined;
}

interface Kept {
  /** By shape, the one asked longest ago first. */
  readonly shapes: Map<string, { readonly goldens: Golden[]; seen: number }>;
  readonly refused: Map<GoldenRefusal, number>;
  bytes: number;
  determinism: Determinism;
}

const TIER_KEY = 'goldens';

/**
 * Goldens by model, bounded, and spread over the shapes that are really called: of each shape a sample without bias (Vitter's
 * algorithm R), so that what came first does not stand for all.
 */
export class GoldenStore {
  readonly #maxPerShape: number;
  readonly #maxShapes: number;
  readonly #maxBytes: number;
  readonly #redactor: GoldenStoreOptions['redactor'];
  readonly #tier: CacheTier | undefined;
  readonly #random: () => number;
  readonly #models = new Map<string, Kept>();

  /** @throws RangeError for a limit that is no whole number from 1. */
  constructor(options: GoldenStoreOptions = {}) {
    const { maxPerShape = 8, maxShapes = 32, maxBytes = 33_554_432, redactor, tier, random = Math.random } = options;
    for (const [name, value] of Object.entries({ maxPerShape, maxShapes, maxBytes })) {
      if (!Number.isSafeInteger(value) || value < 1)
        throw new RangeError(`${name} is a whole number from 1, not ${value}.`);
    }
    this.#maxPerShape = maxPerShape;
    this.#maxShapes = maxShapes;
    this.#maxBytes = maxBytes;
    this.#redactor = redactor;
    this.#tier = tier;
    this.#random = random;
  }

  /**
   * Keeps a call and its answer, or says why not. `model`: what stands for the weights, such as an identity. Inputs in which there is
   * something to redact are redacted first, and `run` is asked what remains: input and output belong together. `always`: where there are
   * enough of the shape, it takes the place of another.
   */
  async capture(
    model: string,
    inputs: readonly Portable[],
    output: Portable,
    run: RunReference,
    always = false,
  ): Promise<GoldenRefusal | undefined> {
    const kept = this.#of(model);
    if (kept.determinism === 'nondeterministic') return this.#refuse(kept, 'nondeterministic');
    const shape = callShape(inputs);
    const place = this.#placeOf(kept, shape) ?? (always ? Math.floor(this.#random() * this.#maxPerShape) : undefined);
    if (place === undefined) return this.#refuse(kept, 'enough');
    const isSecret = this.#redactor?.matches(inputs) === true;
    const own = isSecret ? undefined : { inputs: copyPortable(inputs), output: copyPortable(output) };
    const taken = own ?? (await this.#redacted(inputs, run));
    if (taken === undefined) return this.#refuse(kept, 'redacted');
    const golden: Golden = { ...taken, origin: 'captured', shape };
    const mark = markOf(golden);
    const isKnown = kept.shapes.get(shape)?.goldens.some((each) => each.origin === 'captured' && markOf(each) === mark);
    if (isKnown === true) return this.#refuse(kept, 'known');
    return this.#keep(kept, place, golden);
  }

  /**
   * Runs made-up inputs and keeps them, unless they mean nothing to the model: it refuses them, or answers all of them alike. Then
   * nothing is kept, and the first real calls have to be the goldens. Each is run twice, to see whether it is answered alike.
   *
   * @returns how many are kept
   */
  async generate(model: string, inputs: readonly (readonly Portable[])[], run: RunReference): Promise<number> {
    const kept = this.#of(model);
    const answered: { readonly inputs: readonly Portable[]; readonly output: Portable; readonly bytes: Uint8Array }[] =
      [];
    for (const each of inputs) {
      try {
        const output = copyPortable(await run(each));
        answered.push({ inputs: copyPortable(each), output, bytes: encodePortable(output) });
      } catch {
        return 0;
      }
    }
    const [first, ...others] = answered;
    if (first === undefined || (others.length > 0 && others.every(({ bytes }) => sameBytes(bytes, first.bytes))))
      return 0;
    if ((await this.#isDeterministic(kept, first.inputs, first.bytes, run)) === false) return 0;
    let count = 0;
    for (const { inputs: each, output } of answered) {
      const shape = callShape(each);
      const place = this.#placeOf(kept, shape);
      if (place === undefined) continue;
      if (this.#keep(kept, place, { inputs: each, output, origin: 'generated', shape }) === undefined) count++;
    }
    return count;
  }

  /**
   * Asks the reference the same again, and remembers whether it answers alike: bit by bit, on the same backend.
   * @throws what it throws
   */
  async checkDeterminism(model: string, inputs: readonly Portable[], run: RunReference): Promise<Determinism> {
    const kept = this.#of(model);
    const once = encodePortable(await run(inputs));
    await this.#isDeterministic(kept, inputs, once, run);
    return kept.determinism;
  }

  /** Of all shapes, or of one: those that somebody asked before those that were made up. */
  get(model: string, shape?: string): readonly Golden[] {
    const shapes = this.#models.get(model)?.shapes;
    const found = shape === undefined ? [...(shapes?.values() ?? [])] : [shapes?.get(shape)];
    return found
      .flatMap((each) => each?.goldens ?? [])
      .toSorted((a, b) => Number(a.origin === 'generated') - Number(b.origin === 'generated'));
  }

  summary(model: string): GoldenSummary {
    const kept = this.#models.get(model);
    const all = this.get(model);
    return {
      captured: all.filter(({ origin }) => origin === 'captured').length,
      generated: all.filter(({ origin }) => origin === 'generated').length,
      bytes: kept?.bytes ?? 0,
      shapes: [...(kept?.shapes.keys() ?? [])],
      determinism: kept?.determinism ?? 'unknown',
      refused: Object.fromEntries(kept?.refused ?? []),
    };
  }

  /** The weights changed: what the model answered before is no truth any more. */
  forget(model: string): void {
    this.#models.delete(model);
    void this.#tier?.delete(TIER_KEY, { model });
  }

  /** Keeps a model's goldens in the tier. */
  async save(model: string): Promise<void> {
    const all = [...(this.#models.get(model)?.shapes.values() ?? [])].flatMap(({ goldens }) => goldens);
    if (this.#tier === undefined || all.length === 0) return;
    const rows = all.map(({ inputs, output, origin }) => [inputs, output, origin]);
    await this.#tier.put(TIER_KEY, encodePortable([this.#of(model).determinism, rows]), { model });
  }

  /** Adds what was kept of a model in the tier. Returns how many there were. */
  async restore(model: string): Promise<number> {
    const bytes = await this.#tier?.get(TIER_KEY, { model });
    if (bytes === undefined) return 0;
    const [determinism, rows] = decodePortable(bytes) as unknown as [
      Determinism,
      readonly (readonly [readonly Portable[], Portable, Golden['origin']])[],
    ];
    const kept = this.#of(model);
    if (kept.determinism === 'unknown') kept.determinism = determinism;
    for (const [inputs, output, origin] of rows) {
      const shape = callShape(inputs);
      const place = this.#placeOf(kept, shape);
      if (place !== undefined) this.#keep(kept, place, { inputs, output, origin, shape });
    }
    return rows.length;
  }

  #of(model: string): Kept {
    let kept = this.#models.get(model);
    if (kept === undefined) {
      kept = { shapes: new Map(), refused: new Map(), bytes: 0, determinism: 'unknown' };
      this.#models.set(model, kept);
    }
    return kept;
  }

  /** Where a golden of the shape goes; undefined where chance does not choose it. What was made up gives way to what was asked. */
  #placeOf(kept: Kept, shape: string): number | undefined {
    const found = kept.shapes.get(shape);
    if (found === undefined) return 0;
    kept.shapes.delete(shape);
    kept.shapes.set(shape, found);
    const { goldens } = found;
    if (goldens.length < this.#maxPerShape) return goldens.length;
    const madeUp = goldens.findIndex(({ origin }) => origin === 'generated');
    if (madeUp >= 0) return madeUp;
    const place = Math.floor(this.#random() * ++found.seen);
    return place < goldens.length ? place : undefined;
  }

  #keep(kept: Kept, place: number, golden: Golden): GoldenRefusal | undefined {
    const bytes = sizeOf(golden);
    const group = kept.shapes.get(golden.shape) ?? { goldens: [], seen: this.#maxPerShape };
    const replaced = group.goldens[place];
    const freed = replaced === undefined ? 0 : sizeOf(replaced);
    if (bytes > this.#maxBytes) return this.#refuse(kept, 'too_large');
    kept.shapes.set(golden.shape, group);
    group.goldens[Math.min(place, group.goldens.length)] = golden;
    kept.bytes += bytes - freed;
    while (kept.shapes.size > this.#maxShapes || kept.bytes > this.#maxBytes) this.#dropOldest(kept, golden);
    return undefined;
  }

  /** The shape that was asked longest ago goes; where there is but one, its first other golden. */
  #dropOldest(kept: Kept, except: Golden): void {
    const [[shape, group]] = kept.shapes as unknown as [[string, { readonly goldens: Golden[] }]];
    if (kept.shapes.size > 1) {
      kept.shapes.delete(shape);
      for (const each of group.goldens) kept.bytes -= sizeOf(each);
      return;
    }
    const at = group.goldens.findIndex((each) => each !== except);
    const [gone] = group.goldens.splice(at, 1);
    kept.bytes -= sizeOf(gone as Golden);
  }

  #refuse(kept: Kept, reason: GoldenRefusal): GoldenRefusal {
    kept.refused.set(reason, (kept.refused.get(reason) ?? 0) + 1);
    return reason;
  }

  async #redacted(
    inputs: readonly Portable[],
    run: RunReference,
  ): Promise<Pick<Golden, 'inputs' | 'output'> | undefined> {
    try {
      const remains = copyPortable(this.#redactor?.redact(inputs) as readonly Portable[]);
      return { inputs: remains, output: copyPortable(await run(remains)) };
    } catch {
      return undefined;
    }
  }

  async #isDeterministic(
    kept: Kept,
    inputs: readonly Portable[],
    once: Uint8Array,
    run: RunReference,
  ): Promise<boolean> {
    const isAlike = sameBytes(encodePortable(await run(inputs)), once);
    // One difference is enough, and is not taken back by what is alike by chance.
    if (kept.determinism !== 'nondeterministic') kept.determinism = isAlike ? 'deterministic' : 'nondeterministic';
    if (!isAlike) {
      kept.shapes.clear();
      kept.bytes = 0;
    }
    return kept.determinism === 'deterministic';
  }
}

const sizes = new WeakMap<Golden, number>();

function sizeOf(golden: Golden): number {
  let size = sizes.get(golden);
  if (size === undefined) {
    size = encodePortable([golden.inputs, golden.output]).length;
    sizes.set(golden, size);
  }
  return size;
}

const marks = new WeakMap<Golden, string>();

/** Equal for equal inputs. Where it is for others as well, one golden less is kept, which harms nothing: a fast hash will do. */
function markOf(golden: Golden): string {
  let mark = marks.get(golden);
  if (mark === undefined) {
    // FNV-1a (http://www.isthe.com/chongo/tech/comp/fnv/) twice, from two offsets.
    let [a, b] = [0x811c9dc5, 0x01000193];
    for (const byte of encodePortable(golden.inputs)) {
      a = Math.imul(a ^ byte, 0x01000193);
      b = Math.imul(b ^ byte, 0x01000193) + 0x9e3779b9;
    }
    mark = `${a} ${b | 0}`;
    marks.set(golden, mark);
  }
  return mark;
}
