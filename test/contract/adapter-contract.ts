/** @module What every InferenceAdapter must do, as tests: for adapters of one's own, from 'epochly/testing'. */

import { describe, expect, test } from 'vitest';
import type { EntryPoint, InferenceAdapter } from '../../src/adapters/adapter.ts';
import type { ModelCall } from '../../src/call.ts';
import { decodePortable, encodePortable } from '../../src/codec.ts';
import { UnsupportedOperationError } from '../../src/errors.ts';
import type { MaybePromise } from '../../src/platform.ts';
import { copyPortable, portableBuffers } from '../../src/portable.ts';
import type { Portable } from '../../src/portable.ts';

export interface AdapterContractOptions<Model extends object> {
  readonly adapter: InferenceAdapter<Model>;
  /** Opens a model. Called a few times; each may be the same one. */
  readonly makeModel: () => MaybePromise<Model>;
  /**
   * A call that can be cached. Equal numbers give equal calls in memory of their own, different numbers give calls that are
   * answered differently.
   */
  readonly makeCall: (model: Model, variant: number) => MaybePromise<ModelCall>;
  /** Values of the framework, and look-alikes, that are no models. */
  readonly notModels?: readonly unknown[];
  /** How far answers of a batch may be from those of calls on their own. Default 1e-4. */
  readonly batchTolerance?: number;
}

/** Objects that nobody's model looks like, and that throw or lie when they are looked at. */
function hostileObjects(): readonly (readonly [string, unknown])[] {
  const boom = (): never => {
    throw new Error('looked at');
  };
  const traps = { get: boom, has: boom, getPrototypeOf: boom, ownKeys: boom, getOwnPropertyDescriptor: boom };
  const revoked = Proxy.revocable({}, {});
  revoked.revoke();
  const inner = Proxy.revocable([], {});
  inner.revoke();
  const everything = new Proxy({}, { get: () => () => undefined });
  return [
    ['undefined', undefined],
    ['null', null],
    ['a number', 1],
    ['a string', 'model'],
    ['a symbol', Symbol('model')],
    ['an empty object', {}],
    ['an object with run()', { run: () => undefined }],
    ['an array', []],
    ['an object without a prototype', Object.create(null)],
    ['a revoked proxy', revoked.proxy],
    ['a proxy that throws', new Proxy({}, traps)],
    ['a proxy that has every method', everything],
    ['a proxy whose properties are revoked', new Proxy({}, { get: () => inner.proxy })],
    [
      'throwing getters',
      Object.defineProperties({}, { run: { get: boom }, predict: { get: boom }, task: { get: boom } }),
    ],
  ];
}

/**
 * Tests an adapter on a model.
 *
 * @example testInferenceAdapter('mine', { adapter, makeModel: () => open(file), makeCall: (_model, n) => ({ entryPoint: 'run', args: [[n]] }) });
 */
export function testInferenceAdapter<Model extends object>(name: string, options: AdapterContractOptions<Model>): void {
  const { adapter, makeModel, makeCall, notModels = [], batchTolerance = 1e-4 } = options;

  const run = async (model: Model, { args, entryPoint }: ModelCall): Promise<unknown> =>
    adapter.runInference(model, args, entryPoint);
  const keyOf = async (model: Model, call: ModelCall): Promise<Uint8Array> => {
    const encoded = await adapter.encodeInputs(model, call);
    expect(encoded, 'the inputs of makeCall() are portable').toBeDefined();
    return encodePortable(encoded as Portable);
  };
  const setUp = async (variant = 1): Promise<{ model: Model; call: ModelCall; output: unknown; encoded: Portable }> => {
    const model = await makeModel();
    const call = await makeCall(model, variant);
    const output = await run(model, call);
    const encoded = await adapter.encode(model, call, output);
    expect(encoded, 'the answer of makeCall() is portable').toBeDefined();
    return { model, call, output, encoded };
  };

  describe(`the ${name} adapter keeps the contract`, () => {
    describe('detect', () => {
      test('recognises its models', async () => {
        expect(adapter.detect(await makeModel())).toBe(true);
      });

      test.each(hostileObjects())('does not recognise %s', (_what, value) => {
        expect(adapter.detect(value)).toBe(false);
      });

      test.runIf(notModels.length > 0)('does not recognise what only looks like one', () => {
        expect(notModels.map((value) => adapter.detect(value))).toEqual(notModels.map(() => false));
      });

      test('survives a function that throws when looked at', () => {
        const boom = (): never => {
          throw new Error('looked at');
        };
        expect(() =>
          adapter.detect(new Proxy(() => undefined, { get: boom, has: boom, getPrototypeOf: boom })),
        ).not.toThrow();
      });
    });

    test('says its name and its classes', () => {
      expect(adapter.name).not.toBe('');
      expect(adapter.getModelClasses().length).toBeGreaterThan(0);
    });

    test('says what a model is', async () => {
      const model = await makeModel();
      const info = adapter.getModelInfo(model);
      expect(info.framework).toBe(adapter.name);
      expect(info.modelType).toBe(adapter.classifyModel(model));
      for (const side of [info.inputs, info.outputs]) {
        expect(new Set(side.map((each) => each.name)).size).toBe(side.length);
      }
    });

    test('has entry points that exist, the primary one first', async () => {
      const model = await makeModel();
      const entryPoints = adapter.getEntryPoints(model);
      expect(entryPoints[0]?.kind).not.toBe('mutator');
      expect(entryPoints.length).toBeGreaterThan(0);
      expect(new Set(entryPoints.map((each) => each.name)).size).toBe(entryPoints.length);
      for (const each of entryPoints) {
        expect(typeof (each.name === '' ? model : (model as Record<string, unknown>)[each.name]), each.name).toBe(
          'function',
        );
      }
    });

    test('wraps through the proxy it is given', async () => {
      const model = await makeModel();
      const asked: (readonly [unknown, readonly EntryPoint[]])[] = [];
      const proxy = adapter.wrapForward(model, (inner, entryPoints) => {
        asked.push([inner, entryPoints]);
        return Object.create(inner) as typeof inner;
      });
      expect(asked).toEqual([[model, adapter.getEntryPoints(model)]]);
      expect(proxy).not.toBe(model);
    });

    test('runs the primary entry point where none is named', async () => {
      const model = await makeModel();
      const call = await makeCall(model, 1);
      const primary = adapter.getEntryPoints(model)[0]?.name as string;
      const named = await adapter.runInference(model, call.args, primary);
      expect(await adapter.outputsMatch(named, await adapter.runInference(model, call.args), 1e-6)).toBe(true);
    });

    test('tells answers apart', async () => {
      const { model, output } = await setUp(1);
      expect(await adapter.outputsMatch(output, output, 0)).toBe(true);
      expect(await adapter.outputsMatch(output, await run(model, await makeCall(model, 1)), 1e-6)).toBe(true);
      expect(await adapter.outputsMatch(output, await run(model, await makeCall(model, 2)), 1e-6)).toBe(false);
      expect(await adapter.outputsMatch(output, undefined, 1)).toBe(false);
      expect(await adapter.outputsMatch(undefined, output, 1)).toBe(false);
    });

    test('lets the call be cached', async () => {
      const model = await makeModel();
      expect(adapter.cacheRefusal(model, await makeCall(model, 1))).toBeUndefined();
    });

    test('equal inputs have equal keys, different ones different keys', async () => {
      const model = await makeModel();
      const key = await keyOf(model, await makeCall(model, 1));
      expect(await keyOf(model, await makeCall(model, 1))).toEqual(key);
      expect(await keyOf(model, await makeCall(model, 2))).not.toEqual(key);
    });

    test('running the model does not change the key of its inputs', async () => {
      const model = await makeModel();
      const call = await makeCall(model, 1);
      const before = await keyOf(model, call);
      await run(model, call);
      expect(await keyOf(model, call)).toEqual(before);
    });

    test('a kept answer is the answer, of the same class', async () => {
      const { model, call, output, encoded } = await setUp();
      const decoded = adapter.decode(model, call, encoded);
      expect(await adapter.outputsMatch(output, decoded, 0)).toBe(true);
      expect(await adapter.outputsMatch(decoded, output, 0)).toBe(true);
      expect(sameClasses(decoded, output)).toBe(true);
    });

    test('a kept answer goes through bytes and back', async () => {
      const { model, call, output, encoded } = await setUp();
      const stored = decodePortable(encodePortable(encoded));
      expect(await adapter.outputsMatch(output, adapter.decode(model, call, stored), 0)).toBe(true);
    });

    test('an answer that was given out shares no memory with what is kept', async () => {
      const { model, call, encoded } = await setUp();
      const kept = encodePortable(encoded);
      const decoded = adapter.decode(model, call, encoded);
      const again = (await adapter.encode(model, call, decoded)) as Portable;
      expect(encodePortable(again)).toEqual(kept);
      // What is kept is wiped; what was given out must not notice, and what was encoded from it must not either.
      for (const buffer of portableBuffers(encoded)) new Uint8Array(buffer).fill(0x55);
      expect(encodePortable((await adapter.encode(model, call, decoded)) as Portable)).toEqual(kept);
      expect(encodePortable(again)).toEqual(kept);
    });

    test('calls that share a batch get the answers they get alone', async (context) => {
      const model = await makeModel();
      const calls = [await makeCall(model, 1), await makeCall(model, 2)];
      const keys = calls.map((call) => adapter.batchKey(model, call));
      context.skip(typeof keys[0] === 'string', `the model cannot be batched: ${String(keys[0])}`);
      expect(keys[1], 'makeCall() gives calls of one shape').toEqual(keys[0]);
      const alone: Portable[] = [];
      for (const call of calls) alone.push((await adapter.encode(model, call, await run(model, call))) as Portable);

      const joined = adapter.join(model, calls);
      expect(joined.sizes).toHaveLength(2);
      const answers = adapter.split(model, joined, await run(model, joined));
      expect(answers).toHaveLength(2);
      for (const [i, call] of calls.entries()) {
        const expected = adapter.decode(model, call, alone[i] as Portable);
        expect(await adapter.outputsMatch(expected, answers[i], batchTolerance), `answer ${i}`).toBe(true);
        expect(sameClasses(answers[i], expected), `classes of answer ${i}`).toBe(true);
      }
    });

    test('hashes the model to the same text each time, or not at all', async () => {
      const model = await makeModel();
      const hash = await adapter.hashModel(model);
      if (hash !== undefined) expect(hash).toMatch(/^[0-9a-f]{64}$/);
      expect(await adapter.hashModel(model)).toBe(hash);
    });

    test('captures the same goldens each time, no more than asked for', async () => {
      const model = await makeModel();
      expect(await adapter.captureGolden(model, 0)).toEqual([]);
      const goldens = await adapter.captureGolden(model, 2);
      expect(goldens.length).toBeLessThanOrEqual(2);
      const again = await adapter.captureGolden(model, 2);
      expect(again.map(({ args }) => encodePortable(args))).toEqual(goldens.map(({ args }) => encodePortable(args)));
      for (const [i, golden] of goldens.entries()) {
        const call = { entryPoint: golden.entryPoint, args: golden.args };
        const decode = (output: Portable | undefined): unknown => adapter.decode(model, call, copyPortable(output));
        expect(await adapter.outputsMatch(decode(golden.output), decode(again[i]?.output), 1e-6)).toBe(true);
      }
    });

    test('compiles, or says what it needs', async () => {
      const model = await makeModel();
      const compiled = await Promise.resolve()
        .then(() => adapter.compile(model))
        .catch((error: unknown) => error);
      if (compiled instanceof Error) expect(compiled).toBeInstanceOf(UnsupportedOperationError);
      else expect(adapter.detect(compiled)).toBe(true);
    });
  });
}

/** By identity: an expectation that looks into a class of someone else's may trip over its getters. */
function sameClasses(a: unknown, b: unknown): boolean {
  const [left, right] = [prototypesIn(a), prototypesIn(b)];
  return left.length === right.length && left.every((each, i) => each === right[i]);
}

/** The classes in an answer, in order: what `instanceof` would see. */
function prototypesIn(value: unknown, depth = 4): unknown[] {
  if (typeof value !== 'object' || value === null) return [typeof value];
  const prototype: unknown = Object.getPrototypeOf(value);
  const inner = ArrayBuffer.isView(value) || depth === 0 ? [] : Object.values(value);
  const isContainer = prototype === Object.prototype || Array.isArray(value);
  return [prototype, ...(isContainer ? inner.flatMap((each) => prototypesIn(each, depth - 1)) : [])];
}
