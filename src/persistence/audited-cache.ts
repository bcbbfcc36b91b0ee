/** @module The cache of an epochly, whose invalidations stand in the audit log with what came of them. */

import { InferenceCache } from '../cache/inference-cache.ts';
import type { InferenceCacheOptions } from '../cache/inference-cache.ts';
import type { MaybePromise } from '../platform.ts';
import type { AuditEvent } from '../privacy/audit-logger.ts';

/** As whose the answers are kept of tenants that are not kept apart. */
const SHARED_TENANT = 'default';

export class AuditedCache extends InferenceCache {
  readonly #audit: (event: AuditEvent) => void;
  readonly #isolation: boolean;

  /** `isolation`: whether tenants have answers of their own. */
  constructor(options: InferenceCacheOptions, audit: (event: AuditEvent) => void, isolation: boolean) {
    super(options);
    this.#audit = audit;
    this.#isolation = isolation;
  }

  override invalidateModel(modelId: number): MaybePromise<void> {
    return this.#tell('model', modelId, { modelId }, super.invalidateModel(modelId));
  }

  /** Where tenants are not kept apart, forgets what is kept for all of them. */
  override invalidateTenant(tenant: string): MaybePromise<void> {
    let forgotten = super.invalidateTenant(tenant);
    if (!this.#isolation) {
      const both = Promise.all([forgotten, super.invalidateTenant(SHARED_TENANT)]);
      forgotten = both.then(() => undefined);
    }
    return this.#tell('tenant', '', { tenant }, forgotten);
  }

  #tell(
    what: 'model' | 'tenant',
    modelId: number | string,
    details: AuditEvent['details'],
    invalidated: MaybePromise<void>,
  ): MaybePromise<void> {
    const audit = (result: string, reason?: string): void =>
      this.#audit({ operation: `invalidate_${what}`, modelId, result, details: { ...details, reason } });
    if (!(invalidated instanceof Promise)) return audit('done');
    return invalidated.then(
      () => audit('done'),
      (error: unknown) => {
        audit('failed', (error as Error).message);
        throw error;
      },
    );
  }
}
