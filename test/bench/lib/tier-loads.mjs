/** What is asked of a tier, in the ways in which it is asked. A way has `get`, `put`, `putAll` and `kept`, see sqlite-ways.mjs. */

import { createHash } from 'node:crypto';

export const AT_ONCE = 64;

/** Keys as long as the caches' own. */
export const keyOf = (text) => createHash('sha256').update(text).digest('hex');

/** Keys that nobody had before: a cache puts what it did not have. */
export function keySource() {
  let made = 0;
  return (count) => Array.from({ length: count }, () => keyOf(`new ${made++}`));
}

/** What is there at once is not waited for. */
export const getOneByOne = ({ get }, keys) =>
  async function () {
    for (const key of keys) {
      const value = get(key);
      if (value instanceof Promise) await value;
    }
    return keys.length;
  };

export const getAtOnce = ({ get }, keys) =>
  async function () {
    for (let from = 0; from < keys.length; from += AT_ONCE)
      await Promise.all(keys.slice(from, from + AT_ONCE).map((key) => get(key)));
    return keys.length;
  };

/** Each is kept before the next one is put. */
export const putKeepingEach = ({ put, kept }, keys, value) =>
  async function () {
    for (const key of keys(AT_ONCE)) {
      await put(key, value);
      await kept();
    }
    return AT_ONCE;
  };

/** All are kept at the end. */
export const putOneByOne = ({ put, kept }, keys, value, count) =>
  async function () {
    for (const key of keys(count)) {
      const done = put(key, value);
      if (done instanceof Promise) await done;
    }
    await kept();
    return count;
  };

/** As many at once, all kept before the next ones are put. */
export const putAtOnce = ({ putAll }, keys, value, count) =>
  async function () {
    for (let put = 0; put < count; put += AT_ONCE) await putAll(keys(AT_ONCE).map((key) => [key, value]));
    return count;
  };

/** @throws where a way does not give back what it was given */
export async function fill(name, way, keys, value) {
  for (const key of keys) await way.put(key, value);
  await way.kept();
  for (const key of [keys[0], keys.at(-1)]) {
    const found = await way.get(key);
    if (found === undefined || Buffer.compare(found, value) !== 0) throw new Error(`${name} gave other bytes back.`);
  }
  if ((await way.get(keyOf('none'))) != null) throw new Error(`${name} found what nobody put.`);
}
