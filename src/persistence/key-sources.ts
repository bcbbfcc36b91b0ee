/** @module Which master keys the configuration means. */

import type { InferenceConfig } from '../config.ts';
import { ConfigError } from '../errors.ts';
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
    return { keyring: await platform.openKeyring('plaintext'), previous: [] };
  }
  const source = given ?? sourceOf(platform, privacy);
  const keyring = await openKeyring(platform, source);
  if (given !== undefined || privacy.encryptionKeySource !== 'env' || (platform.env[PREVIOUS_KEY] ?? '') === '')
    return { keyring, previous: [] };
  return { keyring, previous: [await platform.openKeyring({ kind: 'env', variable: PREVIOUS_KEY })] };
}

export async function openKeyring(platform: Platform, source: KeySource | Keyring): Promise<Keyring> {
  return 'kind' in source ? platform.openKeyring(source) : source;
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
