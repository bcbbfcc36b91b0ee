/** @module Files that cannot be used, renamed so that another can be begun in their place. */

import { existsSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { Clock } from '../../../src/platform.ts';

/** Of what is damaged so many are kept, the newest: it is of use to nobody but to whoever asks what happened. */
const KEPT = 3;

/** What SQLite keeps beside a database: a part of it. What is left beside one that is gone SQLite deletes with the next. */
const COMPANIONS = ['-wal', '-shm', '-journal'];

/** Which file is at a path just now; undefined where none can be seen. */
export function fileIdentity(path: string): string | undefined {
  try {
    // Not opened to look: closing it would give up the locks that SQLite holds on it in this process.
    const { dev, ino } = statSync(path, { bigint: true });
    return `${dev}:${ino}`;
  } catch {
    return undefined;
  }
}

/**
 * Renames a database of ours with its companions and returns its new path. Nobody may open it meanwhile; who has it open goes on
 * with it unharmed.
 */
export function setAside(path: string, clock: Clock): string {
  let stamp = clock.epochNow();
  while (existsSync(`${path}.damaged-${stamp}`)) stamp++;
  const aside = `${path}.damaged-${stamp}`;
  renameSync(path, aside);
  for (const suffix of COMPANIONS) {
    if (existsSync(path + suffix)) renameSync(path + suffix, aside + suffix);
  }
  deleteOldest(path);
  return aside;
}

function deleteOldest(path: string): void {
  const beginning = `${basename(path)}.damaged-`;
  const stamps = readdirSync(dirname(path))
    .filter((name) => name.startsWith(beginning))
    .map((name) => name.slice(beginning.length))
    .filter((rest) => /^\d+$/.test(rest))
    .toSorted((a, b) => Number(b) - Number(a));
  for (const stamp of stamps.slice(KEPT)) {
    for (const suffix of ['', ...COMPANIONS]) {
      rmSync(join(dirname(path), `${beginning}${stamp}${suffix}`), { force: true });
    }
  }
}
