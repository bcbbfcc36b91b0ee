/** @module The cache of an epochly, whose invalidations stand in the audit log with what came of them. */

import { InferenceCache } from '../cache/inference-cache.ts';
import type { InferenceCacheOptions } from '../cache/inference-cache.ts';
import type { MaybePromise } from '../platform.ts';
import type { AuditEvent } from '../privacy/audit-logger.ts';

/** As whose the answers are kept of tenants that are not kept apart. */
const SHARED_TENANT = 'default';

export interface AuditedCacheOptions extends Omit<InferenceCacheOptions, 'onInvalidated'> {
  readonly audit: (event: AuditEvent) => void;
  /** Whether tenants have answers of their own. */
  readonly isolation: boolean;
}

export class AuditedCache extends InferenceCache {
  readonly #audit: (event: AuditEvent) => void;
  readonly #isolation: boolean;

  constructor({ audit, isolation, ...options }: AuditedCacheOptions) {
    super(options);
    this.#audit = audit;
    this.#isolation = isolation;
  }

  override invalidateModel(modelId: number): MaybePromise<void> {
    const event = { operation: 'invalidate_model', modelId };
    return this.#tell(event, { modelId }, super.invalidateModel(modelId));
  }

  /** Where tenants are not kept apart, forgets what is kept for all of them. */
  override invalidateTenant(tenant: string): MaybePromise<void> {
    const tenants = this.#isolation || tenant === SHARED_TENANT ? [tenant] : [tenant, SHARED_TENANT];
    const forgotten = tenants.map((each) => super.invalidateTenant(each));
    const all = forgotten.some((each) => each instanceof Promise) ? Promise.all(forgotten).then(noValue) : undefined;
    return this.#tell({ operation: 'invalidate_tenant', modelId: '' }, { tenant }, all);
  }

  #tell(
    event: Pick<AuditEvent, 'operation' | 'modelId'>,
    details: Readonly<Record<string, unknown>>,
    invalidated: MaybePromise<void>,
  ): MaybePromise<void> {
    const succeed = (): void => this.#audit({ ...event, result: 'done', details });
    if (!(invalidated instanceof Promise)) return succeed();
    return invalidated.then(succeed, (error: unknown) => {
      const reason = error instanceof Error ? error.message : String(error);
      this.#audit({ ...event, result: 'failed', details: { ...details, reason } });
      throw error;
    });
  }
}

function noValue(): void {}
