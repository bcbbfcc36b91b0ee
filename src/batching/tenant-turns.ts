/** @module Tenants take turns (start-time fair queueing: Goyal, Vin, Cheng, 1997), in all queues of one model alike. */

import { RequestPriority } from '../call.ts';
import type { BatchRequest } from './request.ts';

export const PRIORITIES: readonly RequestPriority[] = Object.values(RequestPriority);
/** So many tenants are remembered before those are looked for whose turns are over. */
const FEW_TENANTS = 64;

export interface Turn {
  readonly request: BatchRequest;
  /** The tenant's virtual time at which it starts: rows served so far to a tenant that always waits. */
  readonly start: number;
  readonly order: number;
}

interface Tenant {
  /** The virtual time at which its turns so far are over. */
  finish: number;
  waiting: number;
}

/** Whose turn it is among tenants, of one priority. */
export class ClassTurns {
  readonly #tenants = new Map<string, Tenant>();
  /** Tenants whose requests wait. */
  #active = 0;
  #virtualTime = 0;
  #order = 0;
  #forgetAt = FEW_TENANTS;

  /** Tenants of whom something is remembered. */
  get tenants(): number {
    return this.#tenants.size;
  }

  come(request: BatchRequest): Turn {
    let tenant = this.#tenants.get(request.tenant);
    if (tenant === undefined) {
      if (this.#tenants.size >= this.#forgetAt) this.#forgetServed();
      this.#tenants.set(request.tenant, (tenant = { finish: 0, waiting: 0 }));
    }
    if (tenant.waiting++ === 0) this.#active++;
    const start = Math.max(this.#virtualTime, tenant.finish);
    tenant.finish = start + request.rows;
    return { request, start, order: this.#order++ };
  }

  /** The time goes on by a row when each who waits has had one: those who come anew, however many, begin no earlier. */
  served({ request, start }: Turn): void {
    this.#virtualTime = Math.max(start, this.#virtualTime + request.rows / this.#active);
    this.left(request);
  }

  left(request: BatchRequest): void {
    const tenant = this.#tenants.get(request.tenant) as Tenant;
    if (--tenant.waiting === 0) this.#active--;
    // Nobody waits: nobody is owed anything.
    if (this.#active === 0) this.#tenants.clear();
  }

  /** Those whose turns are over stand where everybody stands who comes anew. */
  #forgetServed(): void {
    for (const [name, { finish, waiting }] of this.#tenants) {
      if (waiting === 0 && finish <= this.#virtualTime) this.#tenants.delete(name);
    }
    this.#forgetAt = Math.max(FEW_TENANTS, 2 * this.#tenants.size);
  }
}

/** Whose turn it is among tenants, in all queues of one model. */
export class TenantTurns {
  readonly classes: readonly ClassTurns[] = PRIORITIES.map(() => new ClassTurns());
}

export function isBefore(a: Turn, b: Turn): boolean {
  return a.start < b.start || (a.start === b.start && a.order < b.order);
}
