/** The reference's host: replaced where its memory grows, closed while nobody needs it, and opened again; no call is lost. */

import { describe, expect, test } from 'vitest';
import { HostClient } from '../../src/host/host-client.ts';
import type { OpenedHost } from '../../src/host/hosted-model.ts';
import type { HostRequest } from '../../src/host/protocol.ts';
import { ReferenceHost } from '../../src/host/reference-host.ts';
import { createFakeClock } from '../helpers/fake-clock.ts';

const MB = 1 << 20;

/** A host that answers its own number, when it is told to, and says how much memory it has. */
function fakeHost(number: number, { killable = true } = {}) {
  const listeners: ((message: unknown) => void)[] = [];
  const exits: ((reason: string) => void)[] = [];
  const waiting: number[] = [];
  const state = { isHeld: false, isGone: false, closed: 0, memoryBytes: undefined as number | undefined };
  const reply = (id: number): void => {
    const { memoryBytes } = state;
    for (const listener of listeners) listener({ id, answer: number, tookMs: 1, memoryBytes });
  };
  const client = new HostClient({
    kind: 'process',
    killable,
    post(message) {
      const { type, id } = message as HostRequest;
      if (state.isGone || type === 'cancel') return;
      if (type === 'close') state.closed++;
      if (state.isHeld && type === 'run') waiting.push(id);
      else queueMicrotask(() => reply(id));
    },
    onMessage: (listener) => listeners.push(listener),
    onExit: (listener) => exits.push(listener),
    terminate() {
      state.isGone = true;
      for (const each of exits) each('it was ended.');
    },
  });
  return {
    state,
    opened: { client, info: {}, report: {} } as unknown as OpenedHost,
    crash: () => client.channel.terminate(),
    answer() {
      for (const id of waiting.splice(0)) reply(id);
    },
  };
}

function setUp(options: { killable?: boolean } = {}) {
  const clock = createFakeClock();
  const hosts = [fakeHost(0, options)];
  const opening = { fails: false, ms: 100 };
  const reference = new ReferenceHost({
    clock,
    first: (hosts[0] as ReturnType<typeof fakeHost>).opened,
    async reopen() {
      await new Promise<void>((resolve) => void clock.after(opening.ms, resolve));
      if (opening.fails) throw new Error('The file is gone.');
      const host = fakeHost(hosts.length, options);
      hosts.push(host);
      return host.opened;
    },
  });
  const replaced: string[] = [];
  reference.onReplaced(({ message }) => replaced.push(message));
  const ask = (signal?: AbortSignal): Promise<unknown> => reference.run([1], signal, false);
  /** What it answers, in the time that it takes to open one. */
  const answered = async (): Promise<unknown> => {
    const answer = ask();
    answer.catch(() => undefined);
    await clock.run(opening.ms);
    return answer;
  };
  const host = (i: number): ReturnType<typeof fakeHost> => hosts[i] as ReturnType<typeof fakeHost>;
  /** Calls it, until it leaks enough for another one to be opened. */
  const leak = async (i: number): Promise<void> => {
    for (let run = 0; run < 200; run++) {
      host(i).state.memoryBytes = (300 + 8 * run) * MB;
      await ask();
    }
    host(i).state.memoryBytes = undefined;
  };
  return { clock, hosts, host, opening, reference, replaced, ask, answered, leak };
}

describe('where its memory grows by run', () => {
  test('another host is opened while it answers, and it is ended once it has', async () => {
    const { clock, host, hosts, reference, replaced, ask, answered, leak } = setUp();
    await leak(0);
    expect(await ask()).toBe(0);
    host(0).state.isHeld = true;
    const inFlight = ask();
    await clock.run(100);
    expect(await ask()).toBe(1);
    expect(host(0).state.isGone).toBe(false);
    host(0).answer();
    expect(await inFlight).toBe(0);
    await clock.run(0);
    expect(host(0).state.isGone).toBe(true);
    expect(replaced).toEqual([expect.stringMatching(/grew run by run, by \d{3} MB/)]);
    expect(await answered()).toBe(1);
    expect(hosts).toHaveLength(2);
    await reference.end();
    expect(host(1).state.isGone).toBe(true);
  });

  test('and the other cannot be opened, it goes on, and it is tried again later', async () => {
    const { clock, host, hosts, opening, ask, leak, replaced } = setUp();
    opening.fails = true;
    await leak(0);
    await clock.run(100);
    expect(await ask()).toBe(0);
    opening.fails = false;
    await clock.run(120_000);
    for (let run = 200; run < 400; run++) {
      host(0).state.memoryBytes = (300 + 8 * run) * MB;
      await ask();
    }
    await clock.run(100);
    expect(await ask()).toBe(1);
    expect(hosts).toHaveLength(2);
    expect(replaced).toHaveLength(1);
  });

  test('and it crashes meanwhile, one takes its place, and no other stays', async () => {
    const { clock, host, hosts, answered, leak, reference } = setUp();
    await leak(0);
    void host(0).crash();
    expect(await answered()).toBeGreaterThan(0);
    await clock.run(1000);
    reference.beginClosing();
    await reference.end();
    expect(hosts.length).toBeLessThanOrEqual(3);
    expect(hosts.every(({ state }) => state.isGone)).toBe(true);
  });

  test('and the model is closed meanwhile, nothing stays open', async () => {
    const { clock, hosts, leak, reference } = setUp();
    await leak(0);
    reference.beginClosing();
    const ended = reference.end();
    await clock.run(100);
    await ended;
    expect(hosts).toHaveLength(2);
    expect(hosts.every(({ state }) => state.isGone)).toBe(true);
  });

  test('a thread lets go of the model before it is ended', async () => {
    const { clock, host, leak } = setUp({ killable: false });
    await leak(0);
    await clock.run(100);
    expect(host(0).state).toMatchObject({ closed: 1, isGone: true });
  });
});

describe('where it is closed while nobody needs it', () => {
  test('it is opened for a call, and closed again some time after the last one', async () => {
    const { clock, host, hosts, reference, answered, ask } = setUp();
    reference.restAfter(1000);
    await clock.run(0);
    expect(reference.isResting).toBe(true);
    expect(host(0).state.isGone).toBe(true);
    expect(await answered()).toBe(1);
    await clock.run(800);
    expect(await ask()).toBe(1);
    await clock.run(999);
    expect(reference.isResting).toBe(false);
    await clock.run(1);
    expect(reference.isResting).toBe(true);
    expect(hosts.every(({ state }) => state.isGone)).toBe(true);
    expect(await answered()).toBe(2);
  });

  test('calls at once open one host for all, and it is not closed while one of them waits', async () => {
    const { clock, host, hosts, reference, ask } = setUp();
    reference.restAfter(1000);
    await clock.run(0);
    const all = Promise.all(Array.from({ length: 20 }, () => ask()));
    await clock.run(100);
    expect(new Set(await all)).toEqual(new Set([1]));
    host(1).state.isHeld = true;
    const slow = ask();
    await clock.run(10_000);
    expect(reference.isResting).toBe(false);
    host(1).answer();
    expect(await slow).toBe(1);
    expect(hosts).toHaveLength(2);
  });

  test('what is under way when that begins is answered first', async () => {
    const { clock, host, reference, ask } = setUp();
    host(0).state.isHeld = true;
    const slow = ask();
    reference.restAfter(1000);
    await clock.run(5000);
    expect(host(0).state.isGone).toBe(false);
    host(0).answer();
    expect(await slow).toBe(0);
    await clock.run(1000);
    expect(host(0).state.isGone).toBe(true);
  });

  test('where it is to stay it is opened with the next call, and stays', async () => {
    const { clock, reference, answered } = setUp();
    reference.restAfter(1000);
    await clock.run(0);
    reference.restAfter(undefined);
    expect(await answered()).toBe(1);
    await clock.run(1e7);
    expect(reference.isResting).toBe(false);
  });

  test('one that cannot be opened is told to who asks, is left alone for a while, and then is opened', async () => {
    const { clock, reference, opening, ask, hosts } = setUp();
    reference.restAfter(1000);
    await clock.run(0);
    opening.fails = true;
    const failing = ask();
    failing.catch(() => undefined);
    await clock.run(200);
    await expect(failing).rejects.toThrow('The file is gone.');
    await expect(ask()).rejects.toThrow('It is opened again in');
    opening.fails = false;
    await clock.run(1000);
    const next = ask();
    await clock.run(100);
    expect(await next).toBe(1);
    expect(hosts).toHaveLength(2);
  });

  test('who leaves while it is opened harms nobody else', async () => {
    const { clock, reference, ask } = setUp();
    reference.restAfter(1000);
    await clock.run(0);
    const controller = new AbortController();
    const left = ask(controller.signal);
    left.catch(() => undefined);
    const stays = ask();
    controller.abort(new Error('left'));
    await clock.run(100);
    await expect(left).rejects.toThrow('left');
    expect(await stays).toBe(1);
    await clock.run(1000);
    expect(reference.isResting).toBe(true);
  });

  test.each([
    ['rests', 0],
    ['is being opened', 50],
    ['is idle', 500],
  ])('a model that is closed while it %s leaves nothing open', async (_when, afterMs) => {
    const { clock, reference, ask, hosts } = setUp();
    reference.restAfter(1000);
    await clock.run(0);
    if (afterMs > 0) ask().catch(() => undefined);
    await clock.run(afterMs);
    reference.beginClosing();
    const ended = reference.end();
    await clock.run(100);
    await ended;
    expect(hosts.every(({ state }) => state.isGone)).toBe(true);
    expect(clock.pending).toBe(0);
    const late = ask();
    await expect(late).rejects.toMatchObject({ code: expect.stringMatching(/CLOSED|HOST_FAILED/) });
  });
});
