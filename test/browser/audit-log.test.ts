import { expect, test, vi } from 'vitest';
import { onEnding } from '../../platforms/browser/on-ending.ts';
import { MemoryStore } from '../../src/cache/memory-store.ts';
import { AuditChain } from '../../src/privacy/audit-chain.ts';
import { AuditLogger } from '../../src/privacy/audit-logger.ts';
import { StoredAuditStorage } from '../../src/privacy/audit-storage.ts';
import { verifyAuditLog } from '../../src/privacy/audit-verify.ts';
import type { DataKey } from '../../src/privacy/keyring.ts';

const bytesOf = (value: Uint8Array): Uint8Array<ArrayBuffer> => new Uint8Array(value);

/** A data key by WebCrypto, which answers later. */
async function createDataKey(): Promise<DataKey> {
  const sealing = await crypto.subtle.generateKey({ name: 'AES-GCM', length: 256 }, false, ['encrypt', 'decrypt']);
  const hashing = await crypto.subtle.generateKey({ name: 'HMAC', hash: 'SHA-256' }, false, ['sign']);
  return {
    async seal(plaintext, aad) {
      const iv = crypto.getRandomValues(new Uint8Array(12));
      const parameters = { name: 'AES-GCM', iv, additionalData: bytesOf(aad) };
      return new Uint8Array([
        ...iv,
        ...new Uint8Array(await crypto.subtle.encrypt(parameters, sealing, bytesOf(plaintext))),
      ]);
    },
    async open(sealed, aad) {
      const parameters = { name: 'AES-GCM', iv: bytesOf(sealed.subarray(0, 12)), additionalData: bytesOf(aad) };
      return crypto.subtle.decrypt(parameters, sealing, bytesOf(sealed.subarray(12))).then(
        (plain) => new Uint8Array(plain),
        () => undefined,
      );
    },
    hash: async (message) => new Uint8Array(await crypto.subtle.sign('HMAC', hashing, bytesOf(message))),
  };
}

test('the audit log is written and verified with keys that no script can read', async () => {
  const [storage, key] = [new StoredAuditStorage(new MemoryStore()), await createDataKey()];
  const logger = new AuditLogger({ sink: new AuditChain({ storage, key, maxFileBytes: 20_000 }) });
  for (let n = 0; n < 300; n++) logger.logEvent({ operation: 'gate', modelId: n, result: 'allowed' });
  await logger.flush();
  expect(await logger.verify()).toMatchObject({ intact: true, entries: 300, chains: [{ unsealedLines: 0 }] });
  await logger.close();

  const name = (await storage.list()).find((each) => each.endsWith('.jsonl')) as string;
  const text = new TextDecoder().decode(await storage.read(name));
  await storage.remove(name);
  await storage.append(name, 0, new TextEncoder().encode(text.replace('"model_id":7,', '"model_id":8,')));
  expect(await verifyAuditLog(storage, key)).toMatchObject({
    intact: false,
    faults: [{ kind: 'line_changed', line: 9 }],
  });
});

test('what waits is written when the page is hidden or left, until that is ended', () => {
  const log = { flush: vi.fn(() => Promise.reject(new Error('full'))) };
  const visibility = vi.spyOn(document, 'visibilityState', 'get').mockReturnValue('visible');
  const flushing = onEnding(() => log.flush());
  document.dispatchEvent(new Event('visibilitychange'));
  expect(log.flush).not.toHaveBeenCalled();
  visibility.mockReturnValue('hidden');
  document.dispatchEvent(new Event('visibilitychange'));
  expect(log.flush).toHaveBeenCalledTimes(1);
  dispatchEvent(new Event('pagehide'));
  expect(log.flush).toHaveBeenCalledTimes(2);
  flushing[Symbol.dispose]();
  document.dispatchEvent(new Event('visibilitychange'));
  dispatchEvent(new Event('pagehide'));
  expect(log.flush).toHaveBeenCalledTimes(2);
  visibility.mockRestore();
});
