/** @module Bounds that a validator's options set. */

import { ConfigError } from '../errors.ts';

/** A bound from 0, up to and with `most`. @throws ConfigError naming the option. */
export function limit(name: string, value: number, most: number = Infinity): number {
  if (!(value >= 0 && value <= most))
    throw new ConfigError(name, `${name} is a number from 0${most === Infinity ? '' : ` to ${most}`}, not ${value}.`);
  return value;
}

/** A whole number from 1. @throws ConfigError naming the option. */
export function count(name: string, value: number): number {
  if (!Number.isSafeInteger(value) || value < 1)
    throw new ConfigError(name, `${name} is a whole number from 1, not ${value}.`);
  return value;
}
