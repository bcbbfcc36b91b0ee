/** @module Numbers of 16-bit floating point patterns (IEEE 754-2019, binary16). */

/** The number that a pattern stands for. */
export function float16Value(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0x1f) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15));
}

/** The numbers of a float16 tensor's data; a Float16Array is taken as it is. */
export function float16Values(data: unknown): ArrayLike<number> {
  if ((data as { readonly [Symbol.toStringTag]?: string })[Symbol.toStringTag] === 'Float16Array') {
    return data as unknown as ArrayLike<number>;
  }
  return Float64Array.from(data as Uint16Array, float16Value);
}
