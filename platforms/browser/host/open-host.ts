/** @module Opens a host: a Web Worker in the way that the page's origin and policy allow, else in place. */

import { abortReason, UnsupportedOperationError } from '../../../src/errors.ts';
import { HostError } from '../../../src/model-errors.ts';
import type { HostChannel, HostOptions } from '../../../src/host/channel.ts';
import { hostFileFor, locateHostFile } from './host-files.ts';
import type { HostFileUrls } from './host-files.ts';
import { openInline } from './inline-channel.ts';
import { openWorker } from './worker-channel.ts';

/**
 * Opens the host file of a framework.
 *
 * A worker script must be of the page's origin, so a script from elsewhere (a CDN) is fetched and opened from a blob URL;
 * so is one that does not open directly, as happens where a page is cross-origin isolated and its server sends the worker
 * without that header. Where a content security policy forbids both, the host runs in place, and the channel's `warning`
 * says why.
 *
 * @throws HostError where the host file cannot be loaded in any way.
 */
export async function openHost(options: HostOptions): Promise<HostChannel> {
  const { kind, framework, backends, signal } = options;
  if (kind === 'process') {
    throw new UnsupportedOperationError(
      "Browsers have no child processes: host: 'process' is for Node. Use 'worker', 'inline' or 'auto'.",
    );
  }
  if (signal?.aborted) throw abortReason(signal);
  const urls = locateHostFile(hostFileFor(framework, backends), options);
  const reasons: string[] = [];
  if (kind === 'inline') return openInPlace(urls, undefined, reasons);

  for (const [way, open] of waysToOpen(urls)) {
    try {
      return await open(signal);
    } catch (error) {
      if (signal?.aborted) throw abortReason(signal);
      reasons.push(`${way}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  const why = `No worker could be opened, so the model runs on the page's own thread and blocks it while it runs (${reasons.join('; ')}).`;
  return openInPlace(urls, why, reasons);
}

async function openInPlace(
  urls: HostFileUrls,
  warning: string | undefined,
  reasons: readonly string[],
): Promise<HostChannel> {
  try {
    return await openInline(urls, warning);
  } catch (error) {
    const tried = [...reasons, `in place: ${error instanceof Error ? error.message : String(error)}`].join('; ');
    throw new HostError(
      `The host file ${urls.script} could not be loaded (${tried}). Serve the folders workers/ and assets/ of the package's dist/, and give their address as workerUrl; with Vite, the plugin epochly/vite does so.`,
      { cause: error },
    );
  }
}

type Way = readonly [name: string, open: (signal: AbortSignal | undefined) => Promise<HostChannel>];

function waysToOpen(urls: HostFileUrls): readonly Way[] {
  if (typeof Worker === 'undefined') {
    return [['worker', () => Promise.reject(new Error('there are no workers here'))]];
  }
  const fromUrl: Way = ['worker', (signal) => openWorker(urls.script, urls.assets, signal)];
  const fromBlob: Way = ['worker from a blob URL', (signal) => openFromBlob(urls, signal)];
  return isSameOrigin(urls.script) ? [fromUrl, fromBlob] : [fromBlob];
}

function isSameOrigin(url: string): boolean {
  const { origin } = globalThis.location;
  return origin !== 'null' && new URL(url).origin === origin;
}

async function openFromBlob(urls: HostFileUrls, signal: AbortSignal | undefined): Promise<HostChannel> {
  const response = await fetch(urls.script, { credentials: 'same-origin', ...(signal && { signal }) });
  if (!response.ok) throw new Error(`${urls.script} answered ${response.status} ${response.statusText}`.trim());
  const type = response.headers.get('content-type') ?? '';
  if (/\bhtml\b/.test(type)) throw new Error(`${urls.script} is ${type}, not a script`);
  const blobUrl = URL.createObjectURL(new Blob([await response.arrayBuffer()], { type: 'text/javascript' }));
  const release = (): void => URL.revokeObjectURL(blobUrl);
  try {
    // Kept until the worker ends: the threads of a WebAssembly runtime are opened from the same URL, later.
    return await openWorker(blobUrl, urls.assets, signal, release);
  } catch (error) {
    release();
    throw error;
  }
}
