/** @module The search for faster ways, put together from its parts. Loaded with the first model that consents to it. */

import { createRedactor } from './persistence/create-audit-log.ts';
import { candidatesFor } from './compilation/candidates.ts';
import { CompileSafetyMonitor } from './compilation/compile-safety-monitor.ts';
import { ModelCompiler } from './compilation/model-compiler.ts';
import type { InferenceConfig } from './config.ts';
import type { HostedModel } from './host/hosted-model.ts';
import type { LoadOptions } from './load.ts';
import type { Backend, Platform } from './platform.ts';
import type { AuditEvent } from './privacy/audit-logger.ts';
import { GoldenStore } from './safety/golden-store.ts';
import { SafetyOrchestrator } from './safety/safety-orchestrator.ts';
import { ValidatorRegistry } from './safety/validator-registry.ts';
import { encoderValidator } from './safety/validators/encoder.ts';

export interface CompilingOptions {
  readonly platform: Platform;
  readonly config: InferenceConfig;
  readonly audit: (event: AuditEvent) => void;
}

/**
 * Begins the search for a model that `load()` opened. `onWrong` is called where a faster way turned out to be wrong: what was
 * answered, and kept, before may be wrong as well.
 */
export type BeginSearch = (
  model: HostedModel,
  frameworkOptions: LoadOptions['frameworkOptions'],
  onWrong: () => void,
) => void;

/** What begins the search for a model that `load()` opened. It never fails anybody: what comes of it is in `backendReport`. */
export async function createCompiling({ platform, config, audit }: CompilingOptions): Promise<BeginSearch> {
  const { tolerance, warmupRequests } = config.compilation;
  const { memory } = platform;
  // The same answers, to the rounding: what else may differ is for ways that are lossy by design.
  const validator = encoderValidator({ tolerance });
  const validators = new ValidatorRegistry();
  validators.register('encoder', validator);
  const goldens = new GoldenStore({ redactor: await createRedactor(config) });
  const { sampleRate } = config.safety;
  const compiler = new ModelCompiler({
    clock: platform.clock,
    goldens,
    orchestrator: new SafetyOrchestrator({ clock: platform.clock, goldens, validators, sampleRate, audit }),
    differs({ output }, answer) {
      const report = validator.validate([{ expected: output, actual: answer }]);
      return report.verdict === 'failed' ? report.message : undefined;
    },
    warmupRequests,
    monitor: new CompileSafetyMonitor({ availableMemoryMb: memory && (() => memory().availableBytes / 1e6) }),
  });
  compiler.onEvent(({ identity, kind, ...details }) =>
    audit({ operation: 'compilation', modelId: identity, optimizationName: 'compilation', result: kind, details }),
  );
  return (model, frameworkOptions, onWrong) => {
    void compiler.compileAsync({
      model,
      modelBytes: model.modelBytes,
      candidates: async () =>
        candidatesFor({
          framework: model.framework,
          backends: await platform.listBackends(),
          reference: model.backend as Backend,
          frameworkOptions,
        }),
      open: (candidate, signal) => model.openWay(candidate, signal),
      onWrong,
    });
  };
}
