/** @module Checks at start and of inputs: whether what must hold does. */

import type { InferenceConfigInit, PrivacyConfig } from '../config.ts';
import type { Portable } from '../portable.ts';
import { findBreaches } from './cache-isolation.ts';
import type { KeyedCache, TenantCache } from './cache-isolation.ts';
import { inputSize } from './input-size.ts';
import { findBypasses } from './safety-bypass.ts';
import { resultOf, SecurityError } from './security-result.ts';
import type { SecurityCheckResult, SecurityFinding, SecurityReport } from './security-result.ts';

/** Limits of the checks; each has a default. */
export interface SecurityValidatorOptions {
  /** Largest input, in bytes. Default 10,485,760 (10 MiB). */
  readonly maxInputSizeBytes?: number | undefined;
  /** Whether `runAllChecks` throws where a check did not pass. Default false. */
  readonly strict?: boolean | undefined;
}

/** What a privacy mode needs. */
export interface PrivacyControls {
  readonly privacyMode: PrivacyConfig['mode'];
  /** Whether there is a master key. */
  readonly encryptionKeyPresent: boolean;
  /** Whether what is kept is encrypted: without that no key is needed. Default true. */
  readonly encryptAtRest?: boolean | undefined;
  /** Whether there are patterns of what must not be kept. */
  readonly redactionPatternsConfigured: boolean;
}

export interface BypassOptions {
  /** Whether the workload's validators say what a right answer is. Default false. */
  readonly validatorsConfigured?: boolean | undefined;
}

/** What all checks at start look at. */
export interface AllChecks extends PrivacyControls, BypassOptions {
  /** An InferenceCache, or any that keeps tenants apart; without one there is nothing to try. */
  readonly cache?: TenantCache | KeyedCache | undefined;
  readonly config: InferenceConfigInit;
}

/** A check passes where it finds nothing critical; warnings are in its message. */
export class SecurityValidator {
  readonly maxInputSizeBytes: number;
  readonly strict: boolean;

  /** @throws RangeError where maxInputSizeBytes is no whole number from 1. */
  constructor({ maxInputSizeBytes = 10_485_760, strict = false }: SecurityValidatorOptions = {}) {
    if (!Number.isSafeInteger(maxInputSizeBytes) || maxInputSizeBytes < 1)
      throw new RangeError(`maxInputSizeBytes is a whole number from 1, not ${maxInputSizeBytes}.`);
    this.maxInputSizeBytes = maxInputSizeBytes;
    this.strict = strict;
  }

  /**
   * Puts values under tenants and keys that imitate each other, reads them as others, and removes them. A cache that fails
   * does not pass.
   */
  async checkCacheIsolation(cache: TenantCache | KeyedCache): Promise<SecurityCheckResult> {
    const check = 'cache_isolation';
    const fine = 'No tenant could read another one’s entries.';
    try {
      const breaches = await findBreaches(cache);
      const [first] = breaches;
      if (first === undefined) return resultOf(check, [], fine);
      const message =
        `Tenant ${JSON.stringify(first.tenant)} was given, for the key ${JSON.stringify(first.key)}, ` +
        `what tenant ${JSON.stringify(first.owner.tenant)} had put for ${JSON.stringify(first.owner.key)}. Do not use this cache.`;
      return resultOf(check, [{ severity: 'critical', message }], fine, { breaches: breaches.slice(0, 20) });
    } catch (error) {
      const message = `The cache could not be tried: ${error instanceof Error ? error.message : String(error)}`;
      return resultOf(check, [{ severity: 'critical', message }], fine, { error });
    }
  }

  /** Whether what the mode needs is there. */
  checkPrivacyControls(controls: PrivacyControls): SecurityCheckResult {
    const { privacyMode, encryptionKeyPresent, encryptAtRest = true, redactionPatternsConfigured } = controls;
    const findings: SecurityFinding[] = [];
    const modes: readonly string[] = ['ephemeral', 'persisted_encrypted', 'hashes_only'];
    if (!modes.includes(privacyMode))
      findings.push({ severity: 'critical', message: `There is no privacy mode ${JSON.stringify(privacyMode)}.` });
    else if (privacyMode !== 'ephemeral' && !encryptAtRest)
      findings.push({ severity: 'warning', message: 'What is kept is not encrypted: encryptAtRest is off.' });
    else if (privacyMode !== 'ephemeral' && !encryptionKeyPresent)
      findings.push({
        severity: 'critical',
        message: `The mode ${privacyMode} needs a master key, as in the environment variable EPOCHLY_ENCRYPTION_KEY.`,
      });
    if (privacyMode === 'persisted_encrypted' && !redactionPatternsConfigured)
      findings.push({
        severity: 'warning',
        message: 'Answers are kept whatever is in them, since there are no redaction patterns.',
      });
    return resultOf('privacy_controls', findings, `What the mode ${privacyMode} needs is there.`, { ...controls });
  }

  /** Whether no setting lets a wrong answer, or another tenant's, through. */
  checkSafetyBypassResistance(config: InferenceConfigInit, options: BypassOptions = {}): SecurityCheckResult {
    const findings = findBypasses(config, options.validatorsConfigured === true);
    return resultOf('safety_bypass_resistance', findings, 'No setting gets around a safeguard.', { findings });
  }

  /** Whether an input is no larger than it may be. Counted in place: nothing is copied. */
  checkInputSize(input: Portable): SecurityCheckResult {
    const max = this.maxInputSizeBytes;
    const size = inputSize(input, max);
    if (size <= max) return resultOf('input_size', [], `The input takes ${size} bytes.`, { bytes: size, max });
    const message = Number.isFinite(size)
      ? `The input takes more than ${max} bytes.`
      : 'The input is nested too deep to be a value that can be sent.';
    return resultOf('input_size', [{ severity: 'critical', message }], '', { max });
  }

  /**
   * Every check that can be made at start.
   * @throws SecurityError naming all checks that did not pass, where the validator is strict.
   */
  async runAllChecks({ cache, config, validatorsConfigured, ...controls }: AllChecks): Promise<SecurityReport> {
    const results = [
      ...(cache === undefined ? [] : [await this.checkCacheIsolation(cache)]),
      this.checkPrivacyControls(controls),
      this.checkSafetyBypassResistance(config, { validatorsConfigured }),
    ];
    const failed = results.filter(({ passed }) => !passed);
    if (this.strict && failed.length > 0) throw new SecurityError(failed);
    return Object.freeze({ passed: failed.length === 0, results, failed: failed.map(({ check }) => check) });
  }
}
