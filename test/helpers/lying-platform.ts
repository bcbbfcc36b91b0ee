/** A platform on which one backend, that is not there, looks fast, and lies; all else is real. In Node and in browsers. */

import type { Clock, Platform } from '../../src/platform.ts';
import type { Fault } from './faults.ts';
import { lieThrough, slowDown } from './lying-host.ts';

export interface LyingPlatformOptions {
  readonly fault: Fault;
  /** What the reference, and the liar, really run on. */
  readonly backend: 'cpu' | 'wasm';
  /** Milliseconds by which the reference is slowed down, so that the liar is the faster one. */
  readonly slowMs: number;
  /** How many times as fast as time its clock runs. */
  readonly speed: number;
  readonly onLie: () => void;
}

/** The backend that lies, by a name that no machine of tests has. */
export const LIAR = { cpu: 'cuda', wasm: 'webnn' } as const;

export interface LyingPlatform extends Platform {
  /** Resolves once nobody waits for any of its hosts, and what came of the last answer is known. */
  quiet(): Promise<void>;
}

export function lyingPlatform(real: Platform, options: LyingPlatformOptions): LyingPlatform {
  const { fault, backend, slowMs, speed, onLie } = options;
  const liar = LIAR[backend];
  let passed = false;
  /** Runs under way, by host. */
  const running: number[] = [];
  let onQuiet: (() => void) | undefined;
  const turn = (): Promise<void> => new Promise((resolve) => real.clock.soon(resolve));
  const lie = (): void => {
    passed ||= fault.passes === true;
    onLie();
  };
  return {
    ...real,
    async quiet() {
      await turn();
      while (running.some((runs) => runs > 0)) {
        await new Promise<void>((resolve) => (onQuiet = resolve));
        await turn();
      }
    },
    clock: quickened(real.clock, speed),
    // What is free of it now says nothing of the fault.
    memory: undefined,
    listBackends: async () => [
      { backend: liar, available: true },
      { backend, available: true },
    ],
    async openHost(asked) {
      const lies = asked.backends.includes(liar);
      const channel = await real.openHost({
        ...asked,
        backends: asked.backends.map((each) => (each === liar ? backend : each)),
      });
      const host = running.push(0) - 1;
      const onRuns = (runs: number): void => {
        running[host] = runs;
        if (runs === 0) onQuiet?.();
      };
      if (!lies) return slowDown(channel, slowMs, onRuns);
      const met = passed ? { ...fault, fate: () => undefined } : fault;
      return lieThrough(channel, { fault: met, backend, onLie: lie, onRuns });
    },
  };
}

/** A clock that runs faster than time. */
export function quickened(clock: Clock, speed: number): Clock {
  if (speed === 1) return clock;
  return {
    ...clock,
    now: () => clock.now() * speed,
    epochNow: () => clock.epochNow() * speed,
    after: (delayMs, task, keepsAlive) => clock.after(delayMs / speed, task, keepsAlive),
  };
}
