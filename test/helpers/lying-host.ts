/** A host that lies: a real one of a real framework, whose answers are spoiled on their way. In Node and in browsers. */

import type { HostChannel } from '../../src/host/channel.ts';
import type { HostReply, HostRequest } from '../../src/host/protocol.ts';
import type { RuntimeModelInfo } from '../../src/host/runtime.ts';
import { rowsOf } from './faults.ts';
import type { Answer, Fault, Run } from './faults.ts';

/** Requests of the liar's own. */
const OWN_IDS = 1e9;

export interface LyingOptions {
  readonly fault: Fault;
  /** What it really runs on. */
  readonly backend: string;
  /** Called with each run, or opening, that is answered otherwise than it would be, or not at all. */
  readonly onLie: () => void;
  /** Called with how many runs are under way, each time that changes. */
  readonly onRuns: (running: number) => void;
}

/** What is posted to `channel`, and what it answers, with the fault in between. */
export function lieThrough(channel: HostChannel, { fault, backend, onLie, onRuns }: LyingOptions): HostChannel {
  const listeners: ((message: unknown) => void)[] = [];
  const runs = new Map<number, Run>();
  /** Runs whose answers nobody was told yet. */
  const untold = new Set<number>();
  /** Answered, and kept back for the next that is. */
  let kept: (HostReply & { readonly answer: unknown }) | undefined;
  let count = 0;
  let own = OWN_IDS;
  let asked: { readonly id: number; readonly backend: string } | undefined;
  /** As it was posted, its bytes copied. */
  let opening: HostRequest | undefined;
  /** It answers nothing any more, or only that. */
  let fallen: 'hangs' | 'loses the device' | undefined;

  const tell = (reply: HostReply): void => {
    listeners.forEach((listener) => listener(reply));
    if (untold.delete(reply.id)) onRuns(untold.size);
  };
  const tellSoon = (reply: HostReply): void => queueMicrotask(() => tell(reply));
  const tellLost = (id: number): void => {
    const error = { name: 'HostError', code: 'HOST_FAILED', message: 'The GPU device was lost.' };
    tellSoon({ id, error });
  };

  channel.onMessage((message) => {
    const reply = message as HostReply;
    if (reply.id > OWN_IDS) return;
    const run = runs.get(reply.id);
    runs.delete(reply.id);
    if (!('answer' in reply)) return tell(reply);
    if (run === undefined) {
      // Nobody is told what it really runs on.
      if (reply.id !== asked?.id) return tell(reply);
      return tell({ ...reply, answer: { ...(reply.answer as RuntimeModelInfo), backend: asked.backend } });
    }
    const fate = fault.fate?.(run);
    const spoiled = fault.spoil?.(reply.answer as Answer, run);
    if (spoiled !== undefined) onLie();
    const told = spoiled === undefined ? reply : { ...reply, answer: spoiled };
    if (typeof fate === 'object') {
      onLie();
      setTimeout(() => tell(told), fate.lateMs);
    } else if (fault.swaps !== true) tell(told);
    else swap(told);
  });

  function swap(reply: HostReply & { readonly answer: unknown }): void {
    if (kept === undefined && runs.size === 0) return tell(reply);
    if (kept === undefined) {
      kept = reply;
      return;
    }
    const first = kept;
    kept = undefined;
    onLie();
    tell({ ...first, answer: reply.answer });
    tell({ ...reply, answer: first.answer });
  }

  function postRun(request: HostRequest & { readonly type: 'run' }, transfer?: readonly ArrayBuffer[]): void {
    const each: Run = { n: ++count, rows: rowsOf(request.body) };
    const fate = fault.fate?.(each);
    if (fate === 'crashes') {
      onLie();
      // As a crash is heard of: later than what it was at was posted.
      return queueMicrotask(() => void channel.terminate());
    }
    if (fate === 'hangs' || fate === 'loses the device') {
      fallen = fate;
      onLie();
      return post(request);
    }
    // Opened again, beside what is open: what its runtime holds is not given back.
    if (fate === 'leaks' && opening !== undefined) channel.post({ ...opening, id: ++own });
    runs.set(request.id, each);
    onRuns(untold.add(request.id).size);
    channel.post(request, transfer);
  }

  function end(): void {
    untold.clear();
    onRuns(0);
  }

  function post(message: unknown, transfer?: readonly ArrayBuffer[]): void {
    const request = message as HostRequest;
    if (fallen === 'hangs') return;
    if (fallen === 'loses the device' && request.type === 'run') return tellLost(request.id);
    if (request.type === 'open') {
      if (fault.opening !== undefined) onLie();
      if (fault.opening === 'never ends') return;
      if (fault.opening === 'refused')
        return tellSoon({ id: request.id, error: { name: 'Error', message: 'No such device.' } });
      asked = { id: request.id, backend: request.body.backend };
      const real: HostRequest = { ...request, body: { ...request.body, backend } };
      if (fault.fate !== undefined) opening = structuredClone(real);
      channel.post(real, transfer);
    } else if (request.type === 'run') postRun(request, transfer);
    else channel.post(request, transfer);
  }

  channel.onExit(end);
  return {
    kind: channel.kind,
    warning: channel.warning,
    killable: channel.killable,
    post,
    onMessage: (listener) => listeners.push(listener),
    onExit: (listener) => channel.onExit(listener),
    terminate() {
      end();
      return channel.terminate();
    },
  };
}

/** Its answers to runs come later: the reference of a machine on which something else is faster. */
export function slowDown(channel: HostChannel, byMs: number, onRuns: (running: number) => void): HostChannel {
  const runs = new Set<number>();
  return {
    kind: channel.kind,
    warning: channel.warning,
    killable: channel.killable,
    post(message, transfer) {
      const { type, id } = message as HostRequest;
      if (type === 'run') onRuns(runs.add(id).size);
      channel.post(message, transfer);
    },
    onMessage: (listener) =>
      channel.onMessage((message) => {
        const { id } = message as HostReply;
        const tell = (): void => {
          listener(message);
          if (runs.delete(id)) onRuns(runs.size);
        };
        if (runs.has(id)) setTimeout(tell, byMs);
        else tell();
      }),
    onExit: (listener) => channel.onExit(listener),
    terminate: () => channel.terminate(),
  };
}
