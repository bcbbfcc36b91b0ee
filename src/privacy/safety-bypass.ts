/** @module Settings that would let a wrong answer, or somebody else's, through. */

import type { InferenceConfigInit } from '../config.ts';
import type { SecurityFinding } from './security-result.ts';

/** Above this, relative to the largest value, outputs that differ visibly pass for equal; above the first, any do. */
const ABSURD_TOLERANCE = 0.1;
const LARGE_TOLERANCE = 0.01;
/** Calls that a baseline should be made of. */
const FEW_WARMUP_CALLS = 3;

/** Fields that are not there have their defaults, which are safe. */
export function findBypasses(
  { maxLevel = 2, enabled = true, compilation, cache, privacy, safety }: InferenceConfigInit,
  validatorsConfigured: boolean,
): readonly SecurityFinding[] {
  const findings: SecurityFinding[] = [];
  const critical = (message: string): void => void findings.push({ severity: 'critical', message });
  const warning = (message: string): void => void findings.push({ severity: 'warning', message });
  const level = enabled ? maxLevel : 0;
  const mode = privacy?.mode ?? cache?.privacyMode ?? 'ephemeral';

  if (privacy?.cacheTenantIsolation === false)
    critical('privacy.cacheTenantIsolation is off: one tenant may be given the answer to another. Turn it on.');
  if (privacy?.encryptAtRest === false && mode !== 'ephemeral')
    critical(
      'privacy.encryptAtRest is off: whoever can write to the store can put an answer there that is then served. Turn it on.',
    );
  if (mode === 'ephemeral' && ((cache?.l2Path ?? '') !== '' || (cache?.redisUrl ?? '') !== ''))
    warning('cache.l2Path or cache.redisUrl names a store that the mode ephemeral does not use.');

  const tolerance = compilation?.tolerance ?? 0;
  if (level >= 3 && tolerance > ABSURD_TOLERANCE)
    critical(`compilation.tolerance is ${tolerance}: nearly any answer is within it. Use 1e-3 or less.`);
  else if (level >= 3 && tolerance > LARGE_TOLERANCE)
    warning(
      `compilation.tolerance is ${tolerance}: answers that differ by a percent of the largest value are accepted.`,
    );
  if (level >= 4 && !validatorsConfigured)
    critical('maxLevel is 4, which admits lossy models, but no validator of the workload says what is still right.');
  if (level >= 3 && safety?.sampleRate === 0)
    critical('safety.sampleRate is 0: a faster path that goes wrong while it serves is never found. Use 0.01.');
  if (level >= 3 && (safety?.warmupTarget ?? FEW_WARMUP_CALLS) < FEW_WARMUP_CALLS)
    warning(`safety.warmupTarget is ${safety?.warmupTarget}: a baseline of so few calls says little.`);
  if (level >= 3 && compilation?.warmupRequests === 0)
    warning('compilation.warmupRequests is 0: a compiled model is called ready before it ran.');
  if (privacy?.auditLogEnabled === false) warning('privacy.auditLogEnabled is off: decisions leave no trace.');
  return findings;
}
