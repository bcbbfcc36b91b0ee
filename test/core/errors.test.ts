import { expect, test } from 'vitest';
import * as storeErrors from '../../src/cache/store-errors.ts';
import * as errors from '../../src/errors.ts';
import { KeyError } from '../../src/key-error.ts';
import * as modelErrors from '../../src/model-errors.ts';
import { SecurityError } from '../../src/privacy/security-result.ts';
import * as safetyErrors from '../../src/safety/safety-errors.ts';

const { EpochlyError } = errors;

const made = [
  new errors.UnsupportedModelError('x'),
  new errors.UnsupportedOperationError('x'),
  new errors.ConfigError('cache.l1_size', 'x'),
  new errors.InputError('x', { input: 'ids' }),
  new modelErrors.InferenceError('x', { cause: new Error('inner') }),
  new modelErrors.ModelLoadError('x'),
  new modelErrors.IdentityMismatchError('aa', 'bb'),
  new modelErrors.BackendUnavailableError('x', []),
  new modelErrors.HostError('x'),
  new errors.DeadlineExceededError(5),
  new errors.ClosedError(),
  new modelErrors.QueueFullError(1024, 5),
  new modelErrors.MissingPeerError('onnxruntime-node', '>=1.20'),
  new storeErrors.StoreFullError('x'),
  new storeErrors.StoreUnavailableError('x'),
  new KeyError('x'),
  new SecurityError([]),
  new safetyErrors.CircuitOpenError('webgpu', 'x', 5),
  new safetyErrors.WrongAnswerError('webgpu', 'x'),
  new safetyErrors.HopTimeoutError('webgpu', 5),
  new safetyErrors.FallbacksExhaustedError([]),
];

test.each(made.map((error) => [error.name, error] as const))(
  '%s is recognised as an EpochlyError with a code',
  (name, error) => {
    expect(EpochlyError.isInstance(error)).toBe(true);
    expect(EpochlyError.isInstance(error, error.code)).toBe(true);
    expect(error).toBeInstanceOf(Error);
    expect(error.name).toBe(name);
    expect(Object.keys(error)).not.toContain('Symbol(epochly.error)');
  },
);

test('codes and names are each unique', () => {
  expect(new Set(made.map((error) => error.code)).size).toBe(made.length);
  expect(new Set(made.map((error) => error.name)).size).toBe(made.length);
});

test('a wrong kind is a TypeError, a wrong value a RangeError', () => {
  expect(new errors.UnsupportedModelError('x')).toBeInstanceOf(TypeError);
  expect(new errors.ConfigError('a', 'x')).toBeInstanceOf(RangeError);
  expect(new errors.InputError('x')).toBeInstanceOf(RangeError);
});

test('isInstance holds for a mark made by another copy of the package, and for nothing else', () => {
  const other = Object.assign(new Error('x'), { code: 'CLOSED' });
  Object.defineProperty(other, Symbol.for('epochly.error'), { value: true });
  expect(EpochlyError.isInstance(other, 'CLOSED')).toBe(true);
  expect(EpochlyError.isInstance(other, 'HOST_FAILED')).toBe(false);
  for (const value of [new Error('x'), null, undefined, 'CLOSED', { code: 'CLOSED' }]) {
    expect(EpochlyError.isInstance(value)).toBe(false);
  }
});
