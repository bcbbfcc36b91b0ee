/** @module Where keys are, and what each is wrapped for. */

import type { KeyPlace } from './key-records.ts';
import type { Names } from './names.ts';
import { textBytes } from './text.ts';

export function rootPlace(names: Names): KeyPlace {
  return { name: names.root, context: textBytes('epochly root') };
}

/** Of a tenant's n-th data key. */
export function keyPlace(names: Names, tag: string, number: number): KeyPlace {
  return keyPlaceOf(names, names.key(tag, number));
}

/** Of the tenants' data key with this name. */
export function keyPlaceOf(names: Names, name: string): KeyPlace {
  return { name, context: textBytes(`epochly key ${name.slice(names.keys.length)}`) };
}
