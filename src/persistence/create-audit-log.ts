/** @module The audit log as it begins: in memory. Loaded with the first thing that is logged. */

import type { InferenceConfig } from '../config.ts';
import type { Clock } from '../platform.ts';
import { AuditLogger } from '../privacy/audit-logger.ts';
import type { BuiltInPattern } from '../privacy/built-in-patterns.ts';
import type { InputRedactor } from '../privacy/input-redactor.ts';

/** @throws ConfigError naming a pattern of what is to be redacted, and why it is refused */
export async function createAuditLog(config: InferenceConfig, clock: Clock): Promise<AuditLogger> {
  return new AuditLogger({ clock, redactor: await createRedactor(config) });
}

/** Undefined where the configuration has no patterns. @throws ConfigError naming the pattern, and why it is refused */
export async function createRedactor({ privacy }: InferenceConfig): Promise<InputRedactor | undefined> {
  const { redactPatterns: patterns, redactBuiltIns } = privacy;
  if (patterns.length === 0 && redactBuiltIns.length === 0) return undefined;
  const { InputRedactor } = await import('../privacy/input-redactor.ts');
  return new InputRedactor({ patterns, builtIns: redactBuiltIns as readonly BuiltInPattern[] });
}
