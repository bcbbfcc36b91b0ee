/** @module WebCrypto, where a page has it. */

import { KeyError } from '../../../src/key-error.ts';

/** @throws KeyError on an insecure origin, where browsers withhold it. */
export function requireSubtle(): SubtleCrypto {
  const subtle = globalThis.crypto?.subtle as SubtleCrypto | undefined;
  if (subtle === undefined)
    throw new KeyError(
      'Nothing can be sealed here, and the cache stays in memory: browsers have WebCrypto only on secure origins. Serve the page by HTTPS, or from localhost.',
    );
  return subtle;
}

/** WebCrypto copies what it is given before the call returns. It takes no shared memory, which the type cannot tell. */
export function source(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return bytes as Uint8Array<ArrayBuffer>;
}

/** Whether WebCrypto says, in the only way it has, that something does not authenticate. */
export function isOperationError(error: unknown): boolean {
  return error instanceof DOMException && error.name === 'OperationError';
}
