import { describe, expect, test, vi } from 'vitest';
import { valuesMatch } from '../../src/adapters/compare.ts';
import { ClosedError, ConfigError, DeadlineExceededError, InputError } from '../../src/errors.ts';
import { InferenceError } from '../../src/model-errors.ts';
import { GoldenStore } from '../../src/safety/golden-store.ts';
import { SafetyOrchestrator } from '../../src/safety/safety-orchestrator.ts';
import { structureOf } from '../../src/safety/output-structure.ts';
import { callShape } from '../../src/call-shape.ts';
import type { Portable } from '../../src/portable.ts';
import { tensor } from '../../src/tensor.ts';
import { createFakeClock } from '../helpers/fake-clock.ts';
import { createGated, inputOf, rightAnswer } from '../helpers/gated-optimization.ts';
import type { Behaviour } from '../helpers/gated-optimization.ts';

const isRight = (answer: Portable, inputs: readonly Portable[]): boolean =>
  valuesMatch(rightAnswer(inputs), answer, 1e-5);

describe('an optimisation that is right', () => {
  test('answers by and by, and each decision says what it rests on', async () => {
    const { call, gate, changes, audited, asked } = createGated();
    const by: string[] = [];
    for (let i = 0; i < 28; i++) by.push(await call());
    const [R, O] = ['reference', 'optimized'];
    const fourth = [R, R, R, O];
    const second = [R, O];
    // A golden, three beside the reference, a quarter of the calls, half of them, and all.
    const half = [...second, ...second, ...second, ...second, ...second];
    expect(by).toEqual([R, R, R, R, ...fourth, ...fourth, ...fourth, ...half, O, O]);
    expect(changes).toMatchObject([
      { from: 'capturing', to: 'canary', compared: 0 },
      { from: 'canary', to: 'shadow', compared: 3, answered: 0 },
      { from: 'shadow', to: 'staged', share: 0.25, compared: 6, answered: 0, shapes: 1 },
      { from: 'staged', to: 'staged', share: 0.5, compared: 9, answered: 3 },
      { from: 'staged', to: 'on', share: 1, compared: 14, answered: 8 },
    ]);
    expect(audited.map(({ operation, result }) => [operation, result])).toEqual(
      changes.map(({ to }) => ['gate_optimization', to]),
    );
    expect(audited[2]).toMatchObject({ modelId: 'model', optimizationName: 'webgpu', details: { compared: 6 } });
    expect(gate.getDiagnostics()).toMatchObject({ state: 'on', share: 1, answered: 10, fallbacks: 0, recoveries: 0 });
    // Of each shape a golden, each call until then, and what was compared.
    expect(asked.rebuilt).toBe(0);
  });

  test('is compared less and less, down to the rate, each shape by itself', async () => {
    let draws: number[] = [];
    // The chance that is asked for is found by what it is compared with.
    const random = vi.fn(() => draws.shift() ?? 0.999);
    const { call, enable, gate } = createGated({ sampleRate: 0.25, random });
    await enable();
    const compared = async (draw: number, length?: number): Promise<number> => {
      const before = gate.getDiagnostics().compared;
      draws = [draw];
      await call(length);
      return gate.getDiagnostics().compared - before;
    };
    // Eight answers in the stages: a ninth has the rate's chance.
    expect(await compared(0.24)).toBe(1);
    expect(await compared(0.26)).toBe(0);
    for (let i = 0; i < 6; i++) expect(await call(7)).toBe('reference');
    expect(await compared(0.99, 7)).toBe(1);
    expect(await compared(0.49, 7)).toBe(1);
    expect(await compared(0.49, 7)).toBe(0);
  });

  test('that is asked by many at once has one comparison under way, and all answers are right', async () => {
    const { gate, enable, settle, world, asked } = createGated({ sampleRate: 1 });
    let [running, most] = [0, 0];
    world.behaviourOf = () => {
      running++;
      most = Math.max(most, running);
      return 'right';
    };
    const calls = Array.from({ length: 50 }, (_, i) => inputOf(i));
    for (const wave of [1, 2, 3]) {
      const before = asked.optimized;
      const answers = await settle(Promise.all(calls.map((inputs) => gate.run(inputs))));
      expect(answers.every((answer, i) => isRight(answer, calls[i] as Portable[]))).toBe(true);
      running = 0;
      // A canary of three runs, or one call beside.
      expect(asked.optimized - before).toBeLessThanOrEqual(wave === 1 ? 3 : 4);
    }
    await enable();
    const before = asked.reference;
    await settle(Promise.all(calls.map((inputs) => gate.run(inputs))));
    expect(asked.reference - before).toBe(1);
  });
});

describe('it never answers', () => {
  test.each<[string, (inputs: readonly Portable[], run: number) => Behaviour]>([
    ['where it is wrong for the first golden', () => 'wrong'],
    ['where it is right once and then wrong', (_, run) => (run > 1 ? 'wrong' : 'right')],
    ['where it is wrong for the second call', (_, run) => (run === 4 ? 'wrong' : 'right')],
    ['where it is wrong for the last call beside the reference', (_, run) => (run === 6 ? 'wrong' : 'right')],
    ['where its answer is of another kind', () => 'misshapen'],
    ['where it answers NaN', () => 'NaN'],
  ])('%s', async (_name, behaviourOf) => {
    const { call, gate, world, changes } = createGated();
    let runs = 0;
    world.behaviourOf = (inputs) => behaviourOf(inputs, ++runs);
    for (let i = 0; i < 30; i++) expect(await call()).toBe('reference');
    expect(gate.state).toBe('off');
    expect(changes.at(-1)).toMatchObject({ to: 'off', wasWrong: true, answered: 0 });
    expect(runs).toBeLessThanOrEqual(6);
  });

  test('where the reference does not answer alike', async () => {
    let draw = 0;
    const { call, gate, asked } = createGated({}, { reference: async () => ++draw });
    await call();
    expect(gate.getDiagnostics()).toMatchObject({ state: 'off', reason: expect.stringContaining('alike') });
    expect(asked.optimized).toBe(0);
  });

  test('where it was wrong under another gate of the same', async () => {
    const { orchestrator, gate, call, enable, world, settle } = createGated({ sampleRate: 1 });
    const optimized = vi.fn(async () => 0);
    const request = { model: 'model', optimizationName: 'webgpu', reference: async () => 1, optimized };
    const beside = orchestrator.gateOptimization(request);
    await enable();
    world.behaviour = 'wrong';
    await call();
    expect([gate.state, beside.state]).toEqual(['off', 'off']);
    const later = orchestrator.gateOptimization(request);
    expect(later.getDiagnostics()).toMatchObject({ state: 'off', reason: expect.stringContaining('before') });
    expect(await settle(later.run([1]))).toBe(1);
    expect(orchestrator.gateOptimization({ ...request, optimizationName: 'wasm' }).state).toBe('capturing');
    expect(optimized).not.toHaveBeenCalled();
  });
});

describe('one that is wrong while it serves', () => {
  test('is off at the first comparison, for good, and its input is a golden', async () => {
    const goldens = new GoldenStore({ maxPerShape: 1 });
    const { call, enable, gate, world, changes, clock } = createGated({ sampleRate: 1, goldens });
    await enable();
    world.behaviour = 'wrong';
    expect(await call()).toBe('optimized');
    world.behaviour = 'right';
    expect(changes.at(-1)).toMatchObject({ from: 'on', to: 'off', wasWrong: true });
    const [golden] = goldens.get('model');
    expect(golden?.inputs).toEqual(inputOf(27));
    expect(golden?.output).toEqual(rightAnswer(inputOf(27)));
    await clock.run(86_400_000);
    expect(await call()).toBe('reference');
    expect(gate.state).toBe('off');
  });

  test('has served one wrong answer at most, where it goes wrong in the stages', async () => {
    // Three runs of the canary, three beside the reference, and eight in the stages.
    for (let begin = 6; begin < 14; begin++) {
      const { gate, settle, clock, world } = createGated();
      let runs = 0;
      world.behaviourOf = () => (++runs > begin ? 'wrong' : 'right');
      let wrong = 0;
      for (let i = 0; i < 40; i++) {
        const inputs = [0, 100, 200, 300].map((each) => inputOf(i + each));
        const answers = await settle(Promise.all(inputs.map((each) => gate.run(each))));
        wrong += answers.filter((answer, j) => !isRight(answer, inputs[j] as Portable[])).length;
        await clock.run(50);
      }
      expect([begin, gate.state, wrong]).toEqual([begin, 'off', 1]);
    }
  });

  test('is not given to those who wait for it when that is found out', async () => {
    const { gate, enable, world, settle, clock, call } = createGated({ sampleRate: 1 });
    await enable();
    world.behaviour = 'wrong';
    await settle(gate.run(inputOf(1)));
    // Its comparison takes the reference's time; these are asked meanwhile and would be answered later.
    await clock.run(9);
    world.behaviourOf = () => 'right';
    const late = gate.run(inputOf(2));
    await clock.run(1);
    expect(gate.state).toBe('off');
    expect(isRight(await settle(late), inputOf(2))).toBe(true);
    expect(await call()).toBe('reference');
  });

  test('for one shape is found in that shape', async () => {
    const { call, enable, gate, world } = createGated();
    await enable();
    world.behaviourOf = ([input]) => ((input as Float32Array).length === 7 ? 'wrong' : 'right');
    for (let i = 0; i < 3; i++) expect([await call(7), gate.state]).toEqual(['reference', i < 2 ? 'on' : 'off']);
    expect(gate.getDiagnostics()).toMatchObject({ state: 'off', reason: expect.stringContaining('Float32Array[7]') });
  });
});

describe('where it fails, the caller has the right answer within the call', () => {
  test.each<[Behaviour, number]>([
    ['fails', 12],
    ['NaN', 12],
    ['misshapen', 12],
    // What a hang is, is told by what its runs took.
    ['hangs', 5100],
  ])('%s; it is built anew after a while, proven again, and used again', async (behaviour, withinMs) => {
    const { gate, call, enable, settle, world, clock, asked, changes, states } = createGated({ sampleRate: 0 });
    await enable();
    world.behaviour = behaviour;
    const beganAt = clock.now();
    expect(isRight(await settle(gate.run(inputOf(99))), inputOf(99))).toBe(true);
    expect(clock.now() - beganAt).toBeLessThan(withinMs + 20);
    expect(changes.at(-1)).toMatchObject({ to: 'recovering', wasWrong: false });
    expect(gate.getDiagnostics()).toMatchObject({ share: 0, fallbacks: 1, recoveries: 1 });
    world.behaviour = 'right';
    for (let i = 0; i < 5; i++) expect(await call()).toBe('reference');
    expect(asked.rebuilt).toBe(0);
    await clock.run(62_000);
    expect([asked.rebuilt, gate.state]).toEqual([1, 'shadow']);
    await enable();
    expect(states().slice(-5)).toEqual(['recovering', 'shadow', 'staged', 'staged', 'on']);
    expect(await call()).toBe('optimized');
  });

  test('also where it is told of it between two calls', async () => {
    const { gate, enable, call, changes } = createGated();
    await enable();
    gate.fail('The process crashed.');
    expect(changes.at(-1)).toMatchObject({ to: 'recovering', reason: 'The process crashed.' });
    expect(await call()).toBe('reference');
  });

  test('and of errors that a runtime answers with it takes three in a row', async () => {
    let fails = false;
    const { gate, enable, settle } = createGated(
      { sampleRate: 0 },
      {
        optimized: async (inputs) => {
          if (fails) throw new InferenceError('Out of memory.');
          return rightAnswer(inputs);
        },
      },
    );
    await enable();
    fails = true;
    for (const state of ['on', 'on', 'recovering']) {
      expect(isRight(await settle(gate.run(inputOf(1))), inputOf(1))).toBe(true);
      expect(gate.state).toBe(state);
    }
  });

  test('it is not built anew before what was under way has ended', async () => {
    const { gate, call, world, clock, asked } = createGated();
    await call();
    world.behaviour = 'hangs';
    await call();
    gate.fail('The device is lost.');
    await clock.run(100_000);
    expect(asked.rebuilt).toBe(0);
    world.behaviour = 'right';
    await clock.run(30_000);
    expect([asked.rebuilt, gate.state]).toEqual([1, 'capturing']);
    for (let i = 0; i < 2; i++) await call();
    expect(gate.state).toBe('shadow');
  });

  test('what a rebuilt one is wrong for turns it off', async () => {
    const { gate, enable, world, clock } = createGated();
    await enable();
    gate.fail('The device is lost.');
    world.behaviour = 'wrong';
    await clock.run(62_000);
    expect(gate.state).toBe('off');
  });

  test.each(['fails', 'hangs'] as const)('one whose building anew %s is tried again, later and later', async (how) => {
    const { gate, enable, world, clock, asked } = createGated();
    await enable();
    world.rebuilds = how;
    gate.fail('The device is lost.');
    const at: number[] = [];
    let seen = 0;
    for (let ms = 0; ms < 3_600_000; ms += 1000) {
      await clock.run(1000);
      if (asked.rebuilt > seen) at.push(clock.now());
      seen = asked.rebuilt;
    }
    const waits = at.slice(1).map((each, i) => each - (at[i] as number));
    expect(at.length).toBeGreaterThan(5);
    expect(at.length).toBeLessThan(40);
    // The dwell time begins anew with each that failed.
    expect(Math.min(...waits)).toBeGreaterThan(60_000);
    expect(waits.at(-1)).toBeGreaterThan(250_000);
    world.rebuilds = 'right';
    await clock.run(600_000);
    expect(gate.state).toBe('shadow');
  });

  test('one that fails again and again is used less and less', async () => {
    const { gate, call, world, clock, asked } = createGated({ sampleRate: 0 });
    let runs = 0;
    // Each copy breaks after a hundred runs.
    world.behaviourOf = () => (++runs % 100 === 0 ? 'fails' : 'right');
    const day = clock.now() + 86_400_000;
    while (clock.now() < day) {
      await call();
      await clock.run(gate.state === 'recovering' ? 10_000 : 100);
    }
    expect(asked.rebuilt).toBeGreaterThan(3);
    expect(asked.rebuilt).toBeLessThan(15);
  });

  test('a shape that it dies of is left to the reference, and it goes on for the others', async () => {
    const { gate, call, enable, world, clock } = createGated();
    await enable();
    world.behaviourOf = ([input]) => ((input as Float32Array).length === 7 ? 'fails' : 'right');
    for (let i = 0; i < 2; i++) expect([await call(7), gate.state]).toEqual(['reference', 'on']);
    for (let i = 0; i < 3; i++) {
      expect(await call(7)).toBe('reference');
      expect(gate.state).toBe('recovering');
      await clock.run(3_600_000);
      await enable();
      expect(gate.state).toBe('on');
    }
    for (let i = 0; i < 5; i++) expect(await call(7)).toBe('reference');
    expect(gate.state).toBe('on');
  });
});

describe('no failure of its own is', () => {
  test('an input that it refuses: the reference says so as well', async () => {
    const refuse = async (): Promise<Portable> => {
      throw new InputError('The dims are wrong.');
    };
    let refuses = false;
    const { gate, enable, settle } = createGated(
      {},
      {
        optimized: async (inputs) => (refuses ? refuse() : rightAnswer(inputs)),
        reference: async (inputs) => (refuses ? refuse() : rightAnswer(inputs)),
      },
    );
    await enable();
    refuses = true;
    for (let i = 0; i < 10; i++) await expect(settle(gate.run(inputOf(1)))).rejects.toThrow('dims');
    expect(gate.getDiagnostics()).toMatchObject({ state: 'on', recoveries: 0 });
  });

  test('a call that it alone refuses, of whatever kind: the reference is asked', async () => {
    let error: Error | undefined;
    const { gate, enable, settle } = createGated(
      {},
      {
        optimized: async (inputs) => {
          if (error !== undefined) throw error;
          return rightAnswer(inputs);
        },
      },
    );
    await enable();
    for (error of [new InputError('The dims are wrong.'), new ConfigError('executionProviders', 'No such provider.')]) {
      for (const options of [{}, { signal: new AbortController().signal }, { deadlineMs: 1000 }]) {
        expect(await settle(gate.run(inputOf(1), options))).toEqual(rightAnswer(inputOf(1)));
      }
    }
    expect(gate.getDiagnostics()).toMatchObject({ state: 'on', recoveries: 0, fallbacks: 6 });
  });

  test('a caller who leaves, or whose deadline passes', async () => {
    const { gate, enable, settle, world } = createGated();
    await enable();
    world.behaviour = 'hangs';
    for (let i = 0; i < 10; i++) {
      const leaving = new AbortController();
      const left = gate.run(inputOf(1), { signal: leaving.signal });
      leaving.abort(new Error('gone'));
      await expect(settle(left)).rejects.toThrow('gone');
      // Half of its time is the reference's.
      expect(isRight(await settle(gate.run(inputOf(1), { deadlineMs: 30 })), inputOf(1))).toBe(true);
      await expect(settle(gate.run(inputOf(1), { deadlineMs: 5 }))).rejects.toThrow(DeadlineExceededError);
    }
    expect(gate.getDiagnostics()).toMatchObject({ state: 'on', recoveries: 0 });
  });

  test('a machine that slept while it ran', async () => {
    const clock = createFakeClock();
    let sleptMs = 0;
    const asleep = { ...clock, now: () => clock.now() + sleptMs };
    const { gate, enable, settle } = createGated({ clock: asleep }, {}, clock);
    await enable();
    let answer!: (value: Portable) => void;
    const { gate: slow } = createGated(
      { clock: asleep },
      {
        model: 'other',
        proven: [callShape(inputOf(1))],
        optimized: (inputs) =>
          slow.state === 'on' ? new Promise((resolve) => (answer = resolve)) : rightAnswer(inputs),
      },
      clock,
    );
    for (let i = 0; i < 40 && slow.state !== 'on'; i++) await settle(slow.run(inputOf(i)));
    expect([gate.state, slow.state]).toEqual(['on', 'on']);
    const call = slow.run(inputOf(1));
    await clock.run(100);
    sleptMs = 3_600_000;
    await clock.run(5000);
    answer(rightAnswer(inputOf(1)) as Portable);
    expect(isRight(await settle(call), inputOf(1))).toBe(true);
    expect(slow.getDiagnostics()).toMatchObject({ state: 'on', fallbacks: 0 });
  });

  test('what is not finite where the reference is not either', async () => {
    const masked = async (): Promise<Portable> => tensor('float32', [1, -Infinity], [2]);
    const { gate, enable, settle } = createGated({}, { reference: masked, optimized: masked });
    await enable();
    for (let i = 0; i < 5; i++) await settle(gate.run(inputOf(1)));
    expect(gate.getDiagnostics()).toMatchObject({ state: 'on', recoveries: 0, fallbacks: 0 });
  });

  test('what is not finite for an input for which the reference is not either', async () => {
    const answer = async ([input]: readonly Portable[]): Promise<Portable> => (input as Float32Array).slice();
    const { gate, enable, settle } = createGated({}, { reference: answer, optimized: answer });
    await enable();
    const poisoned = [Float32Array.of(1, NaN, 2, 3)];
    expect(await settle(gate.run(poisoned))).toEqual(poisoned[0]);
    expect(gate.getDiagnostics()).toMatchObject({ state: 'on', recoveries: 0, fallbacks: 1 });
  });

  test('a reference that fails: nothing is found out, and its errors are the caller’s', async () => {
    const { gate, enable, settle, world, clock } = createGated({ sampleRate: 1 });
    await enable();
    world.referenceFails = true;
    for (let i = 0; i < 5; i++) await settle(gate.run(inputOf(i)));
    await clock.run(100);
    expect(gate.state).toBe('on');
    await expect(settle(gate.run(inputOf(1, 9)))).rejects.toThrow('The device is lost.');
    world.behaviour = 'fails';
    await expect(settle(gate.run(inputOf(1)))).rejects.toThrow('The device is lost.');
    expect(gate.state).toBe('recovering');
  });
});

test('a validator that hangs is no reason to go on: whatever is not compared any more counts as failed', async () => {
  let hangs = false;
  const differs = (): Promise<undefined> => new Promise((resolve) => hangs || resolve(undefined));
  const { gate, world, call, enable, clock, optimizedAnswers, settle } = createGated({ sampleRate: 1 }, { differs });
  await enable();
  hangs = true;
  world.behaviour = 'wrong';
  await call();
  await clock.run(121_000);
  expect([gate.state, gate.getDiagnostics().reason]).toEqual(['recovering', expect.stringMatching(/The comparison/)]);
  expect(optimizedAnswers.has((await settle(gate.run(inputOf(1)))) as object)).toBe(false);
  hangs = false;
  world.behaviour = 'right';
  await clock.run(3_600_000);
  await enable();
  expect(gate.state).toBe('on');
});

test('what drifts within its bound is built anew, and what was kept of its answers is not taken back', async () => {
  let off = 0;
  let draws = 0;
  const { enable, call, changes, gate } = createGated(
    { sampleRate: 1, random: () => ((draws++ * 37) % 100) / 100 },
    { optimized: async (inputs) => rightAnswer(inputs).map((each) => each * (1 + off * (1 + (draws % 7) / 100))) },
  );
  await enable();
  off = 1e-6;
  for (let i = 0; i < 200; i++) await call();
  expect(gate.state).toBe('on');
  off = 1e-4;
  for (let i = 0; i < 40 && gate.state === 'on'; i++) await call();
  expect(changes.at(-1)).toMatchObject({
    to: 'recovering',
    wasWrong: false,
    reason: expect.stringContaining('drifted'),
  });
});

describe('closed', () => {
  test('a call that hangs is answered by the reference all the same, and nothing is waited for after it', async () => {
    const { gate, enable, settle, world, clock } = createGated();
    await enable();
    world.behaviour = 'hangs';
    const waiting = gate.run(inputOf(900));
    gate[Symbol.dispose]();
    expect(isRight(await settle(waiting), inputOf(900))).toBe(true);
    expect(clock.pending).toBe(0);
  });

  test.each<[string, (gated: ReturnType<typeof createGated>) => Promise<unknown>]>([
    ['before a call', async () => undefined],
    ['in the canary', async ({ gate, settle }) => settle(gate.run(inputOf(1)))],
    ['beside the reference', async ({ call }) => call()],
    ['when it is on', async ({ enable }) => enable()],
    ['while it recovers', async ({ gate, enable }) => enable().then(() => gate.fail('lost'))],
    [
      'while it is built anew',
      async ({ gate, enable, world, clock }) => {
        await enable();
        world.rebuilds = 'hangs';
        gate.fail('lost');
        await clock.run(62_000);
      },
    ],
    [
      'while an answer is compared',
      async ({ gate, enable, settle }) => {
        await enable();
        await settle(gate.run(inputOf(1)));
      },
    ],
  ])('%s, it does nothing any more', async (_name, reach) => {
    const gated = createGated({ sampleRate: 1 });
    const { gate, clock, asked, changes } = gated;
    await reach(gated);
    const waiting = gate.run(inputOf(50));
    gate[Symbol.dispose]();
    gate[Symbol.dispose]();
    expect(isRight(await gated.settle(waiting), inputOf(50))).toBe(true);
    await expect(gate.run(inputOf(1))).rejects.toThrow(ClosedError);
    gate.fail('late');
    const before = { ...asked };
    await clock.run(100);
    expect(clock.pending).toBe(0);
    await clock.run(86_400_000);
    expect(asked).toEqual(before);
    expect(changes.filter(({ to }) => to === 'closed')).toHaveLength(1);
    expect(changes.at(-1)?.to).toBe('closed');
  });
});

test.each([{ sampleRate: 2 }, { shadowCalls: 0 }, { stages: [{ share: 0, answers: 1 }] }])('refuses %j', (options) => {
  expect(() => new SafetyOrchestrator(options)).toThrow(ConfigError);
});

test('refuses a workload that has no validator', () => {
  const run = async (): Promise<Portable> => 1;
  const request = { model: 'm', optimizationName: 'o', reference: run, optimized: run, workloadType: 'poems' };
  expect(() => new SafetyOrchestrator().gateOptimization(request)).toThrow(RangeError);
});

test.each<[Portable, Portable, boolean]>([
  [{ a: tensor('float32', [1], [1, 1]), b: 1 }, { b: 2, a: tensor('float32', [1, 2], [1, 2]) }, true],
  [tensor('float32', [1], [1]), tensor('float32', [1], [1, 1]), false],
  [tensor('float32', [1], [1]), tensor('int32', [1], [1]), false],
  [{ a: 1 }, { a: 1, b: 1 }, false],
  [[1, 2], [], true],
  ['a', null, false],
])('%j and %j are of one structure: %s', (a, b, same) => {
  expect(structureOf(a) === structureOf(b)).toBe(same);
});

describe('of a shape that it was proven on elsewhere, and of which there are no goldens here,', () => {
  test('it answers nothing, trusted or not, before something is known that its answers cannot be', async () => {
    const { enable, world, gate, settle } = createGated({}, { proven: [callShape(inputOf(1))], isTrusted: true });
    expect(gate.state).toBe('shadow');
    await enable();
    expect(gate.state).toBe('on');
    world.behaviour = 'NaN';
    expect(isRight(await settle(gate.run(inputOf(1))), inputOf(1))).toBe(true);
    expect(gate.state).toBe('recovering');
  });

  test('an answer of another structure is found within the call', async () => {
    const { enable, world, gate, settle } = createGated({}, { proven: [callShape(inputOf(1))] });
    await enable();
    expect(gate.state).toBe('on');
    world.behaviour = 'misshapen';
    expect(isRight(await settle(gate.run(inputOf(1))), inputOf(1))).toBe(true);
    expect(gate.state).toBe('recovering');
  });
});
