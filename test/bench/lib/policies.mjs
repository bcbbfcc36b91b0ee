/** Ways of putting calls together, to compare with: each takes a model and gives a function that runs one call. */

import DataLoader from 'dataloader';
import { hostedAdapter } from '../../../dist/src/adapters/hosted.js';
import { onnxruntimeAdapter } from '../../../dist/src/adapters/onnxruntime.js';

async function runTogether(session, feeds) {
  if (feeds.length === 1) return [await session.run(feeds[0])];
  const adapter = hostedAdapter.detect(session) ? hostedAdapter : onnxruntimeAdapter;
  const joined = adapter.join(
    session,
    feeds.map((each) => ({ entryPoint: 'run', args: [each] })),
  );
  return adapter.split(session, joined, await session.run(...joined.args));
}

export const none = (session) => (feeds) => session.run(feeds);

/** At most `size` calls a batch, as soon as the batch before has ended. */
export function fixedSize(session, size) {
  const queue = [];
  let running = false;
  const next = async () => {
    if (running || queue.length === 0) return;
    running = true;
    const batch = queue.splice(0, size);
    const answers = await runTogether(
      session,
      batch.map(({ feeds }) => feeds),
    );
    batch.forEach(({ resolve }, i) => resolve(answers[i]));
    running = false;
    setImmediate(next);
  };
  return (feeds) =>
    new Promise((resolve) => {
      queue.push({ feeds, resolve });
      if (!running) setImmediate(next);
    });
}

/** MLServer's and LitServe's: a batch begins when `size` calls wait, or `timeoutMs` after the first of them. */
export function sizeOrTimeout(session, size, timeoutMs) {
  let waiting = [];
  let timer;
  const flush = async () => {
    clearTimeout(timer);
    timer = undefined;
    const batch = waiting;
    waiting = [];
    const answers = await runTogether(
      session,
      batch.map(({ feeds }) => feeds),
    );
    batch.forEach(({ resolve }, i) => resolve(answers[i]));
  };
  return (feeds) =>
    new Promise((resolve) => {
      waiting.push({ feeds, resolve });
      if (waiting.length >= size) void flush();
      else timer ??= setTimeout(flush, timeoutMs);
    });
}

/** All calls of one turn of the event loop. */
export function dataloader(session) {
  const loader = new DataLoader((feeds) => runTogether(session, feeds), {
    cache: false,
    batchScheduleFn: setImmediate,
  });
  return (feeds) => loader.load(feeds);
}
