/** A gate before an optimisation that is simulated on the fake clock: right, wrong, failing or hanging, as it is told. */

import type { HopOptions } from '../../src/safety/hop-time.ts';
import type { GateChange } from '../../src/safety/gate-report.ts';
import type { GateRequest } from '../../src/safety/gate-request.ts';
import { SafetyOrchestrator } from '../../src/safety/safety-orchestrator.ts';
import type { SafetyOrchestratorOptions } from '../../src/safety/safety-orchestrator.ts';
import type { AuditEvent } from '../../src/privacy/audit-logger.ts';
import type { Portable } from '../../src/portable.ts';
import { createFakeClock } from './fake-clock.ts';

/** What it does with its next runs. */
export type Behaviour = 'right' | 'wrong' | 'fails' | 'hangs' | 'NaN' | 'refuses' | 'misshapen';

export const REFERENCE_MS = 10;
export const OPTIMIZED_MS = 1;

/** Says which call it is in its first place. */
export const inputOf = (call: number, length = 4): readonly Portable[] => [
  Float32Array.from({ length }, (_, i) => call + i),
];
export const rightAnswer = ([input]: readonly Portable[]): Float32Array =>
  (input as Float32Array).map((each) => each * 2 + 1);

export function createGated(
  options: SafetyOrchestratorOptions = {},
  request: Partial<GateRequest> = {},
  clock = createFakeClock(),
) {
  const changes: GateChange[] = [];
  const audited: AuditEvent[] = [];
  const orchestrator = new SafetyOrchestrator({
    clock,
    random: () => 0.5,
    audit: (event) => audited.push(event),
    ...options,
  });
  /** Runs of either that are under way. */
  const running = new Set<Promise<unknown>>();
  /** How often each was asked. */
  const asked = { reference: 0, optimized: 0, rebuilt: 0 };
  const world = {
    behaviour: 'right' as Behaviour,
    rebuilds: 'right' as 'right' | 'fails' | 'hangs',
    /** Overrides the behaviour for an input. */
    behaviourOf: (_inputs: readonly Portable[]): Behaviour => world.behaviour,
    referenceFails: false,
  };
  /** Answers of the optimisation. */
  const optimizedAnswers = new WeakSet<object>();
  const answerAfter = <T>(ms: number, make: () => T, signal: AbortSignal): Promise<T> => {
    const run = new Promise<T>((resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason as Error));
      if (ms === Infinity) return;
      clock.after(ms, () => {
        try {
          resolve(make());
        } catch (error) {
          reject(error as Error);
        }
      });
    });
    running.add(run);
    void run.catch(() => undefined).finally(() => running.delete(run));
    return run;
  };
  const fail = (): never => {
    throw new Error('The device is lost.');
  };
  const gate = orchestrator.gateOptimization({
    model: 'model',
    optimizationName: 'webgpu',
    reference(inputs, { signal }: HopOptions) {
      asked.reference++;
      const { referenceFails } = world;
      return answerAfter(REFERENCE_MS, () => (referenceFails ? fail() : (rightAnswer(inputs) as Portable)), signal);
    },
    optimized(inputs, { signal }: HopOptions) {
      asked.optimized++;
      const behaviour = world.behaviourOf(inputs);
      const make = (): Portable => {
        if (behaviour === 'fails') return fail();
        if (behaviour === 'misshapen') return [1];
        const answer = rightAnswer(inputs);
        if (behaviour === 'wrong') answer[0] = (answer[0] as number) * 2 + 1;
        if (behaviour === 'NaN') answer[0] = NaN;
        optimizedAnswers.add(answer);
        return answer;
      };
      return answerAfter(behaviour === 'hangs' ? Infinity : OPTIMIZED_MS, make, signal);
    },
    rebuild(signal) {
      asked.rebuilt++;
      const { rebuilds } = world;
      return answerAfter(
        rebuilds === 'hangs' ? Infinity : OPTIMIZED_MS,
        () => (rebuilds === 'fails' ? fail() : undefined),
        signal,
      );
    },
    ...request,
  });
  gate.onChange((change) => changes.push(change));
  /** Lets a promise come to its end. */
  const settle = async <T>(promise: Promise<T>, limitMs = 600_000): Promise<T> => {
    const state = { settled: false };
    void promise.finally(() => (state.settled = true)).catch(() => undefined);
    for (let ms = 0; ms < limitMs && !state.settled; ms += 10) await clock.run(10);
    return promise;
  };
  let calls = 0;
  /** One call, and what it is the end of for those behind it. Who answered. */
  const call = async (length = 4): Promise<'optimized' | 'reference'> => {
    const inputs = inputOf(++calls, length);
    const answer = (await settle(gate.run(inputs))) as Float32Array;
    const by = optimizedAnswers.has(answer) ? 'optimized' : 'reference';
    await clock.run(50);
    return by;
  };
  /** Calls until it is on. */
  const enable = async (length = 4): Promise<void> => {
    for (let i = 0; i < 60 && gate.state !== 'on'; i++) await call(length);
  };
  const states = (): string[] => changes.map(({ to }) => to);
  return {
    clock,
    orchestrator,
    gate,
    changes,
    audited,
    asked,
    world,
    optimizedAnswers,
    settle,
    call,
    enable,
    states,
    running: () => running.size,
  };
}
