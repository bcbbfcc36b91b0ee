/** @module What a model's inputs must be. */

import type { ModelInfo } from '../adapters/adapter.ts';
import { ConfigError } from '../errors.ts';
import { TENSOR_ARRAYS } from '../tensor.ts';
import type { TensorType } from '../tensor.ts';

/** What one input must be. What is left out may be anything. */
export interface FieldSpecInit {
  readonly dtype?: TensorType | undefined;
  /** Sizes of the dimensions, outermost first; -1 is any size. A single number or text has none: []. */
  readonly shape?: readonly number[] | undefined;
  /** Smallest and largest value of any element, both allowed themselves. NaN is out of every range. */
  readonly minVal?: number | bigint | undefined;
  readonly maxVal?: number | bigint | undefined;
  /** Whether it may not be missing. Default true. */
  readonly required?: boolean | undefined;
}

/** One input's specification. */
export class FieldSpec implements FieldSpecInit {
  readonly dtype: TensorType | undefined;
  readonly shape: readonly number[] | undefined;
  readonly minVal: number | bigint | undefined;
  readonly maxVal: number | bigint | undefined;
  readonly required: boolean;

  /** @throws ConfigError naming what cannot be: a type there is none of, a size below -1, a range without a value, or of texts. */
  constructor({ dtype, shape, minVal, maxVal, required = true }: FieldSpecInit) {
    if (dtype !== undefined && dtype !== 'string' && !Object.hasOwn(TENSOR_ARRAYS, dtype))
      throw new ConfigError(
        'dtype',
        `There is no type ${JSON.stringify(dtype)}. The types are ${[...Object.keys(TENSOR_ARRAYS), 'string'].join(', ')}.`,
      );
    if (shape !== undefined && !(Array.isArray(shape) && shape.every((dim) => Number.isSafeInteger(dim) && dim >= -1)))
      throw new ConfigError('shape', `A shape is a list of sizes, with -1 for any, not ${JSON.stringify(shape)}.`);
    for (const [name, bound] of Object.entries({ minVal, maxVal })) {
      if (bound !== undefined && (Number.isNaN(bound) || (typeof bound !== 'number' && typeof bound !== 'bigint')))
        throw new ConfigError(name, `${name} is a number, not ${String(bound)}.`);
      if (bound !== undefined && dtype === 'string')
        throw new ConfigError(name, `${name} is of numbers, and the field is of texts.`);
    }
    if (minVal !== undefined && maxVal !== undefined && minVal > maxVal)
      throw new ConfigError('minVal', `minVal ${minVal} is above maxVal ${maxVal}: no value is in that range.`);
    this.dtype = dtype;
    this.shape = shape && Object.freeze([...shape]);
    this.minVal = minVal;
    this.maxVal = maxVal;
    this.required = required;
    Object.freeze(this);
  }
}

/**
 * The inputs of a model, by name.
 *
 * @example
 * new InputSchema({ fields: { input_ids: { dtype: 'int64', shape: [-1, 128], minVal: 0, maxVal: 30_522 } } })
 */
export class InputSchema {
  readonly fields: Readonly<Record<string, FieldSpec>>;

  /** @throws ConfigError naming the field, as in `fields.input_ids.shape` */
  constructor({ fields }: { readonly fields: Readonly<Record<string, FieldSpecInit>> }) {
    // Not assigned: an input may be called __proto__.
    this.fields = Object.freeze(
      Object.fromEntries(Object.entries(fields).map(([name, spec]) => [name, specOf(name, spec)])),
    );
  }
}

function specOf(name: string, spec: FieldSpecInit): FieldSpec {
  try {
    return spec instanceof FieldSpec ? spec : new FieldSpec(spec);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    throw new ConfigError(`fields.${name}.${error.field}`, `${name}: ${error.message}`, { cause: error });
  }
}

/**
 * What a model says of its inputs: their types and sizes. Which values they may have no model says. Dimensions that it leaves open may have
 * any size, also those of one name: files often give one name to several.
 */
export function inferSchema({ inputs }: Pick<ModelInfo, 'inputs'>): InputSchema {
  return new InputSchema({
    fields: Object.fromEntries(
      inputs.map(({ name, type, dims }) => [
        name,
        {
          dtype: type,
          shape: dims?.map((dim) => (typeof dim === 'number' && Number.isSafeInteger(dim) && dim >= 0 ? dim : -1)),
        },
      ]),
    ),
  });
}
