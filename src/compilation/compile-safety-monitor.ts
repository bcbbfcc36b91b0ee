/** @module What must hold before, and after, a model is compiled. */

import { isPortable } from '../portable.ts';
import type { Portable } from '../portable.ts';
import { findNonFinite } from '../output-validity.ts';

/** Whether a model may be compiled now, and if not why. */
export interface PreCompileResult {
  readonly canCompile: boolean;
  readonly reason?: string | undefined;
}

/** Whether what was compiled leaves the machine healthy. */
export interface HealthCheckResult {
  readonly healthy: boolean;
  /** Megabytes that were taken since. */
  readonly memoryIncreaseMb: number;
  readonly reason?: string | undefined;
}

/** Whether an answer can be right. */
export interface OutputValidityResult {
  readonly valid: boolean;
  readonly reason?: string | undefined;
}

/** Limits of the checks; each has a default. */
export interface CompileSafetyMonitorOptions {
  /** Megabytes that there are left for a second copy of a model; undefined where the platform cannot tell. */
  readonly availableMemoryMb?: (() => number | undefined) | undefined;
  /** How many times its files a model takes while it is opened. Default 3: the files, the graph, and what it runs in. */
  readonly memoryFactor?: number | undefined;
  /** Most megabytes that compiling may take. Default 4096. */
  readonly maxMemoryIncreaseMb?: number | undefined;
}

/** What is known of a model before it is compiled. */
export interface CompilableFacts {
  /** Bytes of all of its files. */
  readonly modelBytes: number;
}

/** The reference's name for it is `TorchCompileSafetyMonitor`. */
export class CompileSafetyMonitor {
  readonly #availableMemoryMb: () => number | undefined;
  readonly #memoryFactor: number;
  readonly #maxMemoryIncreaseMb: number;

  constructor(options: CompileSafetyMonitorOptions = {}) {
    const { availableMemoryMb = () => undefined, memoryFactor = 3, maxMemoryIncreaseMb = 4096 } = options;
    this.#availableMemoryMb = availableMemoryMb;
    this.#memoryFactor = memoryFactor;
    this.#maxMemoryIncreaseMb = maxMemoryIncreaseMb;
  }

  /** Megabytes that a copy of the model takes, roughly. */
  copyMb({ modelBytes }: CompilableFacts): number {
    return (modelBytes * this.#memoryFactor) / 1e6;
  }

  /** Whether a second copy of the model fits, and the sample is something that can be sent to where it is compiled. */
  preCompileCheck({ modelBytes }: CompilableFacts, sampleInput: Portable): PreCompileResult {
    if (!isPortable(sampleInput))
      return { canCompile: false, reason: 'The sample is no plain data, so that it cannot be sent to another place.' };
    const availableMb = this.#availableMemoryMb();
    const neededMb = this.copyMb({ modelBytes });
    if (availableMb === undefined || neededMb <= availableMb) return { canCompile: true };
    const reason = `A second copy needs some ${Math.ceil(neededMb)} MB, and ${Math.floor(availableMb)} MB are left.`;
    return { canCompile: false, reason };
  }

  /** Both in megabytes. */
  checkHealth(preCompileMemoryMb: number, postCompileMemoryMb: number): HealthCheckResult {
    const memoryIncreaseMb = postCompileMemoryMb - preCompileMemoryMb;
    if (memoryIncreaseMb <= this.#maxMemoryIncreaseMb) return { healthy: true, memoryIncreaseMb };
    const reason = `It took ${Math.ceil(memoryIncreaseMb)} MB, and may take ${this.#maxMemoryIncreaseMb}.`;
    return { healthy: false, memoryIncreaseMb, reason };
  }

  /** NaN and infinities are no answer, unless the reference gives them too: see the validators. */
  checkOutputValidity(outputs: Portable): OutputValidityResult {
    const reason = findNonFinite(outputs);
    return reason === undefined ? { valid: true } : { valid: false, reason };
  }
}

export { CompileSafetyMonitor as TorchCompileSafetyMonitor };
