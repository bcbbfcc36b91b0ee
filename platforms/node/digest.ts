/** @module SHA-256 in Node. */

import * as crypto from 'node:crypto';

/** One call where Node has it (20.12), twice as fast on small inputs as a Hash object. */
export const digest: (bytes: Uint8Array) => string =
  typeof crypto.hash === 'function'
    ? (bytes) => crypto.hash('sha256', bytes, 'hex')
    : (bytes) => crypto.createHash('sha256').update(bytes).digest('hex');
