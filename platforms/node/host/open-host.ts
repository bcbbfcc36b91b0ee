/** @module Opens a host in Node. */

import { abortReason } from '../../../src/errors.ts';
import type { HostChannel, HostOptions } from '../../../src/host/channel.ts';
import { openInline } from './inline-host.ts';
import { openProcess } from './process-host.ts';
import { openThread } from './thread-host.ts';

export async function openHost({ kind, framework, signal }: HostOptions): Promise<HostChannel> {
  if (signal?.aborted === true) throw abortReason(signal);
  switch (kind) {
    case 'worker':
      return openThread(framework);
    case 'process':
      return openProcess(framework);
    case 'inline':
      return openInline(framework);
  }
}
