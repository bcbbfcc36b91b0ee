/** @module What security checks find. */

import { EpochlyError } from '../errors.ts';

/** 'warning': worth knowing, but nothing that must not be. 'critical': it must not be so. */
export type SecuritySeverity = 'info' | 'warning' | 'critical';

/** What one check found. */
export interface SecurityCheckResult {
  readonly passed: boolean;
  /** 'cache_isolation', 'privacy_controls', 'safety_bypass_resistance' or 'input_size'. */
  readonly check: string;
  /** 'critical' where it did not pass. */
  readonly severity: SecuritySeverity;
  /** One sentence or more: what was found, and what to do. */
  readonly message: string;
  readonly details: Readonly<Record<string, unknown>>;
}

/** What all checks found together. */
export interface SecurityReport {
  readonly passed: boolean;
  readonly results: readonly SecurityCheckResult[];
  /** The names of the checks that did not pass. */
  readonly failed: readonly string[];
}

/** Security checks did not pass, and the validator is strict. */
export class SecurityError extends EpochlyError {
  override readonly name: string = 'SecurityError';
  /** Those that did not pass. */
  readonly results: readonly SecurityCheckResult[];

  constructor(results: readonly SecurityCheckResult[]) {
    super(
      'SECURITY',
      `Security checks failed. ${results.map(({ check, message }) => `${check}: ${message}`).join(' ')}`,
    );
    this.results = results;
  }
}

/** One thing that a check found. */
export interface SecurityFinding {
  readonly severity: 'warning' | 'critical';
  readonly message: string;
}

/** The result of a check that passes unless one of its findings is critical. */
export function resultOf(
  check: string,
  findings: readonly SecurityFinding[],
  fine: string,
  details: Readonly<Record<string, unknown>> = {},
): SecurityCheckResult {
  const passed = !findings.some(({ severity }) => severity === 'critical');
  const severity = !passed ? 'critical' : findings.length > 0 ? 'warning' : 'info';
  const message = findings.length === 0 ? fine : findings.map((finding) => finding.message).join(' ');
  return Object.freeze({ passed, check, severity, message, details: Object.freeze({ ...details }) });
}
