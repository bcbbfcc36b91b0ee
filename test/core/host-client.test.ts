import { expect, test } from 'vitest';
import { HostClient } from '../../src/host/host-client.ts';
import type { HostChannel } from '../../src/host/channel.ts';

/** A client, and the other side of its channel. */
function createClient() {
  const posted: { readonly type: string; readonly id: number }[] = [];
  let reply!: (message: unknown) => void;
  const client = new HostClient({
    kind: 'worker',
    killable: true,
    post: (message) => void posted.push(message as (typeof posted)[number]),
    onMessage: (listener) => (reply = listener),
    onExit: () => undefined,
    terminate: () => undefined,
  } satisfies HostChannel);
  return { client, posted: () => posted.map(({ type, id }) => `${type} ${id}`), reply: (it: unknown) => reply(it) };
}

test.each(['a signal', 'a listener'])('who leaves by %s is let go at once, and the host is told', async (by) => {
  const { client, posted, reply } = createClient();
  const leaving = new AbortController();
  let leave: (reason: unknown) => void = (reason) => leaving.abort(reason);
  const options = by === 'a signal' ? { signal: leaving.signal } : { onLeave: (it: typeof leave) => void (leave = it) };
  const asked = client.request('run', [1], options);
  expect(client.abandoned).toBeUndefined();
  leave(new Error('gone'));
  await expect(asked).rejects.toThrow('gone');
  leave(new Error('gone again'));
  expect(posted()).toEqual(['run 1', 'cancel 1']);
  expect([client.abandoned, client.isIdle]).toEqual([1, false]);
  reply({ id: 1, answer: 2 });
  expect([client.abandoned, client.isIdle]).toEqual([undefined, true]);
});

test('who leaves after the answer tells nobody', async () => {
  const { client, posted, reply } = createClient();
  let leave!: (reason: unknown) => void;
  const asked = client.request('run', [1], { onLeave: (it) => (leave = it) });
  reply({ id: 1, answer: 2 });
  leave(new Error('gone'));
  expect([await asked, posted()]).toEqual([2, ['run 1']]);
});
