/** @module Which master keys the configuration means. */

import type { InferenceConfig } from '../config.ts';
import { ConfigError } from '../errors.ts';
import { KeyError } from '../key-error.ts';
import type { Platform } from '../platform.ts';
import type { Keyring, KeySource } from '../privacy/keyring.ts';

const DEFAULT_KEY_FILE = '~/.epochly/master.key';
const HSM_PIN = 'EPOCHLY_HSM_PIN';
/** What was the master key before, while its keys are being wrapped anew. */
const PREVIOUS_KEY = 'EPOCHLY_PREVIOUS_ENCRYPTION_KEY';

/** Keyrings, the one that wraps first. The caller closes those that were opened here. */
export interface MasterKeys {
  readonly keyring: Keyring;
  readonly previous: readonly Keyring[];
  /** Whether the browser made the key itself: where that is lost, nobody has it, and what it sealed is nothing any more. */
  readonly isBrowsersOwn: boolean;
}

/**
 * @throws KeyError where there is none, or it is no key
 * @throws ConfigError where nothing would be encrypted, and that was not said twice; or the configuration names no place
 */
export async function openMasterKeys(
  platform: Platform,
  { privacy }: InferenceConfig,
  given: KeySource | Keyring | undefined,
): Promise<MasterKeys> {
  if (!privacy.encryptAtRest) {
    if (!privacy.allowPlaintextAtRest)
      throw new ConfigError(
        'privacy.encrypt_at_rest',
        'privacy.encrypt_at_rest is false: answers would lie readable in the store. Set privacy.allow_plaintext_at_rest to true as well where that is meant.',
      );
    return { keyring: await platform.openKeyring('plaintext'), previous: [], isBrowsersOwn: false };
  }
  const source = given === undefined ? sourceOf(platform, privacy) : given;
  const keyring = await openKeyring(platform, source);
  const isBrowsersOwn = platform.name === 'browser' && 'kind' in source && ['browser', 'env'].includes(source.kind);
  if (given !== undefined || privacy.encryptionKeySource !== 'env' || (platform.env[PREVIOUS_KEY] ?? '') === '')
    return { keyring, previous: [], isBrowsersOwn };
  try {
    const previous = await platform.openKeyring({ kind: 'env', variable: PREVIOUS_KEY });
    return { keyring, previous: [previous], isBrowsersOwn };
  } catch (error) {
    await keyring.close();
    throw error;
  }
}

/** @throws KeyError where it is neither: what it is instead may be the key, and is not said. */
export async function openKeyring(platform: Platform, source: KeySource | Keyring): Promise<Keyring> {
  const given: unknown = source;
  if (typeof given === 'object' && given !== null) {
    if ('kind' in given && typeof given.kind === 'string') return platform.openKeyring(source as KeySource);
    if ('openKey' in given && typeof given.openKey === 'function') return source as Keyring;
  }
  throw new KeyError(
    "The encryption key is neither a source, such as { kind: 'bytes', bytes }, nor a keyring of openKeyring(). What was given is not shown.",
    { reason: 'malformed' },
  );
}

function sourceOf(platform: Platform, privacy: InferenceConfig['privacy']): KeySource {
  const { encryptionKeySource: kind, encryptionKeyPath: path, createEncryptionKey: create } = privacy;
  switch (kind) {
    case 'env':
      return { kind };
    case 'file':
      return { kind, path: path === '' ? DEFAULT_KEY_FILE : path, create };
    case 'browser':
      return { kind, database: path === '' ? undefined : path };
    case 'hsm': {
      if (path === '')
        throw new ConfigError(
          'privacy.encryption_key_path',
          'With the key source hsm, privacy.encryption_key_path is the PKCS#11 library.',
        );
      const pin = platform.env[HSM_PIN];
      if (pin === undefined)
        throw new ConfigError(HSM_PIN, `With the key source hsm, the variable ${HSM_PIN} holds the PIN of the token.`);
      return { kind, library: path, pin, create };
    }
  }
}
