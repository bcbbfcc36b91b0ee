/** The part of the page that puts a load on the model: a slider, a button, and what comes of them. */

import { SENTENCES } from '../sentences.ts';
import { byId } from './dom.ts';
import type { Embedder } from './embedder.ts';
import { Load } from './load.ts';
import { addTurn, clearTurns, tellOfQueue } from './load-view.ts';

let load: Load | undefined;
let running: AbortController | undefined;

/** A model is open: callers may come. */
export function openLoad({ model, tokenize }: Embedder): void {
  load = new Load(model, SENTENCES.map(tokenize));
  byId<HTMLButtonElement>('load').disabled = false;
}

/** The model is about to be closed: nobody may call it any more. */
export function closeLoad(): void {
  stop();
  load = undefined;
  clearTurns();
  byId<HTMLButtonElement>('load').disabled = true;
}

async function start(opened: Load): Promise<void> {
  const controller = new AbortController();
  running = controller;
  const { signal } = controller;
  byId('load').textContent = 'Stop';
  byId('load-error').hidden = true;
  try {
    await opened.run(callers, signal, (way, turn) => {
      if (signal.aborted) return;
      addTurn(way, turn);
      tellOfQueue(opened.busiestQueue);
    });
  } catch (error) {
    if (signal.aborted) return;
    byId('load-error').hidden = false;
    byId('load-reason').textContent = (error as Error).message;
    stop();
  }
}

function stop(): void {
  running?.abort();
  running = undefined;
  byId('load').textContent = 'Start';
}

function callers(): number {
  return Number(byId<HTMLInputElement>('callers').value);
}

function showCallers(): void {
  byId('caller-count').textContent = callers() === 1 ? '1 caller' : `${callers()} callers`;
}

byId('callers').addEventListener('input', showCallers);
byId('load').addEventListener('click', () => {
  if (running !== undefined) stop();
  else if (load !== undefined) void start(load);
});
// A page that nobody looks at has no business to heat the room.
document.addEventListener('visibilitychange', () => {
  if (document.hidden) stop();
});
showCallers();
