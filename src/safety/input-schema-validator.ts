/** @module Whether inputs are what a model takes, before it is called. */

import { contentsOf, describe, isHuge, shorten } from './field-contents.ts';
import { FieldError } from './field-error.ts';
import { InputSchema } from './input-schema.ts';
import type { FieldSpec } from './input-schema.ts';

/** What is wrong with inputs: all of it. */
export interface InputValidation {
  readonly valid: boolean;
  /** All there are, in the order of the schema's fields. */
  readonly errors: readonly FieldError[];
}

/**
 * Holds inputs against a schema. Inputs that the schema does not name are let through: a tokenizer gives more than some models take.
 *
 * @example
 * const { valid, errors } = new InputSchemaValidator(schema).validate({ input_ids, attention_mask });
 * if (!valid) throw new InputError(errors.join(' '));
 */
export class InputSchemaValidator {
  readonly schema: InputSchema;
  readonly #fields: readonly (readonly [string, FieldSpec])[];

  /** @throws ConfigError where the schema is no InputSchema, and none can be made from it */
  constructor(schema: InputSchema | ConstructorParameters<typeof InputSchema>[0]) {
    this.schema = schema instanceof InputSchema ? schema : new InputSchema(schema);
    this.#fields = Object.entries(this.schema.fields);
  }

  /**
   * Looks at each value once. Values are tensors, typed arrays, numbers, texts, booleans, or arrays of those; of tensors on a GPU only type and dims
   * are looked at. Never throws: what cannot be read is an error of its field.
   */
  validate(inputs: unknown): InputValidation {
    const errors =
      typeof inputs === 'object' && inputs !== null
        ? this.#fields.flatMap(([name, spec]) => fieldErrors(name, spec, inputs))
        : [
            new FieldError(
              'inputs',
              'type',
              'an object',
              describe(inputs),
              `expected an object of inputs by name, got ${describe(inputs)}.`,
            ),
          ];
    return { valid: errors.length === 0, errors };
  }
}

function fieldErrors(name: string, spec: FieldSpec, inputs: object): readonly FieldError[] {
  try {
    const value = Object.hasOwn(inputs, name) ? (inputs as Readonly<Record<string, unknown>>)[name] : undefined;
    if (value === undefined) {
      if (!spec.required) return [];
      return [new FieldError(name, 'missing', wanted(spec), 'nothing', `expected ${wanted(spec)}, got nothing.`)];
    }
    return errorsOf(name, spec, value);
  } catch {
    return [
      new FieldError(
        name,
        'unreadable',
        wanted(spec),
        'a value that cannot be read',
        `expected ${wanted(spec)}, got a value that cannot be read.`,
      ),
    ];
  }
}

function errorsOf(name: string, spec: FieldSpec, value: unknown): readonly FieldError[] {
  const { misfit, place = '', shape, unshaped, out } = contentsOf(value, spec);
  const errors: FieldError[] = [];
  if (misfit !== undefined) {
    const type = spec.dtype ?? 'a tensor, a number or a text';
    const got = place === '' ? misfit : `${misfit} at ${shorten(place)}`;
    errors.push(new FieldError(name, 'type', type, got, `expected ${type}, got ${got}.`));
  }
  const isShaped = spec.shape === undefined || shape === undefined || fitsShape(shape, spec.shape);
  if (unshaped !== undefined || !isShaped) {
    const expected = spec.shape ?? 'any shape';
    const [got, words] =
      unshaped === undefined
        ? [shape as readonly number[], inBrackets(shape as readonly number[])]
        : [unshaped, unshaped];
    const wantedShape = typeof expected === 'string' ? expected : `the shape ${inBrackets(expected)}`;
    errors.push(new FieldError(name, 'shape', expected, got, `expected ${wantedShape}, got ${words}.`));
  }
  if (out !== undefined) {
    const { minVal, maxVal } = spec;
    const range = { ...(minVal === undefined ? {} : { minVal }), ...(maxVal === undefined ? {} : { maxVal }) };
    const more = out.count === 1 ? '' : `, and ${out.count - 1} more`;
    errors.push(
      new FieldError(
        name,
        'range',
        range,
        out,
        `expected values ${inWords(spec)}, got ${isHuge(out.value) ? 'a bigint of more than 64 bits' : out.value} at ${out.index}${more}.`,
      ),
    );
  }
  return errors;
}

function fitsShape(shape: readonly number[], wantedShape: readonly number[]): boolean {
  return shape.length === wantedShape.length && wantedShape.every((dim, i) => dim === -1 || dim === shape[i]);
}

function wanted({ dtype, shape }: FieldSpec): string {
  return `${dtype ?? 'any type'}${shape === undefined ? '' : ` of the shape ${inBrackets(shape)}`}`;
}

/** No more of a shape than can be read. */
function inBrackets(shape: readonly number[]): string {
  return `[${shape.slice(0, 8).join(', ')}${shape.length > 8 ? `, … ${shape.length} in all` : ''}]`;
}

function inWords({ minVal, maxVal }: FieldSpec): string {
  if (minVal === undefined) return `up to ${maxVal}`;
  return maxVal === undefined ? `from ${minVal}` : `from ${minVal} to ${maxVal}`;
}
