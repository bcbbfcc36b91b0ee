/** @module Reads a model's files over HTTP. */

import { abortReason } from '../errors.ts';
import { ModelLoadError } from '../model-errors.ts';
import type { ReadOptions } from './model-files.ts';
import { nothingBeside } from './model-sources.ts';
import type { SourceReader } from './model-sources.ts';

/** Whether it is an address that `fetch` reads, and no path. */
export function isFetched(address: string): boolean {
  return /^(https?|data|blob):/i.test(address);
}

/** A model at an address: a file, or a folder that ends in '/'. @throws ModelLoadError where it is no address. */
export function urlReader(address: string, options: ReadOptions): SourceReader {
  const { protocol, pathname } = parseAddress(address);
  // Neither the bytes in a data: URL nor the number of a blob: URL are a name, and nothing lies beside them.
  const isFile = !/^https?:$/.test(protocol);
  const source = isFile ? `the model at the ${protocol} URL` : address;
  const name = isFile ? '' : decoded(pathname.slice(pathname.lastIndexOf('/') + 1));
  return {
    source,
    name,
    async readMain() {
      const bytes = await fetchBytes(address, source, name || 'model', options);
      if (bytes !== undefined) return bytes;
      throw new ModelLoadError(
        `There is no model at ${address}: the server answered 404, or with an HTML page as it does for addresses it does not know.`,
      );
    },
    read: (path) =>
      isFile
        ? Promise.reject(nothingBeside(source))
        : fetchBytes(beside(address, path), beside(address, path), path, options),
  };
}

/** @throws ModelLoadError where it is no address. */
export function parseAddress(address: string | URL, base?: string): URL {
  try {
    return new URL(String(address), base);
  } catch (cause) {
    throw new ModelLoadError(`${address} is no address of a model: ${(cause as Error).message}.`, { cause });
  }
}

function decoded(name: string): string {
  try {
    return decodeURIComponent(name);
  } catch {
    return name; // A '%' that stands for itself.
  }
}

/** The address of a file beside another one; a query (a signature, a token) goes along. */
function beside(address: string, path: string): string {
  const { search } = new URL(address);
  const url = new URL(path.split('/').map(encodeURIComponent).join('/'), address);
  return url.search === '' ? `${url.href}${search}` : url.href;
}

/** The body of an address; undefined where the server says that there is nothing, or answers with a page. */
async function fetchBytes(
  address: string,
  source: string,
  file: string,
  { signal, onProgress }: ReadOptions,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  try {
    const response = await fetch(address, signal === undefined ? {} : { signal });
    if (response.status === 404 || response.status === 410) return undefined;
    if (!response.ok) {
      throw new ModelLoadError(`${source} answered ${`${response.status} ${response.statusText}`.trim()}.`);
    }
    const type = response.headers.get('content-type') ?? '';
    // What a server of a single-page application answers with where there is no such file.
    if (/\bhtml\b/i.test(type)) return undefined;
    // A compressed body's length is not that of what comes out of it.
    const length = response.headers.get('content-encoding') === null ? response.headers.get('content-length') : null;
    const total = length === null ? undefined : Number(length);
    return await readBody(response, (loadedBytes) =>
      onProgress?.({ phase: 'read', file, loadedBytes, totalBytes: total }),
    );
  } catch (cause) {
    if (signal?.aborted === true) throw abortReason(signal);
    if (cause instanceof ModelLoadError) throw cause;
    throw new ModelLoadError(
      `${source} could not be read: ${(cause as Error).message}. Check the address and the connection; from another origin, the server must allow it (CORS).`,
      { cause },
    );
  }
}

async function readBody(response: Response, onChunk: (loadedBytes: number) => void): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array[] = [];
  let loaded = 0;
  const reader = response.body?.getReader();
  for (let part = await reader?.read(); part?.value !== undefined; part = await reader?.read()) {
    chunks.push(part.value);
    loaded += part.value.length;
    onChunk(loaded);
  }
  const bytes = new Uint8Array(loaded);
  let offset = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, offset);
    offset += chunk.length;
  }
  return bytes;
}
