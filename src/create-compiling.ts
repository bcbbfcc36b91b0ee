/** @module The search for faster ways, put together from its parts. Loaded with the first model that consents to it. */

import { createRedactor } from './persistence/create-audit-log.ts';
import { candidatesFor } from './compilation/candidates.ts';
import type { Candidate } from './compilation/candidates.ts';
import { CompileSafetyMonitor } from './compilation/compile-safety-monitor.ts';
import { ModelCompiler } from './compilation/model-compiler.ts';
import type { VerdictMemory } from './compilation/verdict-memory.ts';
import { verdictsIn } from './compilation/verdict-store.ts';
import type { InferenceConfig } from './config.ts';
import type { HostedModel } from './host/hosted-model.ts';
import type { LoadOptions } from './load.ts';
import type { Backend, BackendInfo, Platform } from './platform.ts';
import type { AuditEvent } from './privacy/audit-logger.ts';
import { GoldenStore } from './safety/golden-store.ts';
import { SafetyOrchestrator } from './safety/safety-orchestrator.ts';
import { ValidatorRegistry } from './safety/validator-registry.ts';
import { encoderValidator } from './safety/validators/encoder.ts';
import { VERSION } from './version.ts';

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
  const { tolerance, warmupRequests, memoryBudgetMb } = config.compilation;
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
    memoryBudgetMb,
    memory: keptVerdicts(platform, config),
    monitor: new CompileSafetyMonitor({ availableMemoryMb: memory && (() => memory().availableBytes / 1e6) }),
  });
  compiler.onEvent(({ identity, kind, ...details }) =>
    audit({ operation: 'compilation', modelId: identity, optimizationName: 'compilation', result: kind, details }),
  );
  return (model, frameworkOptions, onWrong) => {
    const among = (backends: readonly BackendInfo[]): readonly Candidate[] =>
      candidatesFor({
        framework: model.framework,
        backends,
        reference: model.backend as Backend,
        frameworkOptions,
      });
    void compiler.compileAsync({
      model,
      modelBytes: model.modelBytes,
      candidates: async () => among(await platform.listBackends()),
      possible: () => among(BACKENDS.map((backend) => ({ backend, available: true }))),
      // The identity of its answers names the framework, its version and the options.
      place: JSON.stringify([VERSION, platform.describe(), model.answerIdentity, tolerance]),
      open: (candidate, signal) => model.openWay(candidate, signal),
      onWrong,
    });
  };
}

/** All that there are. */
const BACKENDS: readonly Backend[] = ['tensorrt', 'cuda', 'dml', 'coreml', 'webgpu', 'webnn', 'webgl', 'wasm', 'cpu'];

/** Where it is asked for, in a store of its own, which is opened with the first search. */
function keptVerdicts(
  { name, openStore, digest, clock }: Platform,
  { compilation: { keepVerdicts, verdictsPath } }: InferenceConfig,
): VerdictMemory | undefined {
  if (!keepVerdicts) return undefined;
  const path = verdictsPath || (name === 'node' ? '~/.epochly/verdicts.sqlite' : 'epochly-verdicts');
  let isTold = false;
  return verdictsIn({
    clock,
    digest,
    async open() {
      try {
        return await openStore(path);
      } catch (error) {
        if (!isTold) console.warn(`epochly searches anew at each start: ${(error as Error).message}`);
        isTold = true;
        throw error;
      }
    },
  });
}
