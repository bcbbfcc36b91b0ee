/** @module Looking at values of unknown make without setting off what they do. */

/** A property; undefined where reading it throws, or there is nothing to read from. */
export function read(value: unknown, key: PropertyKey): unknown {
  if ((typeof value !== 'object' || value === null) && typeof value !== 'function') return undefined;
  try {
    return (value as Record<PropertyKey, unknown>)[key];
  } catch {
    return undefined;
  }
}

/** Whether all of `keys` are methods of the value. */
export function hasMethods(value: unknown, ...keys: readonly string[]): boolean {
  return keys.every((key) => typeof read(value, key) === 'function');
}

/** Whether the property is an array. `Array.isArray` throws for a revoked proxy; this does not. */
export function hasArray(value: unknown, key: PropertyKey): boolean {
  try {
    return Array.isArray(read(value, key));
  } catch {
    return false;
  }
}

/** Whether the property is an object, and no function. */
export function hasObject(value: unknown, key: PropertyKey): boolean {
  const found = read(value, key);
  return typeof found === 'object' && found !== null;
}

/** The values of an object's own enumerable properties; none where they cannot be read. */
export function valuesOf(value: unknown): readonly unknown[] {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return [];
  try {
    return Object.values(value);
  } catch {
    return [];
  }
}

/** Whether any value in `value`, at most `depth` levels in, satisfies the condition. Data of tensors is not looked through. */
export function someValue(value: unknown, condition: (each: unknown) => boolean, depth = 8): boolean {
  const seen = new Set<unknown>();
  const look = (each: unknown, left: number): boolean => {
    if (condition(each)) return true;
    if (left === 0 || typeof each !== 'object' || each === null || seen.has(each)) return false;
    seen.add(each);
    return valuesOf(each).some((inner) => look(inner, left - 1));
  };
  return look(value, depth);
}
