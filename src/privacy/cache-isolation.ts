/** @module Tries to read one tenant's entries as another. */

import type { InferenceCache } from '../cache/inference-cache.ts';
import type { MaybePromise } from '../platform.ts';
import { TenantIsolation } from './tenant-isolation.ts';

/** A cache, as far as tenants are concerned. */
export interface TenantCache {
  put(tenant: string, key: string, value: string): MaybePromise<void>;
  get(tenant: string, key: string): MaybePromise<unknown>;
  /** Forgets all that was put. */
  clear?(): MaybePromise<void>;
}

/** What of an InferenceCache can stand for one. */
export type KeyedCache = Pick<InferenceCache, 'get' | 'put' | 'invalidateModel'>;

/** A tenant was given what another one, or another key, was asked for. */
export interface IsolationBreach {
  readonly tenant: string;
  readonly key: string;
  /** Whose it was. */
  readonly owner: { readonly tenant: string; readonly key: string };
}

/** Tenants that a cache may take for each other: ends of names, what separates them, letter case, forms of a letter. */
const TENANTS = [
  'default',
  'acme',
  'acme:b',
  'acme%3Ab',
  'acme%253Ab',
  'acme:',
  ':acme',
  'Acme',
  'acme ',
  'acme/b',
  'acme\0b',
  'acme*',
  '../acme',
  '%',
  '\u00e4',
  'a\u0308',
  '__proto__',
  'undefined',
];
const KEYS = ['k', 'b:k', ':k', 'k ', 'K', '', 'acme:k', 'b:acme:k', '0', '__proto__'];

/** A model that no model's number can be. */
const NO_MODEL = -1;

/**
 * Puts a value of its own under each of many tenants and keys, some of which imitate others' names, and reads each: first
 * with every second one put, so that the others must be misses, then with all.
 */
export async function findBreaches(cache: TenantCache | KeyedCache): Promise<readonly IsolationBreach[]> {
  const tenants = 'invalidateModel' in cache ? asTenantCache(cache) : cache;
  const places = placesToTry();
  const breaches: IsolationBreach[] = [];
  const put = new Set<number>();
  const secret = crypto.getRandomValues(new Uint32Array(2)).join('-');
  const values = places.map((_, i) => `epochly isolation check ${secret} ${i}`);
  const owners = new Map<unknown, Place>(values.map((value, i) => [value, places[i] as Place]));

  try {
    for (const offset of [0, 1]) {
      for (let i = offset; i < places.length; i += 2) {
        await tenants.put(...(places[i] as Place), values[i] as string);
        put.add(i);
      }
      for (const [i, [tenant, key]] of places.entries()) {
        const value = await tenants.get(tenant, key);
        // What a cache does not keep, it gives to nobody.
        if (value === undefined || (put.has(i) && value === values[i])) continue;
        const [ownerTenant, ownerKey] = owners.get(value) ?? [tenant, key];
        breaches.push({ tenant, key, owner: { tenant: ownerTenant, key: ownerKey } });
      }
    }
  } finally {
    await tenants.clear?.();
  }
  return breaches;
}

type Place = readonly [tenant: string, key: string];

function placesToTry(): readonly Place[] {
  const places = new Map<string, Place>();
  for (const tenant of TENANTS) {
    const imitations = TENANTS.map((other) => new TenantIsolation(other).namespaceKey('k'));
    for (const key of [...KEYS, ...imitations]) places.set(JSON.stringify([tenant, key]), [tenant, key]);
  }
  return [...places.values()];
}

function asTenantCache(cache: KeyedCache): TenantCache {
  return {
    put: (tenant, key, value) => cache.put(NO_MODEL, key, value, { tenant }),
    get: (tenant, key) => cache.get(NO_MODEL, key, { tenant }),
    clear: () => cache.invalidateModel(NO_MODEL),
  };
}
