/** @module What is used of graphene-pk11, and one library for all who use it. */

import { KeyError } from '../../../src/key-error.ts';
import { MissingPeerError } from '../../../src/model-errors.ts';
import { resolvePeer } from '../resolve-peer.ts';

const NAME = 'graphene-pk11';
/** Versions that were seen to work. */
const VERSIONS = '>=2.3 <3';

export interface Pkcs11Cipher {
  /** Into `target`, of which it returns the part that is used. */
  once(data: Uint8Array, target: Uint8Array): Uint8Array;
}

export interface Pkcs11Key {
  getAttribute(names: { readonly valueLen: null }): { readonly valueLen: number };
  destroy(): void;
}

export interface Pkcs11Session {
  login(pin: string): void;
  close(): void;
  find(template: object): { readonly length: number; items(index: number): { toType<T>(): T } };
  generateKey(mechanism: unknown, template: object): Pkcs11Key;
  createCipher(algorithm: object, key: Pkcs11Key): Pkcs11Cipher;
  createDecipher(algorithm: object, key: Pkcs11Key): Pkcs11Cipher;
}

export interface Pkcs11Slot {
  /** Its number, little endian. */
  readonly handle: Uint8Array;
  getToken(): { readonly flags: number };
  open(flags: number): Pkcs11Session;
}

export interface Pkcs11Module {
  initialize(): void;
  getSlots(tokenPresent: boolean): { readonly length: number; items(index: number): Pkcs11Slot };
}

export interface Pkcs11 {
  readonly Module: { load(path: string): Pkcs11Module };
  readonly SessionFlag: { readonly RW_SESSION: number; readonly SERIAL_SESSION: number };
  readonly TokenFlag: { readonly TOKEN_INITIALIZED: number };
  readonly ObjectClass: { readonly SECRET_KEY: number };
  readonly KeyType: { readonly AES: number };
  readonly KeyGenMechanism: { readonly AES: unknown };
  readonly AesGcm240Params: new (iv: Uint8Array, aad: Uint8Array, tagBits: number) => object;
}

/**
 * Libraries stay loaded and initialised: there is one to a process, whoever else uses it in there would lose it too, and it
 * does not say whether anybody does.
 */
const libraries = new Map<string, Pkcs11Module>();

/** @throws MissingPeerError where graphene-pk11 is not installed; KeyError where the library cannot be loaded. */
export function openPkcs11(library: string): { readonly pkcs11: Pkcs11; readonly module: Pkcs11Module } {
  const pkcs11 = loadPeer();
  let module = libraries.get(library);
  if (module === undefined) {
    try {
      module = pkcs11.Module.load(library);
      module.initialize();
    } catch (cause) {
      throw new KeyError(`The PKCS#11 library ${library} cannot be loaded.`, { cause });
    }
    libraries.set(library, module);
  }
  return { pkcs11, module };
}

function loadPeer(): Pkcs11 {
  const { require, path } = resolvePeer(NAME, VERSIONS);
  try {
    return require(path) as Pkcs11;
  } catch (cause) {
    throw new MissingPeerError(NAME, VERSIONS, { cause });
  }
}
