/** A Web Worker that opens the keyring of the same origin, wraps a key with it, and says what the key that it is sent hashes to. */

import { openBrowserKeyring } from '../../../platforms/browser/keyring/open-keyring.ts';

const opened = openBrowserKeyring({ database: self.name });
const context = new TextEncoder().encode('a context');

addEventListener('message', ({ data }) => void use(data as Uint8Array));

async function use(wrapped: Uint8Array): Promise<void> {
  try {
    const keyring = await opened;
    const hash = await (await keyring.openKey(wrapped, context)).hash(context);
    postMessage({ hash, id: keyring.id, wrapped: await keyring.newKey(context) });
  } catch (error) {
    postMessage({ error: String(error) });
  }
}
