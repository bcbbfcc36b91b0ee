/** @module The memory of this process. */

import { freemem } from 'node:os';

export function memory(): { readonly usedBytes: number; readonly availableBytes: number } {
  // Within a container only the process itself knows its limit; Node 22 can say what is left of it.
  const limited = (process as { availableMemory?(): number }).availableMemory?.();
  return { usedBytes: process.memoryUsage.rss(), availableBytes: limited ?? freemem() };
}
