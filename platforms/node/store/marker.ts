/**
 * @module A file beside that of a store, by which it is known to be one when it is damaged beyond telling. What was not begun by
 * epochly, as where a path was mistyped, is nothing that may be renamed, changed or deleted.
 */

import { closeSync, existsSync, openSync, writeSync } from 'node:fs';

const TEXT =
  'The file beside this one, with the same name but for the ending, is a store of epochly: it may be begun anew.\n';

export function isMarked(path: string): boolean {
  return existsSync(markerOf(path));
}

/** Marks the file of a store as one. */
export function mark(path: string): void {
  if (isMarked(path)) return;
  const file = openSync(markerOf(path), 'w', 0o600);
  try {
    writeSync(file, TEXT);
  } finally {
    closeSync(file);
  }
}

function markerOf(path: string): string {
  return `${path}-epochly`;
}
