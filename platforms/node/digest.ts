/** @module SHA-256 in Node. */

import * as crypto from 'node:crypto';
import type { Digest } from '../../src/platform.ts';

/** A text of a hundred bytes takes longer to make, and more memory, than their hash does. */
const FASTER_FROM_BYTES = 96;

/** One call where Node has it (20.12), twice as fast on small inputs as a Hash object. */
export const digest: Digest & ((bytes: Uint8Array) => string) =
  typeof crypto.hash === 'function'
    ? Object.assign((bytes: Uint8Array) => crypto.hash('sha256', bytes, 'hex'), { fasterFromBytes: FASTER_FROM_BYTES })
    : (bytes) => crypto.createHash('sha256').update(bytes).digest('hex');
