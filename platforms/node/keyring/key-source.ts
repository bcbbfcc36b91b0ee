/** @module Whether something says where a master key is. What does not may be the key itself, and is never repeated. */

import { KeyError } from '../../../src/key-error.ts';

const text = (value: unknown): boolean => typeof value === 'string';
const optionalText = (value: unknown): boolean => value === undefined || text(value);

/** What each kind must have, and what it is. */
const KINDS: Readonly<
  Record<string, readonly (readonly [name: string, is: (value: unknown) => boolean, what: string])[]>
> = {
  env: [['variable', isVariable, 'the name of an environment variable']],
  file: [['path', text, 'the path of a file']],
  hsm: [
    ['library', text, 'the path of a PKCS#11 library'],
    ['pin', text, 'a string'],
    ['label', optionalText, 'a string'],
  ],
  bytes: [['bytes', isBytes, 'a Uint8Array']],
  browser: [],
};

/** @throws KeyError ('malformed') */
export function assertSource(source: unknown): void {
  const { kind } = (typeof source === 'object' && source !== null ? source : {}) as { readonly kind?: unknown };
  const parts = typeof kind === 'string' && Object.hasOwn(KINDS, kind) ? KINDS[kind] : undefined;
  if (parts === undefined)
    throw malformed(`A key source is an object whose kind is 'env', 'file', 'hsm' or 'bytes', and not the key itself.`);
  for (const [name, is, what] of parts)
    if (!is((source as Readonly<Record<string, unknown>>)[name]))
      throw malformed(`In a key source '${String(kind)}' ${name} is ${what}.`);
}

function malformed(message: string): KeyError {
  return new KeyError(message, { reason: 'malformed' });
}

/** A key has 32 bytes: in hexadecimal digits 64 characters, which could be a name. */
function isVariable(value: unknown): boolean {
  return value === undefined || (text(value) && /^(?![0-9a-f]{64}$)[a-z_][\w]*$/i.test(value as string));
}

function isBytes(value: unknown): boolean {
  return ArrayBuffer.isView(value) && (value as Partial<Uint8Array>)[Symbol.toStringTag] === 'Uint8Array';
}
