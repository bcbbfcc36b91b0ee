/** @module Where a framework's tensor is. Those of onnxruntime's shape say so by `location`, which epochly's own have none of. */

import { hasArray, read } from './shapes.ts';

const IN_MEMORY: ReadonlySet<unknown> = new Set(['cpu', 'cpu-pinned']);
/** What a disposed tensor says of its place: running with it is an error, which is the framework's to raise. */
const DISPOSED = 'none';

/** Whether `value` is a framework's tensor, wherever its data is. */
export function isFrameworkTensor(value: unknown): boolean {
  return (
    typeof read(value, 'location') === 'string' && typeof read(value, 'type') === 'string' && hasArray(value, 'dims')
  );
}

/** Whether a framework's tensor keeps its data on a GPU or another device. */
export function isOnDevice(value: unknown): boolean {
  const location = read(value, 'location');
  if (location === undefined || location === DISPOSED || IN_MEMORY.has(location)) return false;
  return isFrameworkTensor(value);
}
