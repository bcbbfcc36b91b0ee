/** @module Calls that wait for others to be joined with: what they are kept in, and joined in. */

import { ArrayPool } from '../array-pool.ts';
import type { ModelCall } from '../call.ts';
import { isPlainObject } from '../portable.ts';
import type { TypedArray } from '../portable.ts';
import { valuesOf } from '../shapes.ts';
import { isTensorLike } from '../tensor.ts';
import type { TensorLike } from '../tensor.ts';
import type { MakeTensor } from './rows.ts';

export const waitingCalls: ArrayPool = new ArrayPool();

/** The call with copies of its feeds, which stay as they are now; whatever is no feed is left as it is. */
export function retainFeeds(call: ModelCall, make: MakeTensor): ModelCall {
  const [feeds, ...rest] = call.args;
  if (!isPlainObject(feeds)) return call;
  const copies = Object.entries(feeds).map(([name, value]) => [
    name,
    isTensorLike(value) ? copyTensor(value, make) : value,
  ]);
  return { ...call, args: [Object.fromEntries(copies), ...rest] };
}

function copyTensor({ type, data, dims }: TensorLike, make: MakeTensor): TensorLike {
  return make(type, Array.isArray(data) ? data.slice() : waitingCalls.copy(data as TypedArray), dims.slice());
}

/** Nobody reads the feeds of a call any more that was retained or joined. */
export function giveFeedsBack({ args: [feeds] }: ModelCall): void {
  for (const each of valuesOf(feeds)) if (isTensorLike(each)) waitingCalls.giveBack(each.data);
}
