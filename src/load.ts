/** @module load(source): reads a model, and opens it in a host on the first backend that takes it. */

import { abortReason, ConfigError, EpochlyError } from './errors.ts';
import { BackendUnavailableError, IdentityMismatchError } from './model-errors.ts';
import type { BackendAttempt } from './model-errors.ts';
import type { HostFramework, HostKind } from './host/channel.ts';
import { HostClient } from './host/host-client.ts';
import { HostedModel } from './host/hosted-model.ts';
import type { OpenedHost } from './host/hosted-model.ts';
import type { LoadProgress, ModelFiles } from './host/model-files.ts';
import { isTransformersSource } from './host/model-sources.ts';
import type { ModelSource } from './host/model-sources.ts';
import type { Backend, Platform } from './platform.ts';
import type { Portable } from './portable.ts';

export { hostedAdapter } from './adapters/hosted.ts';
export type { ModelSource, TransformersSource } from './host/model-sources.ts';

/** Options of `load()`. */
export interface LoadOptions {
  /**
   * Where to run: one backend, or several of which the first that opens is taken. Default 'auto': the reference, which is
   * the CPU in Node and WebAssembly in browsers. A backend that is named is the caller's choice, and is reported as
   * unproven.
   */
  readonly backend?: Backend | 'auto' | readonly Backend[] | undefined;
  /**
   * Where the model lives: 'worker' (a Web Worker, or a worker thread), 'process' (a child process; Node only), 'inline'
   * (in this thread, which it blocks while it runs). Default 'auto': a worker, in place where none opens.
   *
   * In Node a thread cannot be ended during a run without aborting the whole process: a process that ends (by
   * `process.exit()`, or an error that nobody caught) waits for the run that its thread is at, as long as that takes, and
   * keeps its exit code. A child process is killed instead. Within a worker thread of your own, which may be terminated at
   * any time, use 'process'.
   */
  readonly host?: HostKind | 'auto' | undefined;
  /** The model's SHA-256 (hexadecimal); anything else is an IdentityMismatchError. */
  readonly expectedHash?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: LoadProgress) => void) | undefined;
  /** Options of the framework, as plain data: onnxruntime's SessionOptions, those of a transformers.js pipeline. */
  readonly frameworkOptions?: Readonly<Record<string, Portable>> | undefined;
  /** Browsers: the folder of the package's worker files. Default: `workers/` beside the running module. */
  readonly workerUrl?: string | undefined;
  /** Browsers: the folder of the runtimes' .wasm files. Default: `assets/` beside the worker files' folder. */
  readonly assetsUrl?: string | undefined;
}

const BACKENDS: readonly Backend[] = ['webgpu', 'webgl', 'webnn', 'wasm', 'cuda', 'tensorrt', 'dml', 'coreml', 'cpu'];
const HOSTS: readonly (HostKind | 'auto')[] = ['auto', 'worker', 'process', 'inline'];
const FRAMEWORKS: Readonly<Record<ModelFiles['format'], HostFramework>> = {
  onnx: 'onnxruntime',
  'tfjs-layers': 'tfjs',
  'tfjs-graph': 'tfjs',
  transformers: 'transformers',
};

/**
 * @throws ConfigError naming a wrong option, ModelLoadError, IdentityMismatchError, MissingPeerError where the framework is
 * not installed, BackendUnavailableError, the reason of `signal`.
 */
export async function loadModel(
  platform: Platform,
  given: ModelSource,
  options: LoadOptions = {},
): Promise<HostedModel> {
  checkOptions(options);
  options.signal?.throwIfAborted();
  const source = snapshot(given);
  const { signal, onProgress, frameworkOptions } = options;
  const read = (how: Pick<LoadOptions, 'signal' | 'onProgress'>): Promise<ModelFiles> =>
    platform.readModel(source, { ...how, frameworkOptions });

  const files = await read({ signal, onProgress });
  const { identity } = files;
  const expected = options.expectedHash?.toLowerCase();
  if (expected !== undefined && expected !== identity) throw new IdentityMismatchError(expected, identity);

  const framework = FRAMEWORKS[files.format];
  const opening: Opening = {
    platform,
    framework,
    task: isTransformersSource(source) ? source.task : undefined,
    candidates: candidatesOf(platform, framework, options.backend),
    named: options.backend !== undefined && options.backend !== 'auto',
    options,
  };
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
  const variant = JSON.stringify([opening.task, frameworkOptions], (_key, value: unknown) =>
    typeof value === 'bigint' ? `${value}n` : value,
  );
  return new HostedModel({ framework, identity, variant, clock: platform.clock, first, reopen });
}

interface Opening {
  readonly platform: Platform;
  readonly framework: HostFramework;
  readonly task: string | undefined;
  readonly candidates: readonly Backend[];
  readonly named: boolean;
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
    const info = await client.request('open', { files, backend, task, frameworkOptions }, { signal, transfer });
    const notes = [...warnings];
    if (named && backend !== referenceOf(platform, framework)[0]) {
      notes.push(`${backend} was named by the caller: its answers were not compared with the reference's.`);
    }
    if (info.isFallbackAdapter === true)
      notes.push(`${backend} is emulated on the CPU (${info.device ?? 'no GPU'}): it is slow.`);
    return { client, info, warnings: notes };
  } catch (error) {
    await client.retire();
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

/** Bytes are the caller's to change; the model may have to be opened from them again. */
function snapshot(source: ModelSource): ModelSource {
  if (source instanceof ArrayBuffer) return source.slice(0);
  return ArrayBuffer.isView(source) ? new Uint8Array(source) : source;
}

function checkOptions({ backend = 'auto', host = 'auto', expectedHash, frameworkOptions }: LoadOptions): void {
  for (const each of Array.isArray(backend) ? backend : [backend]) {
    if (each !== 'auto' && !BACKENDS.includes(each as Backend)) {
      throw new ConfigError(
        'backend',
        `There is no backend ${JSON.stringify(each)}. There are ${BACKENDS.join(', ')}, and 'auto'.`,
      );
    }
    if (each === 'auto' && Array.isArray(backend)) {
      throw new ConfigError('backend', "'auto' stands alone: a list names the backends to try, in order.");
    }
  }
  if (Array.isArray(backend) && backend.length === 0) {
    throw new ConfigError('backend', 'The list of backends is empty. Name at least one, or use "auto".');
  }
  if (!HOSTS.includes(host))
    throw new ConfigError('host', `There is no host ${JSON.stringify(host)}. There are ${HOSTS.join(', ')}.`);
  if (expectedHash !== undefined && !/^[0-9a-f]{64}$/i.test(expectedHash)) {
    throw new ConfigError(
      'expectedHash',
      `The expected hash is a SHA-256 in 64 hexadecimal digits, not ${JSON.stringify(expectedHash)}.`,
    );
  }
  if (frameworkOptions !== undefined && (typeof frameworkOptions !== 'object' || frameworkOptions === null)) {
    throw new ConfigError('frameworkOptions', 'The framework’s options are an object of plain data.');
  }
}
