/** @module What hosts have to do when the process ends: by itself, by `process.exit()`, or by an error that nobody caught. */

/** Something that must have ended before the process does. */
export interface Ending {
  /** Tells it to end. */
  begin(): void;
  /** Waits, synchronously, until it has. Called once all were told. */
  finish?(): void;
}

const endings = new Set<Ending>();

/** Ends it with the process, unless the result is disposed of before. A signal that nobody handles ends a process without. */
export function endWithProcess(ending: Ending): Disposable {
  if (endings.size === 0) process.on('exit', endAll);
  endings.add(ending);
  return {
    [Symbol.dispose]() {
      if (endings.delete(ending) && endings.size === 0) process.off('exit', endAll);
    },
  };
}

function endAll(): void {
  for (const each of endings) each.begin();
  for (const each of endings) each.finish?.();
}
