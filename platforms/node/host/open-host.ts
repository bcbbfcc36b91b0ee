/** @module Opens a host in Node. */

import { abortReason } from '../../../src/errors.ts';
import type { HostChannel, HostOptions } from '../../../src/host/channel.ts';
import { openInline } from './inline-host.ts';
import { openProcess } from './process-host.ts';
import { openThread } from './thread-host.ts';

/** @throws the reason of `signal` as soon as it aborts; HostError where that kind of host cannot be had. */
export async function openHost({ kind, framework, signal }: HostOptions): Promise<HostChannel> {
  if (signal?.aborted === true) throw abortReason(signal);
  const opening = open({ kind, framework });
  return signal === undefined ? opening : unlessAborted(opening, signal);
}

async function open({ kind, framework }: Pick<HostOptions, 'kind' | 'framework'>): Promise<HostChannel> {
  switch (kind) {
    case 'worker':
      return openThread(framework);
    case 'process':
      return openProcess(framework);
    case 'inline':
      return openInline(framework);
  }
}

/** Who has left does not wait for the host, which is ended once it is there. */
function unlessAborted(opening: Promise<HostChannel>, signal: AbortSignal): Promise<HostChannel> {
  return new Promise((resolve, reject) => {
    const leave = (): void => {
      reject(abortReason(signal));
      void opening.then((channel) => channel.terminate()).catch(() => undefined);
    };
    signal.addEventListener('abort', leave);
    opening.then(resolve, reject).finally(() => signal.removeEventListener('abort', leave));
  });
}
