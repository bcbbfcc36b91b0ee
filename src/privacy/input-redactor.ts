/** @module Takes out of data what must not be kept. */

import { ConfigError } from '../errors.ts';
import { isPlainObject, isTypedArray, MAX_PORTABLE_DEPTH } from '../portable.ts';
import type { Portable } from '../portable.ts';
import { isTensorLike, Tensor } from '../tensor.ts';
import type { TensorLike } from '../tensor.ts';
import { BUILT_IN_PATTERNS, builtInPatterns } from './built-in-patterns.ts';
import type { BuiltInPattern } from './built-in-patterns.ts';
import { concat } from '../bytes.ts';
import { compilePattern } from './text-pattern.ts';
import type { TextPattern, TextRange } from './text-pattern.ts';
import { decodeAll, isPairAt, isStray, utf8Length } from './utf8.ts';

/** What is sensitive, and what stands for it. */
export interface InputRedactorOptions {
  /**
   * Regular expressions of what is sensitive. A string is read with the flag `u`; one that begins with `(?i)`, `(?m)` or `(?s)`
   * has that flag too. Default none.
   */
  readonly patterns?: readonly (string | RegExp)[] | undefined;
  /** Sets of patterns that come with the package. Default none. */
  readonly builtIns?: readonly BuiltInPattern[] | undefined;
  /** What stands for each match, as it is: `$&` means nothing. Default '[REDACTED]'. */
  readonly replacement?: string | undefined;
}

/**
 * Replaces what matches a pattern, in strings, in bytes that are UTF-8, and in the strings, keys and bytes within any
 * portable value. Each pattern is held against what was given, never against a replacement; matches that overlap or touch
 * are replaced as one; one that lies in the replacement's own text is none. What is spread over several strings is not
 * found, nor are numbers.
 *
 * A pattern whose time could grow faster than a text's length is refused. So is one that matches the empty text.
 *
 * @example new InputRedactor({ patterns: ['\\bEMP-\\d{6}\\b'], builtIns: ['email'] }).redact('ask ann@example.com');
 * @throws ConfigError naming the pattern, and why it is refused.
 */
export class InputRedactor {
  readonly replacement: string;
  readonly #patterns: readonly TextPattern[];
  readonly #replacementBytes: Uint8Array;

  constructor({ patterns = [], builtIns = [], replacement = '[REDACTED]' }: InputRedactorOptions = {}) {
    this.replacement = replacement;
    this.#replacementBytes = new TextEncoder().encode(replacement);
    this.#patterns = [
      ...patterns.map((pattern, i) => compilePattern(pattern, `patterns[${i}]`)),
      ...builtIns.flatMap((name, i) => {
        if (Object.hasOwn(BUILT_IN_PATTERNS, name)) return builtInPatterns(name);
        const known = Object.keys(BUILT_IN_PATTERNS).join(', ');
        throw new ConfigError(`builtIns[${i}]`, `There is no built-in pattern ${JSON.stringify(name)}, only ${known}.`);
      }),
    ];
  }

  /**
   * The same kind of value without what matches. Nothing that was given is changed; what holds no match is part of the
   * result as it is, not copied. Tensors keep their dims: of theirs only strings are looked at. Keys that become the same
   * are numbered.
   *
   * @throws TypeError for what is not portable.
   * @throws RangeError for values nested deeper than 64.
   */
  redact(data: string): string;
  redact(data: Uint8Array): Uint8Array;
  redact<T extends Portable>(data: T): T;
  redact(data: Portable): Portable {
    return this.#patterns.length === 0 ? data : this.#redact(data, 0);
  }

  /** Whether `redact` would change anything. */
  matches(data: Portable): boolean {
    return this.#patterns.length > 0 && this.#matches(data, 0);
  }

  #redact(value: Portable, depth: number): Portable {
    if (typeof value === 'string') return this.#redactText(value);
    if (typeof value !== 'object' || value === null) return value;
    if (isBytes(value)) return this.#redactBytes(value);
    if (isTypedArray(value)) return value;
    if (isTensorLike(value)) return this.#redactTensor(value);
    checkDepth(depth);
    if (Array.isArray(value)) {
      const items = value.map((each: Portable) => this.#redact(each, depth + 1));
      return items.some((each, i) => !Object.is(each, value[i])) ? items : value;
    }
    return this.#redactObject(asObject(value), depth);
  }

  #redactObject(object: Readonly<Record<string, Portable>>, depth: number): Portable {
    const entries = Object.entries(object);
    const redacted = entries.map(([key, each]) => [this.#redactText(key), this.#redact(each, depth + 1)] as const);
    if (redacted.every(([key, each], i) => key === entries[i]?.[0] && Object.is(each, entries[i]?.[1]))) return object;
    const taken = new Set(Object.keys(object));
    return Object.fromEntries(
      redacted.map(([key, each], i) => {
        if (key === entries[i]?.[0]) return [key, each];
        let free = key;
        for (let n = 2; taken.has(free); n++) free = `${key} ${n}`;
        taken.add(free);
        return [free, each];
      }),
    );
  }

  #redactTensor(tensor: TensorLike): TensorLike {
    if (tensor.type !== 'string') return tensor;
    const data = (tensor as TensorLike<'string'>).data.map((each) => this.#redactText(each));
    const changed = data.some((each, i) => each !== tensor.data[i]);
    return changed ? new Tensor('string', data, tensor.dims.slice()) : tensor;
  }

  #redactText(text: string): string {
    let [result, end] = ['', 0];
    for (const range of this.#rangesOf(text)) {
      result += text.slice(end, range.start) + this.replacement;
      ({ end } = range);
    }
    return end === 0 ? text : result + text.slice(end);
  }

  #redactBytes(bytes: Uint8Array): Uint8Array {
    const text = decodeAll(bytes);
    const ranges = this.#rangesOf(text).flatMap((range) => withoutStrays(text, range));
    if (ranges.length === 0) return bytes;
    const parts: Uint8Array[] = [];
    let [end, byteEnd] = [0, 0];
    for (const range of ranges) {
      const byteStart = byteEnd + byteLength(text, end, range.start);
      parts.push(bytes.subarray(byteEnd, byteStart), this.#replacementBytes);
      byteEnd = byteStart + byteLength(text, range.start, range.end);
      ({ end } = range);
    }
    return concat([...parts, bytes.subarray(byteEnd)]);
  }

  /** What to replace, from left to right, apart from each other. */
  #rangesOf(text: string): readonly TextRange[] {
    const found: TextRange[] = [];
    for (const pattern of this.#patterns) {
      pattern.some(text, (range) => {
        if (!this.#isReplacement(text, range)) found.push(wholeCharacters(text, range));
        return false;
      });
    }
    const apart: { readonly start: number; end: number }[] = [];
    for (const { start, end } of found.toSorted((a, b) => a.start - b.start)) {
      const last = apart.at(-1);
      if (last !== undefined && start <= last.end) last.end = Math.max(last.end, end);
      else apart.push({ start, end });
    }
    return apart;
  }

  #matches(value: Portable, depth: number): boolean {
    if (typeof value === 'string') return this.#matchesText(value);
    if (typeof value !== 'object' || value === null) return false;
    if (isBytes(value)) return this.#matchesBytes(value);
    if (isTypedArray(value)) return false;
    if (isTensorLike(value))
      return value.type === 'string' && (value as TensorLike<'string'>).data.some((each) => this.#matchesText(each));
    checkDepth(depth);
    if (Array.isArray(value)) return value.some((each: Portable) => this.#matches(each, depth + 1));
    return Object.entries(asObject(value)).some(
      ([key, each]) => this.#matchesText(key) || this.#matches(each, depth + 1),
    );
  }

  #matchesText(text: string): boolean {
    return this.#patterns.some((pattern) => pattern.some(text, (range) => !this.#isReplacement(text, range)));
  }

  #matchesBytes(bytes: Uint8Array): boolean {
    const text = decodeAll(bytes);
    const isText = (range: TextRange): boolean =>
      !this.#isReplacement(text, range) && withoutStrays(text, range).length > 0;
    return this.#patterns.some((pattern) => pattern.some(text, isText));
  }

  /** Whether a match lies within what is itself the replacement: redacting twice changes nothing more. */
  #isReplacement(text: string, { start, end }: TextRange): boolean {
    const { length } = this.replacement;
    if (end - start > length) return false;
    for (let at = Math.max(0, end - length); at <= start; at++) if (text.startsWith(this.replacement, at)) return true;
    return false;
  }
}

function isBytes(value: object): value is Uint8Array {
  return ArrayBuffer.isView(value) && (value as Partial<Uint8Array>)[Symbol.toStringTag] === 'Uint8Array';
}

function checkDepth(depth: number): void {
  if (depth >= MAX_PORTABLE_DEPTH)
    throw new RangeError(`The value is nested deeper than ${MAX_PORTABLE_DEPTH} levels.`);
}

function asObject(value: object): Readonly<Record<string, Portable>> {
  if (!isPlainObject(value))
    throw new TypeError('Only plain objects, arrays, typed arrays and tensors can be redacted.');
  return value as Readonly<Record<string, Portable>>;
}

/** A range that begins and ends between characters: without the flag `u` a match may halve one. */
function wholeCharacters(text: string, { start, end }: TextRange): TextRange {
  return {
    start: start > 0 && isPairAt(text, start - 1) ? start - 1 : start,
    end: end > 0 && isPairAt(text, end - 1) ? end + 1 : end,
  };
}

/** The parts of a range that are text. */
function withoutStrays(text: string, { start, end }: TextRange): readonly TextRange[] {
  const parts: TextRange[] = [];
  let begin = start;
  for (let i = start; i <= end; i++) {
    if (i < end && (!isStray(text.charCodeAt(i)) || (i > 0 && isPairAt(text, i - 1)))) continue;
    if (i > begin) parts.push({ start: begin, end: i });
    begin = i + 1;
  }
  return parts;
}

/** Bytes that a part of what `decodeAll` gave came from. */
function byteLength(text: string, start: number, end: number): number {
  let strays = 0;
  for (let i = start; i < end; i++) if (isStray(text.charCodeAt(i)) && !(i > 0 && isPairAt(text, i - 1))) strays++;
  return utf8Length(text, start, end) - 2 * strays;
}
