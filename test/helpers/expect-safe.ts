/** What holds of every fault, where each answer of a faster way is compared before the next call. */

import { expect } from 'vitest';
import { TOGETHER } from './meet-fault.ts';
import type { Meeting } from './meet-fault.ts';

export function expectSafe({ fault, found, reason, wrong, failed, error }: Meeting): void {
  const { name, appears, shows, fate, swaps } = fault;
  expect({ name, failed, error }).toEqual({ name, failed: 0, error: undefined });
  const canBeServed = appears === 'later' && shows === 'another answer';
  // Calls at one time are answered before the first of them is compared.
  expect(wrong).toBeLessThanOrEqual(canBeServed ? (swaps === true ? TOGETHER : 1) : 0);
  // What costs time or memory only, and not from the start, harms no answer.
  if (appears === 'later' && shows === 'nothing in answers') return;
  expect({ name, found }).not.toEqual({ name, found: 'no' });
  expect(reason).not.toBe('');
  // What comes later has to come while it is in use.
  if (appears === 'later') expect({ name, found }).not.toEqual({ name, found: 'in the trial' });
  if (appears === 'at the start' && fate !== undefined) expect(found).toBe('in the trial');
}
