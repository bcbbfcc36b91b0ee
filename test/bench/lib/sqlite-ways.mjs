/** Bytes kept by key in a SQLite file, by several libraries, each in WAL mode with synchronous = NORMAL. */

import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { Cacheable } from 'cacheable';
import { L2Cache } from '../../../dist/src/cache/sealed/l2-cache.js';
import { openKeyring } from '../../../dist/platforms/node/keyring/open-keyring.js';
import { openSqliteStore } from '../../../dist/platforms/node/store/open-sqlite-store.js';
import { importPeer } from './peers.mjs';

const DAY_MS = 86_400_000;
const PRAGMAS = ['journal_mode = WAL', 'synchronous = NORMAL'];

/**
 * What each way does: `get(key)`, `put(key, bytes)`, both at once or later; `putAll(entries)`, resolved when all of them are
 * kept; `kept()`, resolved when all that was put is; `close()`.
 */
export const sqliteWays = {
  epochly: openSealed,
  'the store alone, not sealed': openStore,
  'better-sqlite3': openPlain,
  keyv: openKeyv,
  cacheable: openCacheable,
  'bentocache, Knex': openBentoKnex,
  'bentocache, Kysely': openBentoKysely,
};

async function openSealed(folder) {
  const store = await openSqliteStore({ path: join(folder, 'epochly.db') });
  const env = { EPOCHLY_ENCRYPTION_KEY: randomBytes(32).toString('hex') };
  const keyring = await openKeyring({ kind: 'env' }, env);
  const cache = new L2Cache({ store, keyring });
  const scope = { tenant: 'tenant', model: 'model' };
  return {
    get: (key) => cache.get(key, scope),
    put: (key, bytes) => cache.put(key, bytes, scope),
    async putAll(entries) {
      for (const [key, bytes] of entries) await cache.put(key, bytes, scope);
      await cache.flush();
    },
    kept: () => cache.flush(),
    async close() {
      const { dropped, errors } = cache.getStats();
      if (dropped + errors > 0) throw new Error(`${dropped} puts were dropped, ${errors} errors.`);
      await cache.close();
      await store.close();
      keyring.close();
    },
  };
}

async function openStore(folder) {
  const store = await openSqliteStore({ path: join(folder, 'store.db') });
  // Not kept yet when it returns, as with the others that write behind the answer.
  let putting = Promise.resolve();
  return {
    get: (key) => store.get(key),
    put(key, bytes) {
      putting = store.put(key, bytes);
    },
    putAll: togetherBy((key, bytes) => store.put(key, bytes)),
    kept: () => putting,
    close: () => store.close(),
  };
}

async function openPlain(folder) {
  const database = new Database(join(folder, 'plain.db'));
  for (const pragma of PRAGMAS) database.pragma(pragma);
  database.exec('CREATE TABLE kept (key TEXT PRIMARY KEY, value BLOB NOT NULL)');
  const get = database.prepare('SELECT value FROM kept WHERE key = ?').pluck();
  const put = database.prepare('INSERT OR REPLACE INTO kept VALUES (?, ?)');
  return {
    get: (key) => get.get(key),
    put: (key, bytes) => put.run(key, bytes),
    putAll: database.transaction((entries) => {
      for (const [key, bytes] of entries) put.run(key, bytes);
    }),
    kept: () => undefined,
    close: () => database.close(),
  };
}

async function openKeyv(folder) {
  const { store, keyv } = await keyvOver(join(folder, 'keyv.db'));
  return {
    get: (key) => keyv.get(key),
    put: (key, bytes) => keyv.set(key, Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length), DAY_MS),
    putAll: togetherBy((key, bytes) =>
      keyv.set(key, Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length), DAY_MS),
    ),
    kept: () => undefined,
    close: () => store.close(),
  };
}

async function openCacheable(folder) {
  const { store, keyv } = await keyvOver(join(folder, 'cacheable.db'));
  // As the only tier: one in memory before it would answer in its place.
  const cacheable = new Cacheable({ primary: keyv, ttl: DAY_MS });
  const put = (key, bytes) => cacheable.set(key, Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length));
  return {
    get: (key) => cacheable.get(key),
    put,
    putAll: togetherBy(put),
    kept: () => undefined,
    close: () => store.close(),
  };
}

async function keyvOver(path) {
  const [{ Keyv }, { KeyvSqlite }] = [await importPeer('keyv'), await importPeer('@keyv/sqlite')];
  const store = new KeyvSqlite({ uri: `sqlite://${path}` });
  for (const pragma of PRAGMAS) await store.query(`PRAGMA ${pragma}`);
  return { store, keyv: new Keyv({ store }) };
}

async function openBentoKnex(folder) {
  const { default: knex } = await importPeer('knex');
  const { knexDriver } = await importPeer('bentocache/drivers/knex');
  const connection = knex({
    client: 'better-sqlite3',
    connection: { filename: join(folder, 'knex.db') },
    useNullAsDefault: true,
    pool: {
      min: 1,
      max: 1,
      afterCreate(database, done) {
        for (const pragma of PRAGMAS) database.pragma(pragma);
        done(null, database);
      },
    },
  });
  return bentoOver(knexDriver({ connection }));
}

async function openBentoKysely(folder) {
  const { Kysely, SqliteDialect } = await importPeer('kysely');
  const { kyselyDriver } = await importPeer('bentocache/drivers/kysely');
  const database = new Database(join(folder, 'kysely.db'));
  for (const pragma of PRAGMAS) database.pragma(pragma);
  return bentoOver(kyselyDriver({ connection: new Kysely({ dialect: new SqliteDialect({ database }) }) }));
}

/** bentocache keeps what JSON can say. */
async function bentoOver(driver) {
  const { BentoCache, bentostore } = await importPeer('bentocache');
  const bento = new BentoCache({ default: 'l2', stores: { l2: bentostore().useL2Layer(driver) } });
  const put = (key, bytes) =>
    bento.set({
      key,
      value: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64'),
      ttl: DAY_MS,
    });
  return {
    async get(key) {
      const value = await bento.get({ key });
      return value === undefined ? undefined : Buffer.from(value, 'base64');
    },
    put,
    putAll: togetherBy(put),
    kept: () => undefined,
    close: () => bento.disconnectAll(),
  };
}

/** Where a library has no way to put many, they are put at once. */
function togetherBy(put) {
  return (entries) => Promise.all(entries.map(([key, bytes]) => put(key, bytes)));
}
