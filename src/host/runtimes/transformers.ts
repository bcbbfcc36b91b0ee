/** @module transformers.js in a host: a pipeline whose files all come from memory. */

import { EpochlyError, InputError, UnsupportedOperationError } from '../../errors.ts';
import { InferenceError, ModelLoadError } from '../../model-errors.ts';
import type { BackendInfo } from '../../platform.ts';
import type { Portable } from '../../portable.ts';
import { describeGraphs } from '../transformers-files.ts';
import { read } from '../../shapes.ts';
import { drawsAlways, readsMedia, samplesByDefault } from '../../transformers-traits.ts';
import type { ModelFiles } from '../model-files.ts';
import { randomRefusal } from '../onnx-random.ts';
import type { AnswerTraits, OpenRequest, Runtime, RuntimeModel } from '../runtime.ts';
import { fromPipeline, toPipeline } from './transformers-values.ts';

/** The part of @huggingface/transformers that hosts use, by shape. */
export interface TransformersLibrary {
  readonly env: TransformersEnv;
  readonly Tensor: new (type: string, data: unknown, dims: readonly number[]) => unknown;
  readonly RawImage?: new (data: unknown, width: number, height: number, channels: number) => unknown;
  pipeline(task: string, model: string, options: Record<string, unknown>): Promise<TransformersPipeline>;
}

export interface TransformersEnv {
  readonly version?: string;
  allowRemoteModels: boolean;
  allowLocalModels: boolean;
  useFS: boolean;
  useFSCache: boolean;
  useBrowserCache: boolean;
  useWasmCache: boolean;
  useCustomCache: boolean;
  customCache: unknown;
  remotePathTemplate: string;
  fetch: (input: string, init?: unknown) => Promise<unknown>;
}

export interface TransformersPipeline {
  (...args: unknown[]): Promise<unknown>;
  model: TransformersModel;
}

export interface TransformersModel {
  (inputs: unknown): Promise<Record<string, unknown>>;
  readonly sessions?: Readonly<Record<string, { readonly outputNames?: readonly string[] }>>;
  dispose?(): Promise<unknown>;
}

export interface TransformersRuntimeOptions {
  /** Makes the response that transformers.js reads a file from: `new Response(bytes, { status })`. */
  readonly respond: (bytes: Uint8Array | undefined) => unknown;
  /** The name of transformers.js for a backend; default: the backend's own. */
  readonly deviceOf?: ((backend: string) => string) | undefined;
  readonly describe?:
    | ((
        backend: string,
      ) => Promise<{ readonly device?: string | undefined; readonly isFallbackAdapter?: boolean | undefined }>)
    | undefined;
  readonly listBackends?: (() => Promise<readonly BackendInfo[]>) | undefined;
}

/** Model ids of this form mean files in memory; transformers.js takes it for a name on a hub. */
const PREFIX = 'epochly-memory/';
/** transformers.js remembers configurations by model id, so no id is used twice. */
let opened = 0;

/** Options of `pipeline()` that choose files of the folder, or where to look for them: decided here. */
const OWN_OPTIONS: ReadonlySet<string> = new Set([
  'cache_dir',
  'device',
  'dtype',
  'local_files_only',
  'progress_callback',
  'revision',
  'subfolder',
  'use_external_data_format',
]);

/** A host's runtime around one copy of transformers.js. Takes over its `env`: no network, no cache, no file system. */
export function createTransformersRuntime(lib: TransformersLibrary, options: TransformersRuntimeOptions): Runtime {
  const models = takeOver(lib.env, options.respond);

  async function open(request: OpenRequest): Promise<RuntimeModel> {
    const { files, backend, task, frameworkOptions = {} } = request;
    if (task === undefined) {
      throw new UnsupportedOperationError(
        "A transformers.js model needs a task: load({ task: 'feature-extraction', model }).",
      );
    }
    const id = `${PREFIX}m${++opened}`;
    const { subfolder, dtypes } = describeGraphs(files.files.map((file) => file.path));
    const chunks: Record<string, number> = {};
    for (const { path } of files.files) {
      const graph = /([^/]+\.onnx)_data(?:_\d+)?$/.exec(path)?.[1];
      if (graph !== undefined) chunks[graph] = (chunks[graph] ?? 0) + 1;
    }
    models.set(id, new Map(files.files.map((file) => [file.path, file.bytes])));
    let pipeline: TransformersPipeline;
    try {
      pipeline = await lib.pipeline(task, id, {
        ...Object.fromEntries(Object.entries(frameworkOptions).filter(([name]) => !OWN_OPTIONS.has(name))),
        device: options.deviceOf?.(backend) ?? backend,
        dtype: dtypes,
        subfolder,
        ...(Object.keys(chunks).length > 0 && { use_external_data_format: chunks }),
      });
    } catch (cause) {
      const reason = textOf(cause);
      const message = `transformers.js could not open ${files.source} for ${task} on ${backend}: ${reason}`;
      throw NOT_THE_BACKEND.test(reason)
        ? new ModelLoadError(message, { cause })
        : new InferenceError(message, { cause });
    } finally {
      models.delete(id);
    }
    const { model } = pipeline;
    const pooled = /^(feature-extraction|embeddings)$/.test(task) && answersSentences(model);
    if (pooled) pipeline.model = async (inputs) => withSentencesAsTokens(await model(inputs));
    return {
      info: {
        backend,
        ...(await options.describe?.(backend)),
        inputs: [],
        outputs: [],
        answers: {
          refusal: refusalOf(files, task, model),
          samples: read(model, 'can_generate') === true && samplesByDefault(model),
          readsMedia: readsMedia(pipeline, task),
        },
        runtime: `@huggingface/transformers ${lib.env.version ?? ''}`.trim(),
      },
      async run(args) {
        if (args.length === 0)
          throw new InputError(`A ${task} pipeline takes at least one argument; it was given none.`);
        if (pooled) checkPooling(args[1]);
        const given = args.map((each) => toPipeline(lib, each));
        try {
          return await fromPipeline(await pipeline(...given));
        } catch (cause) {
          if (EpochlyError.isInstance(cause)) throw cause;
          throw new InferenceError(`The ${task} pipeline failed: ${textOf(cause)}`, { cause });
        }
      },
      async dispose() {
        await model.dispose?.();
      },
    };
  }

  return { open, listBackends: async () => (await options.listBackends?.()) ?? [] };
}

function refusalOf({ files }: ModelFiles, task: string, model: TransformersModel): AnswerTraits['refusal'] {
  if (drawsAlways(task, model)) return 'nondeterministic';
  const graphs = files.filter(({ path }) => path.endsWith('.onnx'));
  return graphs.map(({ bytes }) => randomRefusal(bytes)).find((refusal) => refusal !== undefined);
}

/** What is wrong with the files or the task, and would be on any backend. */
const NOT_THE_BACKEND =
  /not found locally|Unsupported pipeline|Unsupported model type|JSON|protobuf|ModelProto|INVALID_GRAPH|invalid model/i;

/** The outputs that a feature-extraction pipeline looks for. */
const TOKEN_OUTPUTS = ['last_hidden_state', 'logits', 'token_embeddings'];

/** Sentence encoders that pool within the graph have none of them: the pipeline would answer undefined. */
function answersSentences(model: TransformersModel): boolean {
  const outputs = Object.values(model.sessions ?? {}).flatMap((session) => session.outputNames ?? []);
  return outputs.includes('sentence_embedding') && !TOKEN_OUTPUTS.some((name) => outputs.includes(name));
}

function withSentencesAsTokens(outputs: Record<string, unknown>): Record<string, unknown> {
  return { ...outputs, token_embeddings: outputs['sentence_embedding'] };
}

function checkPooling(options: Portable): void {
  const pooling =
    typeof options === 'object' && options !== null ? (options as Record<string, unknown>)['pooling'] : undefined;
  if (pooling !== undefined && pooling !== 'none') {
    throw new InputError(
      `This model pools its tokens itself: one vector a text. Leave out pooling: ${JSON.stringify(pooling)}.`,
    );
  }
}

/** Files of the models that are being opened, by model id and path. */
type MemoryModels = Map<string, ReadonlyMap<string, Uint8Array>>;

/** Hosts in place share one copy of the library, which is taken over once. */
const taken = new WeakMap<TransformersEnv, MemoryModels>();

function takeOver(env: TransformersEnv, respond: (bytes: Uint8Array | undefined) => unknown): MemoryModels {
  const known = taken.get(env);
  if (known !== undefined) return known;
  const models: MemoryModels = new Map();
  taken.set(env, models);
  const fetchInput = env.fetch;
  env.allowRemoteModels = false;
  // "Local" files are looked for in the cache first, which is the memory; a miss goes to `fetch` below, which says 404.
  env.allowLocalModels = true;
  env.useFS = false;
  env.useFSCache = false;
  env.useBrowserCache = false;
  env.useWasmCache = false;
  env.useCustomCache = true;
  env.remotePathTemplate = '{model}/';
  env.customCache = {
    match: async (key: string) => {
      const found = lookUp(models, key);
      return found && respond(found);
    },
    put: async () => undefined,
  };
  // An image or a sound that a caller names by URL is fetched; a file of a model never is.
  env.fetch = async (input, init) => (String(input).includes(PREFIX) ? respond(undefined) : fetchInput(input, init));
  return models;
}

function lookUp(models: MemoryModels, key: string): Uint8Array | undefined {
  const start = key.indexOf(PREFIX);
  if (start < 0) return undefined;
  const end = key.indexOf('/', start + PREFIX.length);
  const files = models.get(key.slice(start, end));
  const path = key.slice(end + 1).replace(/^\/+/, '');
  // transformers.js knows fp32 only without an ending; folders name it `_fp32` as well.
  return files?.get(path) ?? files?.get(path.replace(/\.onnx(?=$|_data)/, '_fp32.onnx'));
}

function textOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
