/**
 * @module Bytes that every keyring makes of the same master key and the same random numbers. All but texts are hexadecimal digits.
 */

export interface KeyVectors {
  readonly master: string;
  /** Of a keyring that has the master key's bytes. */
  readonly keyId: string;
  /** What the data key is wrapped for. */
  readonly context: string;
  readonly dataKey: string;
  readonly wrapped: string;
  readonly hashes: readonly { readonly message: string; readonly hash: string }[];
  readonly seals: readonly {
    readonly nonce: string;
    readonly plaintext: string;
    readonly aad: string;
    readonly sealed: string;
  }[];
}

export const KEY_VECTORS: KeyVectors = {
  master: '000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f',
  keyId: '524f01df0a23b4c8',
  context: 'epochly key 0123456789abcdef0123456789abcdef/00000000',
  dataKey: '202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f',
  wrapped:
    '505152535455565758595a5bb2061457c0759fc1749f174ee1ccadfad31ecfd81644ac151cb0dae0cc7dab4b1e94f6276edbd5f12d1bb8340815d159',
  hashes: [
    { message: '', hash: '128561485e4ff1cf1391e0e22f453b7344ad35df99417b987a1ac61a7cc46833' },
    { message: 'message', hash: '13620325816aa739ab0edcbd2d40cd922fc43f9b90d1223c5e1a594c7ac0fbb7' },
  ],
  seals: [
    {
      nonce: '606162636465666768696a6b',
      plaintext: '',
      aad: '',
      sealed: '606162636465666768696a6b9fb0587958914ec4bdb086de61ed478a',
    },
    {
      nonce: '707172737475767778797a7b',
      plaintext: 'the answer',
      aad: 'what is authenticated',
      sealed: '707172737475767778797a7bd84ebd4eb1bff6887936156f530c00ce19121f4ecb09428a1405',
    },
  ],
};

export function fromHex(digits: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length: digits.length / 2 }, (_, i) => Number.parseInt(digits.slice(2 * i, 2 * i + 2), 16));
}

export function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
