/** @module Reads models in Node: files, folders, URLs, bytes. */

import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { abortReason } from '../../src/errors.ts';
import { ModelLoadError } from '../../src/model-errors.ts';
import { isFetched, urlReader } from '../../src/host/fetch-model.ts';
import type { ModelFiles, ReadOptions } from '../../src/host/model-files.ts';
import {
  contentReader,
  collectModelFiles,
  collectTransformersFiles,
  isTransformersSource,
} from '../../src/host/model-sources.ts';
import type { ModelSource, SourceReader } from '../../src/host/model-sources.ts';
import { digest } from './digest.ts';

export async function readModel(source: ModelSource, options: ReadOptions): Promise<ModelFiles> {
  if (isTransformersSource(source)) {
    const folder = source.model instanceof URL ? source.model.href : source.model;
    const reader = isFetched(folder)
      ? urlReader(folder.endsWith('/') ? folder : `${folder}/`, options)
      : folderReader(folder, options);
    return collectTransformersFiles(reader, digest, options.frameworkOptions);
  }
  return collectModelFiles(await readerOf(source, options), digest);
}

async function readerOf(
  source: Exclude<ModelSource, { readonly task: string }>,
  options: ReadOptions,
): Promise<SourceReader> {
  if (typeof source === 'string' || source instanceof URL) {
    const address = String(source);
    return isFetched(address) ? urlReader(address, options) : fileReader(toPath(address), options);
  }
  return contentReader(source);
}

/** @throws ModelLoadError for an address that is of no file here. */
function toPath(address: string): string {
  if (/^file:/i.test(address)) {
    try {
      return fileURLToPath(address);
    } catch (cause) {
      throw new ModelLoadError(`${address} is the address of no file here: ${(cause as Error).message}.`, { cause });
    }
  }
  // A scheme of one letter is a drive of Windows.
  if (/^[a-z][a-z\d+.-]+:\/\//i.test(address)) {
    throw new ModelLoadError(
      `${address} cannot be read: an address begins with http:, https:, file:, data: or blob:, and anything else is a path.`,
    );
  }
  return resolve(address);
}

function fileReader(path: string, options: ReadOptions): SourceReader {
  const folder = dirname(path);
  return {
    source: path,
    name: basename(path),
    async readMain() {
      const bytes = await readOptional(path, basename(path), options);
      if (bytes === undefined) throw new ModelLoadError(`There is no file ${path}.`);
      return bytes;
    },
    read: (name) => readOptional(join(folder, name), name, options),
  };
}

function folderReader(folder: string, options: ReadOptions): SourceReader {
  const path = toPath(folder);
  return {
    source: path,
    name: '',
    readMain: () => Promise.reject(new ModelLoadError(`${path} is read as a folder.`)),
    read: (name) => readOptional(join(path, name), name, options),
  };
}

async function readOptional(
  path: string,
  name: string,
  { signal, onProgress }: ReadOptions,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  try {
    const { size } = await stat(path);
    // In chunks, for progress and so that an abort need not wait for a file of gigabytes.
    const bytes = new Uint8Array(size);
    let loaded = 0;
    for await (const chunk of createReadStream(path, { signal, highWaterMark: 4 << 20 }) as AsyncIterable<Buffer>) {
      if (loaded + chunk.length > size) throw new ModelLoadError(`${path} grew while it was read.`);
      bytes.set(chunk, loaded);
      loaded += chunk.length;
      onProgress?.({ phase: 'read', file: name, loadedBytes: loaded, totalBytes: size });
    }
    if (loaded < size) throw new ModelLoadError(`${path} shrank while it was read.`);
    return bytes;
  } catch (cause) {
    if (signal?.aborted === true) throw abortReason(signal);
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    if (code === 'EISDIR') {
      throw new ModelLoadError(`${path} is a folder. For a transformers.js model use load({ task, model: folder }).`, {
        cause,
      });
    }
    if (cause instanceof ModelLoadError) throw cause;
    throw new ModelLoadError(`${path} could not be read: ${(cause as Error).message}`, { cause });
  }
}
