/** @module Keys of questions: equal for equal ones, and for no others. Loaded with the first question. */

import { PortableWriter } from '../codec.ts';
import type { Digest, MaybePromise } from '../platform.ts';
import { copyPortable, isPortable } from '../portable.ts';
import type { Portable } from '../portable.ts';
import type { CacheKey, InferenceCache } from './inference-cache.ts';

/** Everything an answer depends on. */
export interface CacheQuestion {
  readonly modelId: number;
  /** What stands for the weights and whatever else decides the answer's bits; the model's number where nothing does. */
  readonly identity?: string | undefined;
  readonly entryPoint: string;
  /** Tenants never see each other's answers. Default 'default'. */
  readonly tenant?: string | undefined;
  readonly args: readonly Portable[];
}

/** Below this the question itself is the key, unless the platform's digest is fast: keeping its bytes costs less than hashing them. */
const HASHED_FROM_BYTES = 513;

export class QuestionKeys {
  readonly #cache: Pick<InferenceCache, 'stampOf'>;
  readonly #digest: Digest;
  readonly #writer = new PortableWriter();

  /** `digest`: SHA-256 as hexadecimal digits. */
  constructor(cache: Pick<InferenceCache, 'stampOf'>, digest: Digest) {
    this.#cache = cache;
    this.#digest = digest;
  }

  /**
   * The key of a question. The arguments are read before this returns, also where the key comes later.
   * @throws TypeError for arguments that are no plain data.
   */
  keyOf(question: CacheQuestion): MaybePromise<CacheKey> {
    const { modelId, identity, tenant = 'default' } = question;
    const stamp = this.#cache.stampOf(modelId, identity);
    const bytes = this.#preimage(question);
    if (bytes.length < (this.#digest.fasterFromBytes ?? HASHED_FROM_BYTES))
      return { slot: exactSlot(bytes), modelId, identity, tenant, stamp };
    const hash = this.#digest(bytes);
    if (typeof hash === 'string') return { slot: hash, modelId, identity, tenant, stamp };
    const preimage = bytes.slice();
    return hash.then((slot) => ({ slot, modelId, identity, tenant, stamp, preimage }));
  }

  /** Whether a key that came later is still that of the question: an input may have changed meanwhile. */
  isKeyOf(key: CacheKey, question: CacheQuestion): boolean {
    if (key.preimage === undefined) return true;
    const bytes = this.#preimage(question);
    return bytes.length === key.preimage.length && bytes.every((byte, i) => byte === key.preimage?.[i]);
  }

  #preimage({ modelId, identity, entryPoint, tenant = 'default', args }: CacheQuestion): Uint8Array {
    return this.#writer
      .reset()
      .write(tenant)
      .write(identity ?? modelId)
      .write(entryPoint)
      .write(args)
      .bytes();
  }
}

/** The value itself. @throws TypeError where it is no plain data */
export function plain(value: Portable): Portable {
  if (isPortable(value)) return value;
  throw new TypeError('The cache takes plain data: tensors, typed arrays, strings, numbers, arrays and plain objects.');
}

/** A deep copy. @throws TypeError for what is no plain data */
export function plainCopy(value: Portable): Portable {
  return copyPortable(plain(value));
}

/** Bytes as a string, one to a character, behind a character that no hash in hexadecimal begins with. */
function exactSlot(bytes: Uint8Array): string {
  return `=${String.fromCharCode.apply(undefined, bytes as unknown as number[])}`;
}
