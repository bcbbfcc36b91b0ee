/** @module The inside of a host: takes requests in turn, and answers each. */

import { ClosedError } from '../errors.ts';
import { messagePortable, portableBuffers } from '../portable.ts';
import type { Portable } from '../portable.ts';
import { serializeError } from './protocol.ts';
import type { HostReply, HostRequest } from './protocol.ts';
import type { Runtime, RuntimeModel } from './runtime.ts';

/** The host's end of its channel. */
export interface HostPort {
  post(message: unknown, transfer?: readonly ArrayBuffer[]): void;
  onMessage(listener: (message: unknown) => void): void;
}

/** Runs for one reading of the memory, which takes some microseconds. */
const RUNS_PER_READING = 8;

type Work = Exclude<HostRequest, { readonly type: 'cancel' }>;

/**
 * Serves requests from `port` one after another and answers each; one cancelled before its turn never runs. The runtime is
 * loaded with the first request, so that what it fails with is that request's answer. `readMemory`: bytes that this host takes, as far
 * as they can be told from others'.
 */
export function serveHost(
  port: HostPort,
  loadRuntime: () => Promise<Runtime>,
  readMemory?: () => number | undefined,
): void {
  let runs = 0;
  const queue: Work[] = [];
  let working = false;
  let runtime: Promise<Runtime> | undefined;
  let model: RuntimeModel | undefined;

  async function perform(work: Work): Promise<unknown> {
    const loaded = await (runtime ??= loadRuntime());
    switch (work.type) {
      case 'open':
        model = await loaded.open(work.body);
        return model.info;
      case 'run':
        if (model === undefined) throw new ClosedError();
        return messagePortable(await model.run(work.body));
      case 'close':
        await model?.dispose();
        model = undefined;
        return undefined;
      case 'backends':
        return loaded.listBackends();
    }
  }

  async function workOff(): Promise<void> {
    if (working) return;
    working = true;
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      let reply: HostReply;
      const begunAt = performance.now();
      try {
        const answer = await perform(next);
        const tookMs = performance.now() - begunAt;
        const isRead = next.type === 'run' && ++runs % RUNS_PER_READING === 0;
        reply = { id: next.id, answer, tookMs, ...(isRead && { memoryBytes: readMemory?.() }) };
      } catch (error) {
        reply = { id: next.id, error: serializeError(error) };
      }
      // An answer is the host's own: its memory goes over instead of being copied.
      const transfer = next.type === 'run' && 'answer' in reply ? [...portableBuffers(reply.answer as Portable)] : [];
      port.post(reply, transfer);
    }
    working = false;
  }

  port.onMessage((message) => {
    const request = message as HostRequest;
    if (request.type === 'cancel') {
      const position = queue.findIndex((each) => each.id === request.id);
      if (position < 0) return;
      queue.splice(position, 1);
      port.post({ id: request.id, answer: undefined } satisfies HostReply);
      return;
    }
    queue.push(request);
    void workOff();
  });
}
