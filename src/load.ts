/** @module load(source): reads a model, and opens it in a host on the first backend that takes it. */

import { abortReason, ConfigError, EpochlyError } from './errors.ts';
import { BackendUnavailableError, IdentityMismatchError } from './model-errors.ts';
import type { BackendAttempt } from './model-errors.ts';
import { Emitter } from './events.ts';
import type { HostFramework, HostKind } from './host/channel.ts';
import { HostClient } from './host/host-client.ts';
import { HostedModel } from './host/hosted-model.ts';
import type { HostedWay, OpenedHost } from './host/hosted-model.ts';
import { checkOptions } from './host/load-options.ts';
import type { LoadOptions, ModelVariant } from './host/load-options.ts';
import type { LoadProgress, ModelFiles } from './host/model-files.ts';
import { isTransformersSource, takeSource } from './host/model-sources.ts';
import type { ModelSource } from './host/model-sources.ts';
import type { Backend, Platform } from './platform.ts';
import { WORKLOAD_TYPES } from './safety/workload.ts';
import type { WorkloadType } from './safety/workload.ts';
import { TASK_TYPES } from './transformers-traits.ts';

export { hostedAdapter } from './adapters/hosted.ts';
export type { LoadOptions, ModelVariant } from './host/load-options.ts';
export type { ModelSource, TransformersSource } from './host/model-sources.ts';

const FRAMEWORKS: Readonly<Record<ModelFiles['format'], HostFramework>> = {
  onnx: 'onnxruntime',
  'tfjs-layers': 'tfjs',
  'tfjs-graph': 'tfjs',
  transformers: 'transformers',
};

/**
 * @throws ConfigError naming a wrong option, UnsupportedModelError for what is no source of a model, ModelLoadError, IdentityMismatchError, MissingPeerError where the framework is
 * not installed, BackendUnavailableError, the reason of `signal`.
 */
export async function loadModel(
  platform: Platform,
  given: ModelSource,
  options: LoadOptions = {},
): Promise<HostedModel> {
  checkOptions(options);
  const source = takeSource(given);
  const variants = (options.variants ?? []).map((each) => ({ ...each, source: takeSource(each.source) }));
  const workload = workloadFor(options, source);
  const { signal, frameworkOptions } = options;
  signal?.throwIfAborted();
  const progress = new Emitter<LoadProgress>();
  if (options.onProgress !== undefined) progress.event(options.onProgress);
  const onProgress = (each: LoadProgress): void => progress.emit(each);
  const read = (how: Pick<LoadOptions, 'signal' | 'onProgress'>): Promise<ModelFiles> =>
    platform.readModel(source, { ...how, frameworkOptions });

  const files = await read({ signal, onProgress });
  const { identity } = files;
  const expected = options.expectedHash?.toLowerCase();
  if (expected !== undefined && expected !== identity) throw new IdentityMismatchError(expected, identity);

  const framework = FRAMEWORKS[files.format];
  const modelBytes = files.files.reduce((sum, { bytes }) => sum + bytes.byteLength, 0);
  const opening: Opening = {
    platform,
    framework,
    task: isTransformersSource(source) ? source.task : undefined,
    candidates: candidatesOf(platform, framework, options.backend),
    named: options.backend !== undefined && options.backend !== 'auto',
    options: { ...options, onProgress },
  };
  const optionsText = JSON.stringify([opening.task, frameworkOptions], (_key, value: unknown) =>
    typeof value === 'bigint' ? `${value}n` : value,
  );
  const first = await openOnFirst(opening, files);
  const reopen = async (): Promise<OpenedHost> => {
    const again = await read({});
    if (again.identity !== identity) {
      throw new IdentityMismatchError(
        identity,
        again.identity,
        `${again.source} changed after it was loaded, so that its host cannot be replaced. Load it again.`,
      );
    }
    const backend = first.info.backend as Backend;
    return openOnFirst(
      { ...opening, candidates: [backend], options: { ...options, signal: undefined, onProgress: undefined } },
      again,
    );
  };
  /** What each variant was when it was read for the first time: reports and answers are kept for just that. */
  const weightsOf = new Map<ModelVariant, string>();
  const readVariant = async (variant: ModelVariant, until: AbortSignal): Promise<ModelFiles> => {
    const own = { ...frameworkOptions, ...variant.frameworkOptions };
    const found = await platform.readModel(variant.source, { signal: until, frameworkOptions: own });
    const known = weightsOf.get(variant) ?? variant.expectedHash?.toLowerCase() ?? found.identity;
    if (found.identity !== known) throw new IdentityMismatchError(known, found.identity);
    if (FRAMEWORKS[found.format] !== framework)
      throw new ConfigError(
        'variants',
        `${found.source} is a model of ${FRAMEWORKS[found.format]}, and no twin of one of ${framework}.`,
      );
    weightsOf.set(variant, known);
    return found;
  };
  const openWay = async (way: HostedWay, until: AbortSignal): Promise<OpenedHost> => {
    const { variant } = way;
    const again = variant === undefined ? await read({ signal: until }) : await readVariant(variant, until);
    if (variant === undefined && again.identity !== identity) throw new IdentityMismatchError(identity, again.identity);
    const wayOptions: LoadOptions = {
      ...options,
      // What may crash, or hang, must be possible to kill. What the reference runs on is trusted as far as that.
      host: platform.name === 'node' && way.backend !== first.info.backend ? 'process' : 'auto',
      signal: until,
      onProgress: undefined,
      frameworkOptions: { ...frameworkOptions, ...variant?.frameworkOptions, ...way.frameworkOptions },
    };
    const { providerOptions } = way;
    const opened = await openOnFirst(
      { ...opening, candidates: [way.backend], providerOptions, options: wayOptions },
      again,
    );
    return variant === undefined ? opened : { ...opened, weights: again.identity };
  };
  return new HostedModel({
    framework,
    identity,
    variant: optionsText,
    clock: platform.clock,
    first,
    reopen,
    modelBytes,
    openWay,
    twins: workload && { variants, workload },
  });
}

interface Opening {
  readonly platform: Platform;
  readonly framework: HostFramework;
  readonly task: string | undefined;
  readonly candidates: readonly Backend[];
  readonly named: boolean;
  /** What the backend itself is told. */
  readonly providerOptions?: HostedWay['providerOptions'];
  readonly options: LoadOptions;
}

/** Each attempt has a host of its own: what a failed one leaves behind in a runtime may break the next. */
async function openOnFirst(opening: Opening, files: ModelFiles): Promise<OpenedHost> {
  const { candidates, options, platform } = opening;
  const attempts: BackendAttempt[] = [];
  let onlyPeersMissing = true;
  for (const [i, backend] of candidates.entries()) {
    const startedAt = platform.clock.now();
    const durationMs = (): number => Math.round(platform.clock.now() - startedAt);
    try {
      const isLast = i === candidates.length - 1;
      const { client, info, warnings } = await openOn(opening, files, backend, isLast);
      attempts.push({ backend, opened: true, durationMs: durationMs() });
      const { device, isFallbackAdapter = false, runtime } = info;
      const report = { attempts, backend, device, isFallbackAdapter, host: client.channel.kind, runtime, warnings };
      return { client, info, report };
    } catch (error) {
      if (options.signal?.aborted === true) throw abortReason(options.signal);
      // No backend makes a model of a file that is none.
      if (EpochlyError.isInstance(error, 'MODEL_LOAD')) throw error;
      attempts.push({ backend, opened: false, reason: (error as Error).message, durationMs: durationMs() });
      onlyPeersMissing &&= EpochlyError.isInstance(error, 'MISSING_PEER');
      if (i === candidates.length - 1) {
        if (onlyPeersMissing) throw error;
        const reasons = attempts.map((each) => `\n  ${each.backend}: ${each.reason ?? ''}`).join('');
        throw new BackendUnavailableError(`No backend opened ${files.source}:${reasons}`, attempts, { cause: error });
      }
    }
  }
  throw new ConfigError('backend', 'The list of backends is empty. Name at least one, or use "auto".');
}

async function openOn(
  opening: Opening,
  files: ModelFiles,
  backend: Backend,
  isLast: boolean,
): Promise<{ readonly client: HostClient; readonly info: OpenedHost['info']; readonly warnings: readonly string[] }> {
  const { platform, framework, task, named, options } = opening;
  const { workerUrl, assetsUrl, signal, frameworkOptions } = options;
  const { channel, warnings } = await openChannel(opening, backend, { workerUrl, assetsUrl, signal });
  const client = new HostClient(channel);
  const [main] = files.files;
  const total = files.files.reduce((sum, { bytes }) => sum + bytes.byteLength, 0);
  options.onProgress?.({ phase: 'open', file: main?.path ?? '', loadedBytes: total, totalBytes: total });
  try {
    // The files are handed over with the last attempt and copied for those before it.
    const transfer = isLast ? files.files.map(({ bytes }) => bytes.buffer) : [];
    const request = { files, backend, task, frameworkOptions, providerOptions: opening.providerOptions };
    const info = await client.request('open', request, { signal, transfer });
    const notes = [...warnings];
    if (named && backend !== referenceOf(platform, framework)[0]) {
      notes.push(`${backend} was named by the caller: its answers were not compared with the reference's.`);
    }
    if (info.isFallbackAdapter === true)
      notes.push(`${backend} is emulated on the CPU (${info.device ?? 'no GPU'}): it is slow.`);
    return { client, info, warnings: notes };
  } catch (error) {
    const retired = client.retire();
    // One that is being opened may not be ended before it is open: who has left does not wait for that.
    if (signal?.aborted !== true) await retired;
    throw error;
  }
}

async function openChannel(
  { platform, framework, options }: Opening,
  backend: Backend,
  how: Pick<LoadOptions, 'workerUrl' | 'assetsUrl' | 'signal'>,
): Promise<{ readonly channel: Awaited<ReturnType<Platform['openHost']>>; readonly warnings: readonly string[] }> {
  const { host = 'auto' } = options;
  const open = (kind: HostKind): ReturnType<Platform['openHost']> =>
    platform.openHost({ kind, framework, backends: [backend], ...how });
  if (host !== 'auto') {
    const channel = await open(host);
    return { channel, warnings: channel.warning === undefined ? [] : [channel.warning] };
  }
  try {
    const channel = await open('worker');
    return { channel, warnings: channel.warning === undefined ? [] : [channel.warning] };
  } catch (error) {
    if (how.signal?.aborted === true || EpochlyError.isInstance(error, 'MISSING_PEER')) throw error;
    const channel = await open('inline');
    return { channel, warnings: [`No worker opened, so the model runs in this thread: ${(error as Error).message}`] };
  }
}

/**
 * By which validator variants are compared; undefined where there are none.
 * @throws ConfigError where nothing says it for sure: the wrong validator would let pass what is wrong
 */
function workloadFor({ variants = [], workload }: LoadOptions, source: ModelSource): WorkloadType | undefined {
  if (workload !== undefined && !WORKLOAD_TYPES.includes(workload))
    throw new ConfigError(
      'workload',
      `There is no workload ${JSON.stringify(workload)}. There are ${WORKLOAD_TYPES.join(', ')}.`,
    );
  if (variants.length === 0) return undefined;
  const isKnown = isTransformersSource(source) && Object.hasOwn(TASK_TYPES, source.task);
  const found = workload ?? (isKnown ? TASK_TYPES[source.task] : undefined);
  if (found !== undefined) return found;
  throw new ConfigError(
    'workload',
    `What the model is for decides by which validator a variant is compared: give the workload, one of ${WORKLOAD_TYPES.join(', ')}.`,
  );
}

/** Slow and right: what every other backend is measured against. */
function referenceOf(platform: Platform, framework: HostFramework): readonly Backend[] {
  if (platform.name === 'node') return ['cpu'];
  return framework === 'tfjs' ? ['wasm', 'cpu'] : ['wasm'];
}

function candidatesOf(
  platform: Platform,
  framework: HostFramework,
  given: LoadOptions['backend'] = 'auto',
): readonly Backend[] {
  if (given === 'auto') return referenceOf(platform, framework);
  return typeof given === 'string' ? [given] : given;
}
