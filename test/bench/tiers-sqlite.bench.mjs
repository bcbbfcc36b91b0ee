/** Sealed answers in SQLite against the same bytes kept by others, and against what sealing alone costs. */

import { createCipheriv, createDecipheriv, createSecretKey, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inTurn } from './lib/in-turn.mjs';
import { report, times, us } from './lib/report.mjs';
import { sqliteWays } from './lib/sqlite-ways.mjs';
import * as loads from './lib/tier-loads.mjs';

const SIZES = [
  { size: '1.5 kB', bytes: 1536, kept: 1024, put: 2048 },
  { size: '64 kB', bytes: 65_536, kept: 256, put: 128 },
];
const PLAIN = 'better-sqlite3';
const SEAL_ALONE = 'AES-256-GCM seal alone';
const OPEN_ALONE = 'AES-256-GCM open alone';

/** What no sealed answer can cost less than, by node:crypto. */
function cipherAlone(value) {
  const key = createSecretKey(randomBytes(32));
  const nonce = randomBytes(12);
  // As long as what an entry is authenticated with.
  const aad = randomBytes(140);
  const options = { authTagLength: 16 };
  const seal = () => {
    const cipher = createCipheriv('aes-256-gcm', key, nonce, options).setAAD(aad);
    const sealed = cipher.update(value);
    cipher.final();
    return { sealed, tag: cipher.getAuthTag() };
  };
  const { sealed, tag } = seal();
  const open = () => {
    const decipher = createDecipheriv('aes-256-gcm', key, nonce, options).setAAD(aad).setAuthTag(tag);
    const opened = decipher.update(sealed);
    decipher.final();
    return opened;
  };
  const many = (task) => async () => {
    for (let i = 0; i < 1000; i++) task();
    return 1000;
  };
  return { [SEAL_ALONE]: many(seal), [OPEN_ALONE]: many(open) };
}

/** Opens each way; those that cannot be had are told of in the report. */
async function openAll(folder, keys, value) {
  const ways = {};
  const missing = {};
  for (const [name, open] of Object.entries(sqliteWays)) {
    try {
      const way = await open(folder);
      await loads.fill(name, way, keys, value);
      ways[name] = way;
    } catch (error) {
      if (name === 'epochly' || name === PLAIN) throw error;
      missing[name] = error.message.split('\n', 1)[0];
    }
  }
  return { ways, missing };
}

function targetOf(name, ratio) {
  if (name === PLAIN) return { target: '≤ 2×', met: 1 / ratio <= 2 };
  if (name === 'keyv' || name === 'cacheable') return { target: '≥ 5×', met: ratio >= 5 };
  if (name.startsWith('bentocache')) return { target: '> 1×', met: ratio > 1 };
  return {};
}

function tell(title, took, missing) {
  const { epochly, ...others } = took;
  const measured = ({ best, median, thread }) =>
    `${us(best)} (median ${us(median)}${thread === undefined ? '' : `, this thread ${us(thread)}`})`;
  report(title, [
    { what: 'epochly, sealed', measured: measured(epochly) },
    ...Object.entries(others).map(([name, each]) => {
      const ratio = each.best / epochly.best;
      const { target, met } = targetOf(name, ratio);
      const said = name === PLAIN ? `ours takes ${times(1 / ratio)}` : `${times(ratio)} ours`;
      return { what: name, measured: `${measured(each)}: ${said}`, target, met };
    }),
    ...Object.entries(missing).map(([name, why]) => ({ what: name, measured: `not measured: ${why}` })),
  ]);
}

for (const { size, bytes, kept, put } of SIZES) {
  const folder = mkdtempSync(join(tmpdir(), 'epochly-bench-'));
  try {
    const value = new Uint8Array(randomBytes(bytes));
    const keys = Array.from({ length: kept }, (_, i) => loads.keyOf(`kept ${i}`));
    const newKeys = loads.keySource();
    const { ways, missing } = await openAll(folder, keys, value);
    const alone = cipherAlone(value);
    const each = (load) => Object.fromEntries(Object.entries(ways).map(([name, way]) => [name, load(way)]));
    const gets = { [OPEN_ALONE]: alone[OPEN_ALONE] };
    const puts = { [SEAL_ALONE]: alone[SEAL_ALONE] };
    const runs = [
      ['get, one by one', { ...each((way) => loads.getOneByOne(way, keys)), ...gets }],
      ['get, 64 in flight', { ...each((way) => loads.getAtOnce(way, keys)), ...gets }],
      ['put, one by one, kept before the next', each((way) => loads.putKeepingEach(way, newKeys, value))],
      [
        'put, one by one, all kept at the end',
        { ...each((way) => loads.putOneByOne(way, newKeys, value, put)), ...puts },
      ],
      ['put, 64 at once, kept together', { ...each((way) => loads.putAtOnce(way, newKeys, value, put)), ...puts }],
    ];
    for (const [title, run] of runs) tell(`L2 in SQLite, ${size}: ${title}`, await inTurn(run), missing);
    for (const way of Object.values(ways)) await way.close();
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
