/** @module The batchers of one epochly's models, as the step of each of their calls. */

import type { InferenceAdapter } from '../adapters/adapter.ts';
import type { Step } from '../call.ts';
import type { Clock, Platform } from '../platform.ts';
import type { BatcherStats } from './batch-stats.ts';
import { DeviceShare } from './device-share.ts';
import { DynamicMicroBatcher } from './dynamic-micro-batcher.ts';
import type { DynamicMicroBatcherOptions } from './dynamic-micro-batcher.ts';

/** Devices that one run has to itself. A CPU's cores are shared out by the operating system. */
const EXCLUSIVE: ReadonlySet<string> = new Set(['webgpu', 'webgl', 'webnn', 'cuda', 'tensorrt', 'dml', 'coreml']);

export interface BatchedModel extends Pick<DynamicMicroBatcherOptions, 'model' | 'config' | 'observe'> {
  readonly modelId: number;
  readonly adapter: InferenceAdapter;
}

export class BatchedModels {
  readonly #clock: Clock;
  readonly #memory: DynamicMicroBatcherOptions['memory'];
  readonly #batchers = new Map<number, WeakRef<DynamicMicroBatcher>>();
  readonly #devices = new Map<string, DeviceShare>();

  constructor({ clock, memory }: Pick<Platform, 'clock' | 'memory'>) {
    this.#clock = clock;
    this.#memory = memory;
  }

  /** Makes the batcher of a model, and the step that hands its calls to it. */
  add({ modelId, model, adapter, config, observe }: BatchedModel): Step {
    const device = this.#deviceOf(adapter.getModelInfo(model).backend);
    const batcher = new DynamicMicroBatcher({
      model,
      adapter,
      config,
      clock: this.#clock,
      device,
      modelId,
      observe,
      memory: this.#memory,
    });
    void batcher.start();
    this.#batchers.set(modelId, new WeakRef(batcher));
    const step: Step = (call, next) => {
      const { entryPoint, args, options, deadlineAt, deadlineMs } = call;
      const runNow = (): Promise<unknown> => next(call);
      return batcher.submit({ ...options, call: { entryPoint, args }, deadlineAt, deadlineMs, runNow });
    };
    return Object.assign(step, { bypassOf: () => batcher.bypass });
  }

  getStats(modelId: number): BatcherStats | undefined {
    return this.#batchers.get(modelId)?.deref()?.getStats();
  }

  forget(modelId: number): void {
    this.#batchers.delete(modelId);
  }

  #deviceOf(backend: string | undefined): DeviceShare {
    if (backend === undefined || !EXCLUSIVE.has(backend)) return new DeviceShare();
    let device = this.#devices.get(backend);
    if (device === undefined) this.#devices.set(backend, (device = new DeviceShare({ isShared: true })));
    return device;
  }
}
