/** @module Names of tenants in front of keys. */

import { ConfigError } from '../errors.ts';

const VARIABLE = 'EPOCHLY_TENANT_ID';

/** Keeps the keys of one tenant apart from those of all others, whatever the ids and the keys are. */
export class TenantIsolation {
  readonly tenantId: string;
  readonly #prefix: string;

  /**
   * @param tenantId Default 'default'.
   * @throws TypeError where it is no string.
   * @throws RangeError where it is empty, or holds half of a surrogate pair, which in UTF-8 would be any other half.
   */
  constructor(tenantId = 'default') {
    if (typeof tenantId !== 'string') throw new TypeError(`A tenant's id is a string, not a ${typeof tenantId}.`);
    if (tenantId === '') throw new RangeError("A tenant's id is not empty. Leave it out for the default tenant.");
    if (/\p{Surrogate}/u.test(tenantId))
      throw new RangeError(`A tenant's id is well-formed Unicode: ${JSON.stringify(tenantId)} is not.`);
    this.tenantId = tenantId;
    this.#prefix = `${escapeTenant(tenantId)}:`;
  }

  /**
   * The tenant of this process, from `EPOCHLY_TENANT_ID`; 'default' where it is not set. One that is set and empty is an
   * error, since whoever sets it means to be apart.
   *
   * @throws ConfigError naming the variable.
   */
  static fromEnv(env: Readonly<Record<string, string | undefined>>): TenantIsolation {
    try {
      return new TenantIsolation(env[VARIABLE]);
    } catch (cause) {
      throw new ConfigError(
        VARIABLE,
        `The environment variable ${VARIABLE} is no tenant's id: ${JSON.stringify(env[VARIABLE])}. Unset it for the default tenant.`,
        { cause },
      );
    }
  }

  /**
   * The key behind the tenant's id and a colon. A colon in the id is written as %3A and a percent sign as %25, so that the
   * first colon ends the id: two tenants, or two keys, never give the same.
   */
  namespaceKey(key: string): string {
    return this.#prefix + key;
  }
}

function escapeTenant(tenantId: string): string {
  return tenantId.replace(/[%:]/g, (character) => (character === '%' ? '%25' : '%3A'));
}
