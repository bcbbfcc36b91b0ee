/** @module A master key in a hardware security module: an AES key that never leaves it, used through PKCS#11 (OASIS, 2.40). */

import { Buffer } from 'node:buffer';
import { createHash, randomBytes } from 'node:crypto';
import { ClosedError } from '../../../src/errors.ts';
import { KeyError } from '../../../src/key-error.ts';
import { KEY_BYTES, KEY_ID_INFO, NONCE_BYTES, TAG_BYTES } from '../../../src/privacy/key-format.ts';
import type { KeySource } from '../../../src/privacy/keyring.ts';
import type { MasterKey } from './node-keyring.ts';
import { openPkcs11 } from './pkcs11.ts';
import type { Pkcs11, Pkcs11Key, Pkcs11Module, Pkcs11Session, Pkcs11Slot } from './pkcs11.ts';

export type HsmSource = Extract<KeySource, { readonly kind: 'hsm' }>;

/** What a token says where a session, or what it held, is gone: after a pause, a restart, a card pulled out. */
const SESSION_LOST: readonly number[] = [
  0x60, // CKR_KEY_HANDLE_INVALID
  0x82, // CKR_OBJECT_HANDLE_INVALID
  0xb0, // CKR_SESSION_CLOSED
  0xb3, // CKR_SESSION_HANDLE_INVALID
  0x101, // CKR_USER_NOT_LOGGED_IN
];
/** What it says of itself, and not of what it was to decrypt. */
const OUT_OF_ORDER: readonly number[] = [
  0x02, // CKR_HOST_MEMORY
  0x30, // CKR_DEVICE_ERROR
  0x31, // CKR_DEVICE_MEMORY
  0x32, // CKR_DEVICE_REMOVED
  0xe0, // CKR_TOKEN_NOT_PRESENT
  0x190, // CKR_CRYPTOKI_NOT_INITIALIZED
];
const ALREADY_LOGGED_IN = 0x100;
const PIN_ERRORS: Readonly<Record<number, string>> = {
  0xa0: 'is wrong. Tokens lock themselves after a few wrong ones',
  0xa1: 'holds characters that the token does not take',
  0xa2: 'is of a length that the token does not take',
  0xa3: 'has expired',
  0xa4: 'is locked after too many wrong ones: the security officer can set a new one',
  0x102: 'was never set',
};
interface Connection {
  readonly session: Pkcs11Session;
  readonly key: Pkcs11Key;
}

/** Finds the key, or makes it where that is asked for. @throws KeyError, MissingPeerError */
export function openHsmMasterKey(source: HsmSource): MasterKey {
  const master = new HsmMasterKey(source);
  try {
    return { id: master.id(), seal: master.seal, open: master.open, close: master.close };
  } catch (error) {
    master.close();
    throw error;
  }
}

class HsmMasterKey {
  readonly #source: HsmSource;
  readonly #pkcs11: Pkcs11;
  readonly #module: Pkcs11Module;
  #connection: Connection | undefined;
  #closed = false;

  constructor(source: HsmSource) {
    this.#source = source;
    const { pkcs11, module } = openPkcs11(source.library);
    this.#pkcs11 = pkcs11;
    this.#module = module;
    this.#connection = this.#connect(source.create === true);
  }

  /**
   * SHA-256 over what the key makes of a constant under a nonce of its own, cut to 16 digits: it holds wherever the key is moved
   * to, and a token need be able to do nothing else for it. The nonce is no random one but by a chance of 2^-96.
   */
  id(): string {
    const info = Buffer.from(KEY_ID_INFO);
    const sealed = this.seal(info.subarray(0, NONCE_BYTES), info, info);
    return createHash('sha256').update(sealed).digest('hex').slice(0, 16);
  }

  readonly seal = (nonce: Uint8Array, plaintext: Uint8Array, aad: Uint8Array): Uint8Array => {
    const sealed = new Uint8Array(NONCE_BYTES + plaintext.length + TAG_BYTES);
    sealed.set(nonce);
    this.#use(({ session, key }) => {
      const cipher = session.createCipher(this.#gcm(nonce, aad), key);
      const target = Buffer.alloc(plaintext.length + TAG_BYTES);
      sealed.set(cipher.once(Buffer.from(plaintext), target), NONCE_BYTES);
    });
    return sealed;
  };

  readonly open = (sealed: Uint8Array, aad: Uint8Array): Uint8Array | undefined => {
    const nonce = sealed.subarray(0, NONCE_BYTES);
    const ciphertext = sealed.subarray(NONCE_BYTES);
    return this.#use(({ session, key }) => {
      const decipher = session.createDecipher(this.#gcm(nonce, aad), key);
      // A token may want room for the tag, which it drops.
      const target = Buffer.alloc(ciphertext.length);
      try {
        return new Uint8Array(decipher.once(Buffer.from(ciphertext), target));
      } catch (error) {
        // Which code says that it does not authenticate differs from token to token: one that opens nothing at all does not say it.
        if (SESSION_LOST.includes(codeOf(error)) || OUT_OF_ORDER.includes(codeOf(error))) throw error;
        if (!this.#canOpen({ session, key })) throw error;
        return undefined;
      } finally {
        target.fill(0);
      }
    });
  };

  /** Whether it opens what it sealed itself. */
  #canOpen({ session, key }: Connection): boolean {
    const nothing = Buffer.alloc(0);
    const nonce = randomBytes(NONCE_BYTES);
    try {
      const sealed = session
        .createCipher(this.#gcm(nonce, nothing), key)
        .once(nonce, Buffer.alloc(NONCE_BYTES + TAG_BYTES));
      const target = Buffer.alloc(sealed.length);
      return nonce.equals(session.createDecipher(this.#gcm(nonce, nothing), key).once(sealed, target));
    } catch {
      return false;
    }
  }

  readonly close = (): void => {
    this.#closed = true;
    this.#disconnect();
  };

  /** Once more where the session is gone, in a new one. */
  #use<T>(task: (connection: Connection) => T): T {
    if (this.#closed) throw new ClosedError('The keyring is closed.');
    for (let again = false; ; again = true) {
      try {
        this.#connection ??= this.#connect(false);
        return task(this.#connection);
      } catch (cause) {
        if (cause instanceof KeyError) throw cause;
        if (again || !SESSION_LOST.includes(codeOf(cause)))
          throw new KeyError(`The token cannot use the key: ${textOf(cause)}.`, { cause });
        this.#disconnect();
      }
    }
  }

  #connect(create: boolean): Connection {
    const session = this.#openSession();
    try {
      this.#login(session);
      const key = this.#findKey(session) ?? (create ? this.#makeKey(session) : undefined);
      if (key === undefined)
        throw new KeyError(
          `The token has no AES key labelled '${this.#label}'. Let it be made with create: true, or make it with the token's own tools.`,
          { reason: 'missing' },
        );
      return { session, key };
    } catch (cause) {
      close(session);
      throw cause instanceof KeyError ? cause : new KeyError(`The token failed: ${textOf(cause)}.`, { cause });
    }
  }

  #disconnect(): void {
    if (this.#connection !== undefined) close(this.#connection.session);
    this.#connection = undefined;
  }

  #openSession(): Pkcs11Session {
    try {
      const { RW_SESSION, SERIAL_SESSION } = this.#pkcs11.SessionFlag;
      return this.#findSlot().open(SERIAL_SESSION | RW_SESSION);
    } catch (cause) {
      throw cause instanceof KeyError
        ? cause
        : new KeyError(`The token cannot be opened: ${textOf(cause)}.`, { cause });
    }
  }

  #findSlot(): Pkcs11Slot {
    const found = this.#module.getSlots(true);
    const slots = Array.from({ length: found.length }, (_, i) => found.items(i));
    const { slot: number } = this.#source;
    const slot =
      number === undefined
        ? slots.find((each) => (each.getToken().flags & this.#pkcs11.TokenFlag.TOKEN_INITIALIZED) !== 0)
        : slots.find((each) => numberOf(each) === number);
    if (slot !== undefined) return slot;
    const there = slots.map(numberOf).join(', ');
    throw new KeyError(
      number === undefined
        ? 'No slot of the PKCS#11 library has a token that was initialised.'
        : `The PKCS#11 library has no token in slot ${number}. It has some in: ${there || 'none'}.`,
    );
  }

  #login(session: Pkcs11Session): void {
    try {
      session.login(this.#source.pin);
    } catch (cause) {
      const code = codeOf(cause);
      // By another session: a process is logged in to a token or not.
      if (code === ALREADY_LOGGED_IN) return;
      const what = PIN_ERRORS[code];
      if (what === undefined) throw cause;
      throw new KeyError(`The PIN of the token ${what}.`, { reason: 'wrong', cause });
    }
  }

  #findKey(session: Pkcs11Session): Pkcs11Key | undefined {
    const keys = this.#listKeys(session);
    if (keys.length > 1)
      throw new KeyError(
        `The token has ${keys.length} AES keys labelled '${this.#label}', and which is meant cannot be told. Name another label.`,
      );
    const [key] = keys;
    const length = key?.getAttribute({ valueLen: null }).valueLen ?? KEY_BYTES;
    if (length !== KEY_BYTES)
      throw new KeyError(
        `The token's key labelled '${this.#label}' is one of ${8 * length} bits, and 256 are needed. Name another label.`,
        { reason: 'malformed' },
      );
    return key;
  }

  /** Nothing in PKCS#11 keeps two processes from making one each: whoever sees another beside its own takes its own away. */
  #makeKey(session: Pkcs11Session): Pkcs11Key {
    const key = session.generateKey(this.#pkcs11.KeyGenMechanism.AES, {
      ...this.#template(),
      valueLen: KEY_BYTES,
      token: true,
      private: true,
      sensitive: true,
      extractable: false,
      modifiable: false,
      encrypt: true,
      decrypt: true,
      wrap: false,
      unwrap: false,
      sign: false,
      verify: false,
      derive: false,
    });
    if (this.#listKeys(session).length === 1) return key;
    key.destroy();
    throw new KeyError(`Another process made the key '${this.#label}' at the same time. Open the keyring again.`);
  }

  #listKeys(session: Pkcs11Session): readonly Pkcs11Key[] {
    const found = session.find(this.#template());
    return Array.from({ length: found.length }, (_, i) => found.items(i).toType<Pkcs11Key>());
  }

  #template(): object {
    const { ObjectClass, KeyType } = this.#pkcs11;
    return { class: ObjectClass.SECRET_KEY, keyType: KeyType.AES, label: this.#label };
  }

  get #label(): string {
    return this.#source.label ?? 'epochly';
  }

  #gcm(nonce: Uint8Array, aad: Uint8Array): object {
    const params = new this.#pkcs11.AesGcm240Params(Buffer.from(nonce), Buffer.from(aad), 8 * TAG_BYTES);
    return { name: 'AES_GCM', params };
  }
}

/** A session that is gone already says so, which is as well. */
function close(session: Pkcs11Session): void {
  try {
    session.close();
  } catch {
    return;
  }
}

function numberOf(slot: Pkcs11Slot): number {
  return slot.handle.reduceRight((number, byte) => number * 256 + byte, 0);
}

function codeOf(error: unknown): number {
  const { code } = error as { readonly code?: unknown };
  return typeof code === 'number' ? code : -1;
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
