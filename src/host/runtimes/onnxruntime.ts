/** @module onnxruntime in a host: onnxruntime-node, or onnxruntime-web in one of its builds. */

import { HostError, InferenceError, ModelLoadError } from '../../model-errors.ts';
import type { TensorInfo } from '../../adapters/adapter.ts';
import type { BackendInfo } from '../../platform.ts';
import type { Portable } from '../../portable.ts';
import { tensor } from '../../tensor.ts';
import type { TensorLike, TensorType } from '../../tensor.ts';
import { randomRefusal } from '../onnx-random.ts';
import type { AnswerTraits, OpenRequest, Runtime, RuntimeModel } from '../runtime.ts';
import { checkFeeds } from './onnxruntime-feeds.ts';

/** What is used of the package's namespace. */
export interface OrtNamespace {
  readonly InferenceSession: {
    create(model: Uint8Array, options?: Readonly<Record<string, unknown>>): Promise<OrtSession>;
  };
  readonly Tensor: new (type: never, data: never, dims: readonly number[]) => unknown;
  readonly env: {
    readonly versions?: Readonly<Record<string, string | undefined>>;
    readonly webgpu?: { readonly device?: unknown };
  };
}

interface OrtSession {
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  readonly inputMetadata: readonly OrtMetadata[];
  readonly outputMetadata: readonly OrtMetadata[];
  run(feeds: Readonly<Record<string, unknown>>): Promise<Readonly<Record<string, OrtTensor>>>;
  release(): Promise<void>;
}

type OrtMetadata =
  | {
      readonly isTensor: true;
      readonly name: string;
      readonly type: TensorType;
      readonly shape: readonly (number | string)[];
    }
  | { readonly isTensor: false; readonly name: string };

interface OrtTensor extends TensorLike {
  getData(releaseData?: boolean): Promise<unknown>;
  dispose(): void;
}

export interface OnnxRuntimeOptions {
  /** Called before a model is opened, with its options: sets what is set for the whole runtime. */
  readonly prepare?: ((options: Readonly<Record<string, Portable>>) => void) | undefined;
  /** The package and its version, for the report. Default: 'onnxruntime' and the version it states. */
  readonly runtime?: string | undefined;
  /** The device that a backend runs on, where the place can say. */
  readonly describe?:
    | ((
        backend: string,
      ) => Promise<{ readonly device?: string | undefined; readonly isFallbackAdapter?: boolean | undefined }>)
    | undefined;
  readonly listBackends?: (() => Promise<readonly BackendInfo[]>) | undefined;
}

/** What onnxruntime says of files that are no models, whatever the backend. */
const NOT_A_MODEL =
  /protobuf|ModelProto|INVALID_GRAPH|INVALID_PROTOBUF|invalid model|ModelProto does not have a graph|not valid model|external (data|initializer)|Deserialize tensor/i;

export function createOnnxRuntime(ort: OrtNamespace, options: OnnxRuntimeOptions = {}): Runtime {
  const { versions = {} } = ort.env;
  const runtime =
    options.runtime ?? `onnxruntime ${versions['web'] ?? versions['node'] ?? versions['common'] ?? ''}`.trim();

  async function open(request: OpenRequest): Promise<RuntimeModel> {
    options.prepare?.(request.frameworkOptions ?? {});
    const session = await createSession(ort, request);
    const inputs = toInfos(session.inputMetadata);
    const { isLost, maxTensorBytes } = request.backend === 'webgpu' ? await watchDevice(ort) : NO_GPU;
    return {
      info: {
        backend: request.backend,
        ...(await options.describe?.(request.backend)),
        inputs,
        outputs: toInfos(session.outputMetadata),
        answers: { refusal: refusalOf(request) },
        runtime,
        maxTensorBytes,
      },
      run: (args) => run(session, inputs, args, isLost),
      dispose: () => session.release(),
    };
  }

  async function run(
    session: OrtSession,
    inputs: readonly TensorInfo[],
    args: readonly Portable[],
    isLost: GpuWatch['isLost'],
  ): Promise<Portable> {
    const feeds = checkFeeds(inputs, args);
    const tensors: Record<string, unknown> = {};
    for (const [name, { type, data, dims }] of Object.entries(feeds)) {
      tensors[name] = new ort.Tensor(type as never, data as never, dims);
    }
    let outputs: Readonly<Record<string, OrtTensor>>;
    try {
      outputs = await session.run(tensors);
    } catch (cause) {
      if (await isLost()) throw new HostError('The GPU device was lost. The model is being opened again.', { cause });
      throw new InferenceError(`onnxruntime failed: ${messageOf(cause)}`, { cause });
    }
    const answer: Record<string, Portable> = {};
    for (const [name, output] of Object.entries(outputs)) {
      answer[name] = tensor(output.type, (await output.getData()) as never, output.dims);
    }
    return answer;
  }

  return { open, listBackends: async () => (await options.listBackends?.()) ?? [] };
}

function refusalOf({ files }: OpenRequest): AnswerTraits['refusal'] {
  const [main] = files.files;
  return main && randomRefusal(main.bytes);
}

async function createSession(
  ort: OrtNamespace,
  { files, backend, frameworkOptions, providerOptions }: OpenRequest,
): Promise<OrtSession> {
  const [main, ...external] = files.files;
  if (main === undefined) throw new ModelLoadError(`${files.source} has no files.`);
  try {
    return await ort.InferenceSession.create(main.bytes, {
      ...frameworkOptions,
      executionProviders: [providerOptions === undefined ? backend : { ...providerOptions, name: backend }],
      ...(external.length > 0 && { externalData: external.map(({ path, bytes }) => ({ path, data: bytes })) }),
    });
  } catch (cause) {
    const message = messageOf(cause);
    if (NOT_A_MODEL.test(message)) {
      throw new ModelLoadError(
        `${files.source} is not an ONNX model that onnxruntime can read (${message}). It may be truncated, or another kind of file.`,
        { cause },
      );
    }
    // A C++ exception of the WebAssembly build comes as a number.
    throw cause instanceof Error ? cause : new Error(`onnxruntime opened no session (${message}).`, { cause });
  }
}

interface GpuWatch {
  /** Whether the GPU device is lost: a run fails then with an error that does not say so. */
  isLost(): Promise<boolean>;
  readonly maxTensorBytes: number | undefined;
}

const NO_GPU: GpuWatch = { isLost: async () => false, maxTensorBytes: undefined };

/**
 * What waits for a device that is lost fails before the loss is told, and a run that is begun between the two never ends, so that the
 * loss is never told either (onnxruntime-web 1.30). So who is told of a failed run, and the run after it, wait so long.
 */
const TOLD_WITHIN_MS = 100;

/** What of a GPUDevice is looked at: https://www.w3.org/TR/webgpu/#gpudevice */
interface GpuDevice {
  readonly lost?: Promise<unknown>;
  readonly limits?: { readonly maxBufferSize: number; readonly maxStorageBufferBindingSize: number };
}

async function watchDevice(ort: OrtNamespace): Promise<GpuWatch> {
  const { lost: loss, limits } = ((await ort.env.webgpu?.device) ?? {}) as GpuDevice;
  return {
    isLost: () =>
      new Promise((resolve) => {
        void loss?.then(() => resolve(true));
        setTimeout(() => resolve(false), TOLD_WITHIN_MS);
      }),
    // A kernel is given a whole tensor as one binding of a buffer.
    maxTensorBytes: limits && Math.min(limits.maxBufferSize, limits.maxStorageBufferBindingSize),
  };
}

function toInfos(metadata: readonly OrtMetadata[]): readonly TensorInfo[] {
  return metadata.map((each) =>
    each.isTensor
      ? { name: each.name, type: each.type, dims: each.shape.map((dim) => (dim === '' ? -1 : dim)) }
      : { name: each.name, type: undefined, dims: undefined },
  );
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
