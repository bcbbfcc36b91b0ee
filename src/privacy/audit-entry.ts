/** @module One entry of the audit log: a decision, who made it about what, and its evidence. */

/** What evidence may be made of. */
export type AuditValue =
  | null
  | boolean
  | number
  | string
  | readonly AuditValue[]
  | { readonly [key: string]: AuditValue };

/** Evidence, as plain data. */
export type AuditDetails = { readonly [key: string]: AuditValue };

/** An entry as it is kept and written. */
export interface AuditEntry {
  /** Seconds since the Unix epoch. */
  readonly timestamp: number;
  readonly operation: string;
  readonly model_id: number | string;
  readonly optimization_name: string;
  readonly result: string;
  /** Empty where there are none. */
  readonly details: AuditDetails;
}

/** Deepest nesting, most values and longest strings that are kept of an entry's details; beyond stands '…'. */
const MAX_DEPTH = 8;
const MAX_VALUES = 1000;
const MAX_TEXT = 2048;
const CUT = '…';

/**
 * A frozen copy as plain data, whatever was given: bigints and numbers that JSON has not become strings, what is no data
 * becomes what it is called. An entry must never fail whoever reports it.
 */
export function copyDetails(details: Readonly<Record<string, unknown>> | undefined): AuditDetails {
  let values = 0;
  const copy = (value: unknown, depth: number): AuditValue => {
    if (value === null || value === undefined) return null;
    if (typeof value === 'boolean') return value;
    if (typeof value === 'number') return Number.isFinite(value) ? value : String(value);
    if (typeof value !== 'object') return shorten(textOf(value));
    if (depth === MAX_DEPTH || values >= MAX_VALUES) return CUT;
    if (Array.isArray(value)) return Object.freeze(value.slice(0, MAX_VALUES).map((each) => counted(each, depth)));
    const prototype: unknown = Object.getPrototypeOf(value);
    return prototype === null || prototype === Object.prototype ? copyObject(value, depth) : shorten(textOf(value));
  };
  const counted = (value: unknown, depth: number): AuditValue =>
    ++values > MAX_VALUES ? CUT : attempt(() => copy(value, depth + 1));
  const copyObject = (object: object, depth: number): AuditDetails =>
    Object.freeze(
      Object.fromEntries(
        Object.keys(object)
          .slice(0, MAX_VALUES)
          .map((key) => [key, attempt(() => (object as Record<string, unknown>)[key])] as const)
          .filter(([, value]) => value !== undefined)
          .map(([key, value]) => [shorten(key), counted(value, depth)]),
      ),
    );
  return details === undefined ? EMPTY : (attempt(() => copyObject(details, 0), EMPTY) as AuditDetails);
}

const EMPTY: AuditDetails = Object.freeze({});

function attempt<T>(task: () => T, otherwise: AuditValue = 'unreadable'): T | AuditValue {
  try {
    return task();
  } catch {
    return otherwise;
  }
}

function textOf(value: unknown): string {
  if (value instanceof Error) return `${value.name}: ${value.message}`;
  if (value instanceof Date) return value.toISOString();
  // Nobody's own `toString`: it may take long, and a typed array's writes out all of it.
  const isOpaque = typeof value === 'object' || typeof value === 'function';
  return isOpaque ? Object.prototype.toString.call(value) : String(value);
}

export function shorten(text: string): string {
  return text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}${CUT}` : text;
}
