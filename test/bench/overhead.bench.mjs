/** What a wrapped call costs beyond the raw one, where no answer can be reused: each input is new. */

import { createEpochly } from 'epochly';
import { report, us } from './lib/report.mjs';
import { openUseLite, sentences, tinySession } from './lib/models.mjs';
import { median, sideBySide } from './lib/side-by-side.mjs';

/** Calls until the engine has compiled what every call passes through, and the cache has seen that no question repeats. */
const WARM_UP = 2500;

/** Median times of the first calls of each way, in turn, in microseconds: as a process that has just started. */
async function firstCalls(ways) {
  const times = Object.fromEntries(Object.keys(ways).map((name) => [name, []]));
  for (let i = 0; i < WARM_UP; i++) {
    for (const [name, way] of Object.entries(ways)) {
      const startedAt = performance.now();
      await way();
      times[name].push((performance.now() - startedAt) * 1000);
    }
  }
  return Object.fromEntries(Object.entries(times).map(([name, all]) => [name, median(all.slice(10, 500))]));
}

const rows = [];

{
  const { session, feeds } = await tinySession();
  const all = createEpochly().wrap(session);
  const observed = createEpochly({ config: { maxLevel: 0 } }).wrap(session);
  const ways = {
    raw: () => session.run(feeds()),
    wrapped: () => all.run(feeds()),
    level0: () => observed.run(feeds()),
  };
  const first = await firstCalls(ways);
  const { raw, wrapped, level0 } = await sideBySide(ways);
  rows.push(
    { what: 'tiny model, raw run', measured: us(raw) },
    {
      what: 'tiny model, wrapped at level 0: added',
      measured: us(level0 - raw),
      target: '≤ 15 µs',
      met: level0 - raw <= 15,
    },
    {
      what: 'tiny model, wrapped at level 2, every call a miss: added',
      measured: us(wrapped - raw),
      target: '≤ 15 µs',
      met: wrapped - raw <= 15,
    },
    { what: 'the same, in the first 500 calls of the process: added', measured: us(first.wrapped - first.raw) },
  );
}

{
  const session = await openUseLite();
  const proxy = createEpochly().wrap(session);
  const next = sentences();
  const ways = { raw: () => session.run(next()), wrapped: () => proxy.run(next()) };
  const first = await firstCalls(ways);
  const { raw, wrapped } = await sideBySide(ways);
  const share = (wrapped - raw) / raw;
  const firstShare = (first.wrapped - first.raw) / first.raw;
  rows.push(
    { what: 'use-lite, raw run', measured: us(raw) },
    {
      what: 'use-lite, wrapped, every call a miss: added',
      measured: `${(share * 100).toFixed(1)} %`,
      target: '≤ 2 %',
      met: share <= 0.02,
    },
    { what: 'the same, in the first 500 calls of the process: added', measured: `${(firstShare * 100).toFixed(1)} %` },
  );
}

report('A wrapped call against the raw one', rows);
