/** The contract of tiers on IndexedDB, with a key of the browser's. */

import { openBrowserKeyring } from '../../platforms/browser/keyring/open-keyring.ts';
import { openIndexedDbStore } from '../../platforms/browser/store/indexed-db-store.ts';
import { L2Cache } from '../../src/cache/sealed/l2-cache.ts';
import { testCacheTier } from '../contract/index.ts';
import { createShiftedClock } from '../helpers/shifted-clock.ts';

const clock = createShiftedClock();

testCacheTier('L2 over IndexedDB', {
  async open() {
    const store = await openIndexedDbStore(`tier ${crypto.randomUUID()}`);
    return new L2Cache({ store, keyring: await openBrowserKeyring({ database: 'tier keyring' }), clock });
  },
  advance: (ms) => clock.advance(ms),
});
