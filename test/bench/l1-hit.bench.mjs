/** An answer from L1 against the run it saves, and against the same run memoised with other caches. */

import { createHash } from 'node:crypto';
import { BentoCache, bentostore } from 'bentocache';
import { memoryDriver } from 'bentocache/drivers/memory';
import { Cacheable } from 'cacheable';
import { createEpochly } from 'epochly';
import { feedsOf, openUseLite } from './lib/models.mjs';
import { report, times, us } from './lib/report.mjs';
import { sideBySide } from './lib/side-by-side.mjs';

/** The key a careful user would write for the peers: they have none for tensors. */
function keyOf(feeds) {
  const hash = createHash('sha256');
  for (const name of Object.keys(feeds).toSorted()) {
    const { type, dims, data } = feeds[name];
    hash
      .update(`${name}\0${type}\0${dims.join()}\0`)
      .update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }
  return hash.digest('hex');
}

const session = await openUseLite();
const proxy = createEpochly().wrap(await openUseLite());
const bento = new BentoCache({
  default: 'l1',
  stores: { l1: bentostore().useL1Layer(memoryDriver({ maxItems: 10_000 })) },
});
const cacheable = new Cacheable();
const ids = BigInt64Array.from([5n, 40n, 300n, 17n, 2000n, 7n, 81n, 6n]);
const feeds = () => feedsOf(ids);

/** The peers keep what they can serialise; the tensor is rebuilt from it, as the proxy's answers are. */
async function compute(input) {
  const { sentence_embedding: output } = await session.run(input);
  return { type: output.type, dims: [...output.dims], data: Array.from(output.data) };
}
const rebuild = ({ dims, data }) => ({ dims, data: Float32Array.from(data) });

const ways = {
  run: () => session.run(feeds()),
  epochly: () => proxy.run(feeds()),
  bentocache: async () => {
    const input = feeds();
    return rebuild(await bento.getOrSet({ key: keyOf(input), ttl: '1d', factory: () => compute(input) }));
  },
  cacheable: async () => {
    const input = feeds();
    return rebuild(await cacheable.getOrSet(keyOf(input), () => compute(input), { ttl: '1d' }));
  },
};
for (const way of Object.values(ways)) await way();
const took = await sideBySide(ways);
await bento.disconnectAll();

report('An L1 hit (use-lite, eight tokens, 512 floats out)', [
  { what: 'the run it saves', measured: us(took.run) },
  { what: 'epochly hit', measured: us(took.epochly) },
  {
    what: 'run / hit',
    measured: times(took.run / took.epochly),
    target: '≥ 100×',
    met: took.run / took.epochly >= 100,
  },
  ...['bentocache', 'cacheable'].map((name) => ({
    what: `${name} hit / epochly hit`,
    measured: `${times(took[name] / took.epochly)} (${us(took[name])})`,
    target: '≥ 5×',
    met: took[name] / took.epochly >= 5,
  })),
]);
