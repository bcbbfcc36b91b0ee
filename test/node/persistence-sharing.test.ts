/** Answers that several epochlys share: what one forgets, none of the others serves, nor keeps what it was computing meanwhile. */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { callableAdapter, createEpochly } from 'epochly';
import type { CallEvent, Epochly, InferenceConfigInit } from 'epochly';
import { startRedis } from '../helpers/redis-server.ts';
import type { RedisServer } from '../helpers/redis-server.ts';

const KEY = Buffer.alloc(32, 7);
const adapter = callableAdapter({ deterministic: true });
let folder: string;
let redis: RedisServer;
const opened: Epochly[] = [];
beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.stop());
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'epochly-sharing-'));
  await redis.client.flushall();
});
afterEach(async () => {
  for (const each of opened.splice(0)) await each.close();
  await rm(folder, { recursive: true });
});

async function open(
  cache: InferenceConfigInit['cache'],
  privacy: InferenceConfigInit['privacy'] = {},
): Promise<Epochly> {
  const config = {
    batching: { enabled: false },
    cache,
    privacy: { mode: 'persisted_encrypted', auditLogPath: '', ...privacy },
  } as const;
  const epochly = createEpochly({ config, encryptionKey: { kind: 'bytes', bytes: KEY } });
  opened.push(epochly);
  await epochly.ready();
  return epochly;
}

/** A model of the same identity in each, whose answer can be changed, and held back. */
function wrap(epochly: Epochly) {
  let source: CallEvent['source'];
  const how = { answer: 'old', until: Promise.resolve() as Promise<unknown>, begun: 0 };
  const model = epochly.wrap(
    async (_question: string) => {
      how.begun++;
      const { answer } = how;
      await how.until;
      return answer;
    },
    { adapter, identity: 'the model' },
  );
  epochly.onCall((event) => (source = event.source));
  const ask = async (question: string): Promise<readonly [string, CallEvent['source']]> => [
    await model.with({ tenant: 'acme' })(question),
    source,
  ];
  return { how, ask, model };
}

/** Forgets in one of two ways. */
const WAYS = [
  ['a tenant', (epochly: Epochly) => epochly.cache.invalidateTenant('acme')],
  ['a model', (epochly: Epochly, modelId: number) => epochly.cache.invalidateModel(modelId)],
] as const;

const near = (name = 'a'): InferenceConfigInit['cache'] => ({ l2Path: join(folder, `${name}.sqlite`) });
const far = (): InferenceConfigInit['cache'] => ({ redisUrl: redis.url });
const PLACES = [
  ['SQLite', () => near()],
  ['Redis', () => far()],
] as const;

describe.each(PLACES)('over %s', (_place, cacheOf) => {
  test.each(WAYS)(
    'an answer that is being computed while %s is forgotten elsewhere is not kept',
    async (_what, forget) => {
      const [one, two] = [await open(cacheOf()), await open(cacheOf())];
      const [here, there] = [wrap(one), wrap(two)];
      await there.ask('warm');
      await two.cache.flush();
      let finish = (): void => undefined;
      there.how.until = new Promise<void>((resolve) => (finish = resolve));
      const asked = there.ask('question');
      await vi.waitFor(() => expect(there.how.begun).toBe(2));
      await forget(one, here.model.modelId);
      finish();
      expect(await asked).toEqual(['old', 'model']);
      await two.cache.flush();
      here.how.answer = 'new';
      expect(await here.ask('question')).toEqual(['new', 'model']);
    },
  );

  test.each(WAYS)('what is in memory when %s is forgotten elsewhere is not served any more', async (_what, forget) => {
    const [one, two] = [await open(cacheOf()), await open(cacheOf())];
    const [here, there] = [wrap(one), wrap(two)];
    await here.ask('question');
    await one.cache.flush();
    await there.ask('question');
    expect((await there.ask('question'))[1]).toBe('l1');
    there.how.answer = 'new';
    await forget(one, here.model.modelId);
    await vi.waitFor(async () => expect(await there.ask('question')).toEqual(['new', 'model']), { timeout: 500 });
  });
});

describe('on machines with files of their own, beside a Redis', () => {
  test.each(WAYS)('what %s was answered is nowhere once it is forgotten on one of them', async (_what, forget) => {
    const [one, two] = [await open({ ...near('a'), ...far() }), await open({ ...near('b'), ...far() })];
    const [here, there] = [wrap(one), wrap(two)];
    await here.ask('question');
    await one.cache.flush();
    expect(await there.ask('question')).toEqual(['old', 'l3']);
    await two.cache.flush();
    here.how.answer = 'new';
    there.how.answer = 'new';
    await forget(one, here.model.modelId);
    await vi.waitFor(async () => expect(await there.ask('question')).toEqual(['new', 'model']));
    expect(await here.ask('question')).toEqual(['new', expect.stringMatching('l3|model')]);
  });

  test.each(WAYS)('nor where the other was off meanwhile', async (_what, forget) => {
    const two = await open({ ...near('b'), ...far() });
    await wrap(two).ask('question');
    await two.close();
    const one = await open({ ...near('a'), ...far() });
    const here = wrap(one);
    expect(await here.ask('question')).toEqual(['old', 'l3']);
    await forget(one, here.model.modelId);
    const again = wrap(await open({ ...near('b'), ...far() }));
    again.how.answer = 'new';
    expect(await again.ask('question')).toEqual(['new', 'model']);
  });

  test('a file answers at once what it answered before a restart, also while Redis is away', async () => {
    const two = await open({ ...near('b'), ...far() });
    await wrap(two).ask('question');
    await wrap(two).ask('another');
    await two.close();
    const again = await open({ ...near('b'), ...far() });
    const there = wrap(again);
    expect(await there.ask('question')).toEqual(['old', 'l2']);
    await redis.signal('SIGSTOP');
    const asked = await there.ask('another');
    await redis.signal('SIGCONT');
    expect(asked).toEqual(['old', 'l2']);
  });
});

test('objects come back with their keys in the order they had', async () => {
  const answer = { logits: 1, embedding: [{ z: 1, a: 2 }], b: { y: 1, x: 2 } };
  const first = await open(near());
  const wrapOrdered = (epochly: Epochly) =>
    epochly.wrap(async (_question: string) => structuredClone(answer), { adapter, identity: 'ordered' });
  await wrapOrdered(first)('question');
  await first.close();
  const second = await open(near());
  let source: CallEvent['source'];
  second.onCall((event) => (source = event.source));
  expect(JSON.stringify(await wrapOrdered(second)('question'))).toBe(JSON.stringify(answer));
  expect(source).toBe('l2');
});

test('what matches a pattern only over several parts of a stream is not kept', async () => {
  const privacy = { redactBuiltIns: ['email'] };
  const first = await open(near(), privacy);
  const wrapStream = (epochly: Epochly) =>
    epochly.wrap(
      async function* (question: string) {
        for (const text of question.match(/.{1,3}/g) ?? []) yield { role: 'assistant', text };
      },
      { adapter, identity: 'stream' },
    );
  const collect = async (epochly: Epochly, question: string): Promise<void> => {
    for await (const part of wrapStream(epochly)(question)) expect(part.role).toBe('assistant');
  };
  for (const question of ['write to bob@example.com now', 'write to nobody now']) await collect(first, question);
  await first.close();
  const second = await open(near(), privacy);
  const sources: CallEvent['source'][] = [];
  second.onCall((event) => sources.push(event.source));
  for (const question of ['write to bob@example.com now', 'write to nobody now']) await collect(second, question);
  expect(sources).toEqual(['model', 'l2']);
});
