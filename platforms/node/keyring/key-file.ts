/** @module A master key in a file. */

import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { link, lstat, mkdir, open, unlink } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { KeyError } from '../../../src/key-error.ts';
import { KEY_BYTES } from '../../../src/privacy/key-format.ts';
import { MAKE_A_KEY, parseKey } from './parse-key.ts';

/** More than any form of a key takes. */
const MAX_FILE_BYTES = 1024;

/**
 * The key in a file, which with `create` is made where there is none: of several processes that make it at once, all get the
 * first one's. Its folder is made as well, for its owner alone. @throws KeyError where the file is no file of one's own that holds a key.
 */
export async function readKeyFile(path: string, create: boolean): Promise<Uint8Array> {
  if (path === '') throw new KeyError('The path of the key file is empty.', { reason: 'missing' });
  for (;;) {
    const found = await readIfThere(path);
    if (found !== undefined) return found;
    if (!create)
      throw new KeyError(`There is no key file at ${path}. Let it be made with create: true. ${MAKE_A_KEY}`, {
        reason: 'missing',
      });
    await makeUnlessThere(path);
  }
}

async function readIfThere(path: string): Promise<Uint8Array | undefined> {
  let file: FileHandle | undefined;
  try {
    const found = await lstat(path);
    if (found.isSymbolicLink())
      throw new KeyError(`${path} is a symbolic link, and whoever may change it chooses the key. Name the file.`, {
        reason: 'exposed',
      });
    if (!found.isFile()) throw new KeyError(`${path} is not a file. Name the file that holds the key.`);
    file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
    const { mode, size } = await file.stat();
    if (process.platform !== 'win32' && (mode & 0o077) !== 0)
      throw new KeyError(
        `Others than its owner may use ${path}: its mode is ${(mode & 0o777).toString(8)}. Run: chmod 600 ${path}`,
        { reason: 'exposed' },
      );
    if (size > MAX_FILE_BYTES)
      throw new KeyError(`${path} is too long to hold a key. ${MAKE_A_KEY}`, { reason: 'malformed' });
    return parseKey(await file.readFile('utf8'), path);
  } catch (cause) {
    if (cause instanceof KeyError) throw cause;
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new KeyError(`The key file ${path} cannot be read.`, { cause });
  } finally {
    await file?.close();
  }
}

/** The last one of a path, as `~/.epochly` is: of one whose others are missing too, more than a folder is wrong. */
async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { mode: 0o700 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

/** Written under another name first: a name that a reader may find is never that of half a key. */
async function makeUnlessThere(path: string): Promise<void> {
  const draft = `${path}.${randomBytes(8).toString('hex')}.new`;
  try {
    await makeFolder(dirname(path));
    const file = await open(draft, 'wx', 0o600);
    try {
      await file.writeFile(`${randomBytes(KEY_BYTES).toString('base64')}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
    try {
      await link(draft, path);
    } finally {
      await unlink(draft);
    }
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'EEXIST') return;
    throw new KeyError(`The key file ${path} cannot be made. ${MAKE_A_KEY}`, { cause });
  }
}
