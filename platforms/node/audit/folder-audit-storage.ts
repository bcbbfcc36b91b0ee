/** @module The audit log in a folder, which nobody else may read. */

import { randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import { link, mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { ConfigError } from '../../../src/errors.ts';
import { FileGoneError } from '../../../src/privacy/audit-storage.ts';
import type { AuditStorage } from '../../../src/privacy/audit-storage.ts';
import { expandHome } from '../expand-home.ts';

const FILE_MODE = 0o600;
const FOLDER_MODE = 0o700;

/**
 * Opens the folder, and makes it where it is missing, with the mode 0700. A path that begins with `~/` is in the user's own
 * folder. Files have the mode 0600.
 *
 * @throws ConfigError where the folder cannot be made or written to.
 */
export async function openAuditFolder(path: string): Promise<AuditStorage> {
  const folder = expandHome(path);
  const probe = join(folder, `.${randomUUID()}.tmp`);
  try {
    await mkdir(folder, { recursive: true, mode: FOLDER_MODE });
    await writeNew(probe, new Uint8Array());
    await rm(probe);
  } catch (cause) {
    throw new ConfigError(
      'privacy.audit_log_path',
      `The audit log cannot be written to the folder ${folder}: ${(cause as Error).message}`,
      { cause },
    );
  }
  return new FolderAuditStorage(folder);
}

class FolderAuditStorage implements AuditStorage {
  readonly #folder: string;
  /** The file that is appended to. */
  #current: { readonly name: string; readonly handle: FileHandle } | undefined;
  /** Files that were made here, so that one which is not there any more was removed. */
  readonly #made = new Set<string>();

  constructor(folder: string) {
    this.#folder = folder;
  }

  async list(): Promise<readonly string[]> {
    const names = await readdir(this.#folder);
    return names.filter((name) => !name.endsWith('.tmp'));
  }

  async read(name: string): Promise<Uint8Array | undefined> {
    try {
      return await readFile(this.#path(name));
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  }

  async append(name: string, offset: number, bytes: Uint8Array): Promise<void> {
    const handle = await this.#open(name);
    try {
      const { size, nlink } = await handle.stat();
      if (nlink === 0 || size < offset) throw new FileGoneError(name);
      if (size > offset) await handle.truncate(offset);
      for (let written = 0; written < bytes.length;)
        written += (await handle.write(bytes, written, bytes.length - written, offset + written)).bytesWritten;
    } catch (error) {
      await this.#closeCurrent();
      throw error;
    }
  }

  async sync(name: string): Promise<void> {
    if (this.#current?.name === name) await this.#current.handle.datasync();
  }

  async replace(name: string, bytes: Uint8Array): Promise<void> {
    const temporary = `${this.#path(name)}.tmp`;
    await rm(temporary, { force: true });
    await writeNew(temporary, bytes);
    await rename(temporary, this.#path(name));
  }

  async putIfAbsent(name: string, bytes: Uint8Array): Promise<Uint8Array> {
    const temporary = this.#path(`${name}.${randomUUID()}.tmp`);
    await writeNew(temporary, bytes);
    try {
      // A second name for a whole file: nobody reads half of it, and only one can give it.
      await link(temporary, this.#path(name));
      await syncFolder(this.#folder);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    } finally {
      await rm(temporary, { force: true });
    }
    return readFile(this.#path(name));
  }

  async remove(name: string): Promise<void> {
    if (this.#current?.name === name) await this.#closeCurrent();
    await rm(this.#path(name), { force: true });
  }

  async close(): Promise<void> {
    await this.#closeCurrent();
  }

  async #open(name: string): Promise<FileHandle> {
    if (this.#current?.name === name) return this.#current.handle;
    await this.#closeCurrent();
    const isNew = !this.#made.has(name);
    let handle: FileHandle;
    try {
      const mode = isNew ? constants.O_CREAT | constants.O_EXCL : 0;
      handle = await open(this.#path(name), constants.O_RDWR | mode, FILE_MODE);
    } catch (error) {
      if (!isNew && isMissing(error)) throw new FileGoneError(name, { cause: error });
      throw error;
    }
    this.#made.add(name);
    this.#current = { name, handle };
    if (isNew) await syncFolder(this.#folder);
    return handle;
  }

  async #closeCurrent(): Promise<void> {
    const current = this.#current;
    this.#current = undefined;
    await current?.handle.close();
  }

  #path(name: string): string {
    return join(this.#folder, name);
  }
}

async function writeNew(path: string, bytes: Uint8Array): Promise<void> {
  const handle = await open(path, 'wx', FILE_MODE);
  try {
    await handle.writeFile(bytes);
    await handle.datasync();
  } finally {
    await handle.close();
  }
}

/** A new name outlasts the machine only when the folder is written as well; Windows does that by itself. */
async function syncFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return;
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ENOENT';
}
