/** @module The search for faster ways, put together from its parts. Loaded with the first model that consents to it. */

import { createRedactor } from './persistence/create-audit-log.ts';
import { generateInputs } from './adapters/generate-inputs.ts';
import type { TensorInfo } from './adapters/adapter.ts';
import { candidatesFor, variantCandidates } from './compilation/candidates.ts';
import type { Candidate } from './compilation/candidates.ts';
import { CompileSafetyMonitor } from './compilation/compile-safety-monitor.ts';
import { ModelCompiler } from './compilation/model-compiler.ts';
import { mended, refinementsFor } from './compilation/refinements.ts';
import type { Differs } from './compilation/trial.ts';
import type { VariantSearch } from './compilation/variants.ts';
import type { VerdictMemory } from './compilation/verdict-memory.ts';
import { verdictsIn } from './compilation/verdict-store.ts';
import type { InferenceConfig } from './config.ts';
import { timeInHost } from './host/host-client.ts';
import type { HostedModel } from './host/hosted-model.ts';
import type { LoadOptions } from './load.ts';
import type { Backend, BackendInfo, Platform } from './platform.ts';
import type { Portable } from './portable.ts';
import type { AuditEvent } from './privacy/audit-logger.ts';
import { GoldenStore } from './safety/golden-store.ts';
import { SafetyOrchestrator } from './safety/safety-orchestrator.ts';
import type { ValidationReport } from './safety/validation-report.ts';
import { roundingNoise } from './safety/rounding-noise.ts';
import type { OutputValidator } from './safety/output-validator.ts';
import { ValidatorRegistry } from './safety/validator-registry.ts';
import { encoderValidator } from './safety/validators/encoder.ts';
import { VERSION } from './version.ts';

export interface CompilingOptions {
  readonly platform: Platform;
  readonly config: InferenceConfig;
  readonly audit: (event: AuditEvent) => void;
}

/** What else there is to know of a model whose search begins. */
export interface SearchOptions {
  readonly frameworkOptions: LoadOptions['frameworkOptions'];
  /** Whether its variants may answer in its place. */
  readonly useVariants: boolean;
  /** Called where a faster way turned out to be wrong: what was answered, and kept, before may be wrong as well. */
  readonly onWrong: () => void;
}

/** Begins the search for a model that `load()` opened. */
export type BeginSearch = (model: HostedModel, options: SearchOptions) => void;

/** Made-up inputs of a model that says all of its sizes: each is asked, and they must not all be answered alike. */
const GENERATED = 3;
/** Bytes of the inputs and answers that variants of one model are held against. */
const MAX_VARIANT_GOLDEN_BYTES = 268_435_456;
/** Twice as many different inputs as it takes at least, all of one shape. */
const MAX_VARIANT_GOLDENS = 256;

/** What begins the search for a model that `load()` opened. It never fails anybody: what comes of it is in `backendReport`. */
export async function createCompiling({ platform, config, audit }: CompilingOptions): Promise<BeginSearch> {
  const { tolerance, warmupRequests, memoryBudgetMb } = config.compilation;
  const { memory } = platform;
  const redactor = await createRedactor(config);
  const goldens = new GoldenStore({ redactor });
  // The same answers, to the rounding: what else may differ is for ways that are lossy by design.
  const exactly = (identity: string): OutputValidator<ValidationReport> => {
    const outputs = (): readonly Portable[] => goldens.get(identity).map(({ output }) => output);
    return encoderValidator({ tolerance, noise: (path) => roundingNoise(outputs(), path) });
  };
  const { sampleRate } = config.safety;
  const compiler = new ModelCompiler({
    clock: platform.clock,
    goldens,
    orchestrator: new SafetyOrchestrator({ clock: platform.clock, goldens, sampleRate, audit }),
    warmupRequests,
    timeOf: timeInHost,
    memoryBudgetMb,
    memory: keptVerdicts(platform, config),
    monitor: new CompileSafetyMonitor({ availableMemoryMb: memory && (() => memory().availableBytes / 1e6) }),
  });
  compiler.onEvent(({ identity, kind, ...details }) =>
    audit({ operation: 'compilation', modelId: identity, optimizationName: 'compilation', result: kind, details }),
  );
  const validators = new ValidatorRegistry();
  const variantsOf = ({ twins, onAnswered }: HostedModel): VariantSearch | undefined => {
    if (twins === undefined) return undefined;
    const { variants, workload } = twins;
    // The validators that come with the package answer at once.
    const validate = (pairs: Parameters<VariantSearch['proves']>[0]): ValidationReport =>
      validators.validate(workload, pairs) as ValidationReport;
    return {
      candidates: (bases) => variantCandidates(variants, bases),
      goldens: new GoldenStore({
        redactor,
        maxPerShape: MAX_VARIANT_GOLDENS,
        maxShapes: MAX_VARIANT_GOLDENS,
        maxBytes: MAX_VARIANT_GOLDEN_BYTES,
      }),
      differs: differsBy({ validate }),
      proves: validate,
      needed: (output) =>
        Math.max(...validate([{ expected: output, actual: output }]).metrics.map(({ samplesNeeded }) => samplesNeeded)),
      onAnswered,
    };
  };
  return (model, { frameworkOptions, useVariants, onWrong }) => {
    const { framework, inputs } = model;
    const reference = model.backend as Backend;
    const facts = { framework, reference, inputs, frameworkOptions };
    const among = (backends: readonly BackendInfo[]): readonly Candidate[] =>
      candidatesFor({ framework, backends, reference, frameworkOptions });
    const validator = exactly(model.identity);
    void compiler.compileAsync({
      model,
      differs: differsBy(validator),
      driftValidator: validator,
      modelBytes: model.modelBytes,
      candidates: async () => among(await platform.listBackends()),
      possible: () => among(BACKENDS.map((backend) => ({ backend, available: true }))),
      // The identity of its answers names the framework, its version and the options.
      place: JSON.stringify([VERSION, platform.describe(), model.answerIdentity, tolerance]),
      reference: { name: reference, backend: reference },
      refinements: refinementsFor(facts),
      mended: (way) => mended(facts, way),
      generated: generatedCalls(inputs),
      watchCalls: () => model.watchCalls(),
      variants: useVariants ? variantsOf(model) : undefined,
      open: (candidate, signal) => model.openWay(candidate, signal),
      onWrong,
    });
  };
}

/**
 * Inputs of a model that says how large they are, all but how many rows: one is taken. Where it leaves more open, only its calls say what
 * is worth being fast.
 */
function generatedCalls(inputs: readonly TensorInfo[]): readonly (readonly Portable[])[] {
  const isOpen = ({ dims }: TensorInfo): boolean =>
    dims === undefined || dims.slice(1).some((dim) => typeof dim === 'string' || dim < 0);
  if (inputs.length === 0 || inputs.some(isOpen)) return [];
  return Array.from({ length: GENERATED }, (_, seed) => generateInputs(inputs, seed, 1)).flatMap((each) =>
    each === undefined ? [] : [[each as Portable]],
  );
}

/** Why an answer is not the expected one; undefined where it is, or too little is known to say. */
function differsBy({ validate }: OutputValidator<ValidationReport>): Differs {
  return ({ output }, answer) => {
    const { verdict, message } = validate([{ expected: output, actual: answer }]);
    return verdict === 'failed' ? message : undefined;
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
