/** Times many calls of several ways in turn, with what each costs the calling thread. */

import { readFileSync } from 'node:fs';
import { median } from './side-by-side.mjs';

/**
 * A machine that does something else slows a round down and never speeds one up: the best round is the one to compare.
 *
 * @param ways name -> function that makes a number of calls, and resolves with that number when all is done
 * @param rounds of each way; a round goes on for `minMs` at least
 * @returns name -> microseconds a call: of the best round, of the median one, and on this thread's processor in the best
 *   (undefined where the system does not tell)
 */
export async function inTurn(ways, { rounds = 7, minMs = 100 } = {}) {
  const all = Object.fromEntries(Object.keys(ways).map((name) => [name, []]));
  for (const way of Object.values(ways)) await way();
  for (let round = 0; round < rounds; round++) {
    for (const [name, way] of Object.entries(ways)) all[name].push(await timeRound(way, minMs));
  }
  return Object.fromEntries(Object.entries(all).map(([name, times]) => [name, summaryOf(times)]));
}

async function timeRound(way, minMs) {
  // What one way leaves behind is not collected in another's time.
  globalThis.gc?.();
  let calls = 0;
  const [started, threadStarted] = [performance.now(), threadTimes().ranMs];
  do calls += await way();
  while (performance.now() - started < minMs);
  const each = (ms) => (ms * 1000) / calls;
  return { took: each(performance.now() - started), thread: each(threadTimes().ranMs - threadStarted) };
}

function summaryOf(times) {
  const best = times.reduce((least, each) => (each.took < least.took ? each : least));
  const thread = Number.isNaN(best.thread) ? undefined : best.thread;
  return { best: best.took, median: median(times.map(({ took }) => took)), thread };
}

/**
 * How long the main thread has run on a processor so far, and waited for one that others had, in milliseconds; NaN where the
 * system is not Linux.
 */
export function threadTimes() {
  try {
    const [ran, waited] = readFileSync(`/proc/self/task/${process.pid}/schedstat`, 'utf8').split(' ').map(Number);
    return { ranMs: ran / 1e6, waitedMs: waited / 1e6 };
  } catch {
    return { ranMs: NaN, waitedMs: NaN };
  }
}
