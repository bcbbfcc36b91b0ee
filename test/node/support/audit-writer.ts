/**
 * A process that writes to the audit log: folder, the key in hexadecimal digits, how many entries, how it ends
 * ('close', 'leave', 'never'), and options of the chain. Prints how many entries are flushed.
 */

import { AuditChain } from '../../../src/privacy/audit-chain.ts';
import { AuditLogger } from '../../../src/privacy/audit-logger.ts';
import { openAuditFolder } from '../../../platforms/node/audit/folder-audit-storage.ts';
import { createDataKey } from '../../helpers/test-keyring.ts';

const [folder, key, count, ending, options] = process.argv.slice(2) as [string, string, string, string, string];
const sink = new AuditChain({
  storage: await openAuditFolder(folder),
  key: createDataKey(Buffer.from(key, 'hex')),
  ...(JSON.parse(options) as object),
});
const logger = new AuditLogger({ sink });
let told = 0;
logger.onSinkError(({ error }) => told++ === 0 && console.log(`failed ${(error as NodeJS.ErrnoException).code}`));

const entries = ending === 'never' ? Infinity : Number(count);
for (let n = 0; n < entries; n++) {
  logger.logEvent({
    operation: 'gate',
    modelId: n,
    result: 'allowed',
    details: { pid: process.pid, text: 'x'.repeat(n % 50) },
  });
  if (n % 7 === 0) await new Promise((resolve) => setImmediate(resolve));
  if (n % 100 !== 99) continue;
  await logger.flush();
  console.log(`flushed ${n + 1}`);
}
if (ending === 'close') await logger.close();
console.log(`errors ${logger.sinkErrors}`);
