/** @module Names of what a vault and its tiers keep in a store, all below one prefix. Tags and slots are keyed hashes. */

import { toHex } from '../../bytes.ts';

const BASE64URL = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

/** Bytes of a hash that make a tag, of a tenant or a model. */
const TAG_BYTES = 16;

export class Names {
  /** The root key. */
  readonly root: string;
  /** Another value after each invalidation, of whatever. */
  readonly epoch: string;
  /** The lock of those who delete keys or wrap them anew. */
  readonly lock: string;
  /** Before all data keys. */
  readonly keys: string;
  /** Before all entries. */
  readonly entries: string;
  readonly #prefix: string;

  /** `folder` is that of the tier's entries, one letter. */
  constructor(prefix: string, folder: string) {
    this.#prefix = prefix;
    this.root = `${prefix}r`;
    this.epoch = `${prefix}v`;
    this.lock = `${prefix}l`;
    this.keys = `${prefix}k/`;
    this.entries = `${prefix}${folder}/`;
  }

  /** A tenant's n-th data key. */
  key(tenant: string, number: number): string {
    return `${this.keys}${tenant}/${hexNumber(number)}`;
  }

  /** Before all data keys of a tenant. */
  keysOf(tenant: string): string {
    return `${this.keys}${tenant}/`;
  }

  /** What says that a process may seal so many times with a data key. */
  block(tenant: string, number: number, block: number): string {
    return `${this.blocksOf(tenant)}${hexNumber(number)}/${hexNumber(block)}`;
  }

  blocksOf(tenant: string): string {
    return `${this.#prefix}c/${tenant}/`;
  }

  /** A model's invalidation generation. */
  generation(model: string): string {
    return `${this.#prefix}g/${model}`;
  }
}

/** The tag that a hash makes: 32 hexadecimal digits. */
export function tagOf(hash: Uint8Array): string {
  return toHex(hash, TAG_BYTES);
}

function hexNumber(number: number): string {
  return number.toString(16).padStart(8, '0');
}

/** 32 bytes as 43 characters of base64url (RFC 4648, 5), without padding. */
export function slotOf(hash: Uint8Array): string {
  let text = '';
  for (let i = 0; i < hash.length; i += 3) {
    const bits = ((hash[i] as number) << 16) | ((hash[i + 1] ?? 0) << 8) | (hash[i + 2] ?? 0);
    for (let shift = 18; shift >= 0; shift -= 6) text += BASE64URL.charAt((bits >> shift) & 63);
  }
  return text.slice(0, Math.ceil((hash.length * 8) / 6));
}
