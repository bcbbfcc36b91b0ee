/** @module Reads a model's files over HTTP. */

import { abortReason } from '../errors.ts';
import { ModelLoadError } from '../model-errors.ts';
import type { ReadOptions } from './model-files.ts';
import type { SourceReader } from './model-sources.ts';

export function isHttp(address: string): boolean {
  return /^https?:/i.test(address);
}

/** A model at an address: a file, or a folder that ends in '/'. */
export function urlReader(address: string, options: ReadOptions): SourceReader {
  const { pathname } = new URL(address);
  return {
    source: address,
    name: decodeURIComponent(pathname.slice(pathname.lastIndexOf('/') + 1)),
    async readMain() {
      const bytes = await fetchBytes(address, options);
      if (bytes !== undefined) return bytes;
      throw new ModelLoadError(
        `There is no model at ${address}: the server answered 404, or with an HTML page as it does for addresses it does not know.`,
      );
    },
    read: (path) => fetchBytes(beside(address, path), options, path),
  };
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
  { signal, onProgress }: ReadOptions,
  file: string = address.slice(address.lastIndexOf('/') + 1),
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  try {
    const response = await fetch(address, signal === undefined ? {} : { signal });
    if (response.status === 404 || response.status === 410) return undefined;
    if (!response.ok) {
      throw new ModelLoadError(`${address} answered ${`${response.status} ${response.statusText}`.trim()}.`);
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
      `${address} could not be read: ${(cause as Error).message}. Check the address and the connection; from another origin, the server must allow it (CORS).`,
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
