/** @module Paths that begin with the user's home folder. */

import { homedir } from 'node:os';
import { resolve } from 'node:path';

/** An absolute path; `~/` at its beginning is the home folder. */
export function expandHome(path: string): string {
  return resolve(path.replace(/^~(?=$|[\\/])/, homedir()));
}
