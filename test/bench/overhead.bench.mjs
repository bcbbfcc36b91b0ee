/** What a wrapped call costs beyond the raw one, where no answer can be reused: each input is new. */

import { createEpochly } from 'epochly';
import { report, us } from './lib/report.mjs';
import { openUseLite, sentences, tinySession } from './lib/models.mjs';
import { sideBySide } from './lib/side-by-side.mjs';

const rows = [];

{
  const { session, feeds } = await tinySession();
  const all = createEpochly().wrap(session);
  const observed = createEpochly({ config: { maxLevel: 0 } }).wrap(session);
  const { raw, wrapped, level0 } = await sideBySide({
    raw: () => session.run(feeds()),
    wrapped: () => all.run(feeds()),
    level0: () => observed.run(feeds()),
  });
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
  );
}

{
  const session = await openUseLite();
  const proxy = createEpochly().wrap(session);
  const next = sentences();
  const { raw, wrapped } = await sideBySide({
    raw: () => session.run(next()),
    wrapped: () => proxy.run(next()),
  });
  const share = (wrapped - raw) / raw;
  rows.push(
    { what: 'use-lite, raw run', measured: us(raw) },
    {
      what: 'use-lite, wrapped, every call a miss: added',
      measured: `${(share * 100).toFixed(1)} %`,
      target: '≤ 2 %',
      met: share <= 0.02,
    },
  );
}

report('A wrapped call against the raw one', rows);
