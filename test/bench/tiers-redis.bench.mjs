/** Sealed answers in Redis against the same bytes by ioredis. The server is started here. */

import { randomBytes } from 'node:crypto';
import { inTurn } from './lib/in-turn.mjs';
import { openRaw, openSealed, openStore } from './lib/redis-ways.mjs';
import { report, times, us } from './lib/report.mjs';
import * as loads from './lib/tier-loads.mjs';
import { importTypeScript } from './lib/type-script.mjs';

const { startRedis } = await importTypeScript('test/helpers/redis-server.ts');
const SIZES = [
  { size: '1.5 kB', bytes: 1536, kept: 1024, put: 1024 },
  { size: '64 kB', bytes: 65_536, kept: 256, put: 128 },
];
const RAW = 'ioredis';

function tell(title, took, isAtOnce) {
  const { epochly, ...others } = took;
  const measured = ({ best, median, thread }) =>
    `${us(best)} (median ${us(median)}${thread === undefined ? '' : `, this thread ${us(thread)}`})`;
  report(title, [
    { what: 'epochly, sealed', measured: measured(epochly) },
    ...Object.entries(others).map(([name, each]) => {
      const ratio = each.best / epochly.best;
      const said = `: ${isAtOnce ? `${times(ratio)} ours` : `ours takes ${times(1 / ratio)}`}`;
      const goal = isAtOnce ? { target: '≥ 3×', met: ratio >= 3 } : { target: '≤ 1.2×', met: 1 / ratio <= 1.2 };
      return { what: name, measured: measured(each) + said, ...(name === RAW && goal) };
    }),
  ]);
}

for (const { size, bytes, kept, put } of SIZES) {
  const server = await startRedis();
  const value = new Uint8Array(randomBytes(bytes));
  const keys = Array.from({ length: kept }, (_, i) => loads.keyOf(`kept ${i}`));
  const newKeys = loads.keySource();
  const ways = {
    epochly: await openSealed(server.url),
    'the store alone, not sealed': await openStore(server.url),
    [RAW]: await openRaw(server.url),
    'ioredis, enableAutoPipelining': await openRaw(server.url, { enableAutoPipelining: true }),
  };
  for (const [name, way] of Object.entries(ways)) await loads.fill(name, way, keys, value);
  const each = (load) => inTurn(Object.fromEntries(Object.entries(ways).map(([name, way]) => [name, load(way)])));
  const title = (what) => `L3 in Redis, ${size}: ${what}`;
  tell(title('get, one by one'), await each((way) => loads.getOneByOne(way, keys)), false);
  tell(title('get, 64 in flight'), await each((way) => loads.getAtOnce(way, keys)), true);
  tell(title('put, one by one'), await each((way) => loads.putKeepingEach(way, newKeys, value)), false);
  tell(title('put, 64 in flight'), await each((way) => loads.putAtOnce(way, newKeys, value, put)), true);
  for (const way of Object.values(ways)) await way.close();
  await server.stop();
}
