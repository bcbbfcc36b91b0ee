/**
 * @module Which files of a folder make up a transformers.js model. Over HTTP a folder cannot be listed, so files are asked
 * for by the names that transformers.js gives them, and what is not there is absent.
 */

import { ModelLoadError } from '../model-errors.ts';
import type { Portable } from '../portable.ts';
import type { ModelFile } from './model-files.ts';

/** Reads one file of the folder; undefined where there is none by that name. */
export type ReadFile = (path: string) => Promise<Uint8Array<ArrayBuffer> | undefined>;

/** The endings of model files by dtype, as exporters name them; the first is the one that transformers.js asks for. */
export const DTYPE_SUFFIXES: Readonly<Record<string, readonly string[]>> = {
  fp32: ['', '_fp32'],
  fp16: ['_fp16'],
  q8: ['_quantized'],
  int8: ['_int8'],
  uint8: ['_uint8'],
  q4: ['_q4'],
  q4f16: ['_q4f16'],
  bnb4: ['_bnb4'],
  q2: ['_q2'],
  q2f16: ['_q2f16'],
  q1: ['_q1'],
  q1f16: ['_q1f16'],
};

/** Small files that a pipeline may read; each is optional. */
const OPTIONAL_FILES = [
  'tokenizer.json',
  'tokenizer_config.json',
  'preprocessor_config.json',
  'processor_config.json',
  'generation_config.json',
  'chat_template.jinja',
];

/** The graphs a model may be split into, most common first. A name with '?' is read where it is there. */
const SESSION_GROUPS: readonly (readonly string[])[] = [
  ['model', 'vision_encoder?', 'audio_encoder?'],
  ['encoder_model', 'decoder_model_merged'],
  ['encoder_model', 'decoder_model'],
  ['embed_tokens', 'decoder_model_merged', 'vision_encoder?', 'audio_encoder?', 'encoder_model?'],
  ['text_encoder', 'decoder_model_merged', 'encodec_decode'],
  ['vision_encoder', 'prompt_encoder_mask_decoder'],
  ['text_model', 'vision_model?'],
  ['vision_model'],
];

interface TransformersConfig {
  readonly is_encoder_decoder?: boolean;
  readonly 'transformers.js_config'?: {
    readonly dtype?: string | Readonly<Record<string, string>>;
    readonly use_external_data_format?: boolean | number | Readonly<Record<string, boolean | number>>;
  };
}

/**
 * Reads the files of one model: config.json, tokenizer and processor files where there are any, and the ONNX graphs of one
 * dtype, from `onnx/` or from the folder itself. The dtype is `options.dtype` (one, or one a graph), else the one that
 * config.json recommends, else the most precise there is: fp32 before fp16 before what is quantized.
 *
 * @throws ModelLoadError where config.json or the graphs are missing.
 */
export async function readTransformersFiles(
  read: ReadFile,
  source: string,
  options: Readonly<Record<string, Portable>> = {},
): Promise<ModelFile[]> {
  const configBytes = await read('config.json');
  if (configBytes === undefined) {
    throw new ModelLoadError(`${source} has no config.json, so it is not the folder of a transformers.js model.`);
  }
  const config = parseConfig(configBytes, source);
  const files: ModelFile[] = [{ path: 'config.json', bytes: configBytes }];
  const optional = await Promise.all(OPTIONAL_FILES.map(async (path) => ({ path, bytes: await read(path) })));
  for (const { path, bytes } of optional) if (bytes !== undefined) files.push({ path, bytes });
  files.push(...(await readGraphs(read, source, config, options)));
  return files;
}

function parseConfig(bytes: Uint8Array, source: string): TransformersConfig {
  try {
    return JSON.parse(new TextDecoder().decode(bytes)) as TransformersConfig;
  } catch (cause) {
    throw new ModelLoadError(`The config.json of ${source} is not valid JSON.`, { cause });
  }
}

async function readGraphs(
  read: ReadFile,
  source: string,
  config: TransformersConfig,
  options: Readonly<Record<string, Portable>>,
): Promise<ModelFile[]> {
  const named = options['model_file_name'];
  const groups = typeof named === 'string' ? [[named], ...SESSION_GROUPS.slice(1)] : [...SESSION_GROUPS];
  // Sequence-to-sequence models are tried as such first, which spares a dozen requests for a file named model.onnx.
  if (config.is_encoder_decoder === true) groups.push(groups.shift() as string[]);
  const folders = typeof options['subfolder'] === 'string' ? [options['subfolder']] : ['onnx', ''];
  const tried: string[] = [];

  async function readGraph(name: string): Promise<ModelFile[] | undefined> {
    for (const dtype of dtypesFor(name, config, options)) {
      for (const folder of folders) {
        for (const suffix of DTYPE_SUFFIXES[dtype] ?? []) {
          const path = `${folder === '' ? '' : `${folder.replace(/\/$/, '')}/`}${name}${suffix}.onnx`;
          const bytes = await read(path);
          if (bytes !== undefined) return [{ path, bytes }, ...(await readChunks(read, path, name, config, options))];
          tried.push(path);
        }
      }
    }
    return undefined;
  }

  for (const group of groups) {
    const found: ModelFile[] = [];
    let complete = true;
    for (const entry of group) {
      const files = await readGraph(entry.replace('?', ''));
      if (files !== undefined) found.push(...files);
      else if (!entry.endsWith('?')) complete = false;
      if (!complete) break;
    }
    if (complete) return found;
  }
  throw new ModelLoadError(
    `${source} has no model files${describeDtype(options)}. Looked for ${tried.slice(0, 6).join(', ')}${tried.length > 6 ? ` and ${tried.length - 6} more` : ''}.`,
  );
}

function dtypesFor(
  name: string,
  config: TransformersConfig,
  options: Readonly<Record<string, Portable>>,
): readonly string[] {
  const wanted = pick(options['dtype'], name) ?? pick(config['transformers.js_config']?.dtype, name);
  return wanted === undefined || wanted === 'auto' ? Object.keys(DTYPE_SUFFIXES) : [wanted];
}

function pick(value: unknown, name: string): string | undefined {
  const one: unknown = typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : value;
  return typeof one === 'string' ? one : undefined;
}

function describeDtype(options: Readonly<Record<string, Portable>>): string {
  return typeof options['dtype'] === 'string' ? ` of dtype ${options['dtype']}` : '';
}

/** Weights kept beside a graph: `<graph>_data`, `<graph>_data_1`, ... */
async function readChunks(
  read: ReadFile,
  path: string,
  name: string,
  config: TransformersConfig,
  options: Readonly<Record<string, Portable>>,
): Promise<ModelFile[]> {
  const declared: unknown =
    options['use_external_data_format'] ?? config['transformers.js_config']?.use_external_data_format;
  const fileName = path.slice(path.lastIndexOf('/') + 1);
  const count: unknown =
    typeof declared === 'object' && declared !== null
      ? ((declared as Record<string, unknown>)[fileName] ?? (declared as Record<string, unknown>)[name])
      : declared;
  const files: ModelFile[] = [];
  for (let i = 0; i < Number(count ?? 0); i++) {
    const chunk = `${path}_data${i === 0 ? '' : `_${i}`}`;
    const bytes = await read(chunk);
    if (bytes === undefined) throw new ModelLoadError(`${path} keeps its weights in ${chunk}, which is missing.`);
    files.push({ path: chunk, bytes });
  }
  return files;
}

/** Where the graphs of a model lie and their dtype, from the names of its files. */
export function describeGraphs(paths: readonly string[]): {
  readonly subfolder: string;
  readonly dtypes: Readonly<Record<string, string>>;
} {
  let subfolder = '';
  const dtypes: Record<string, string> = {};
  for (const path of paths) {
    const match = /^(?:(.*)\/)?([^/]+)\.onnx$/.exec(path);
    if (match === null) continue;
    subfolder = match[1] ?? '';
    const [name, dtype] = splitSuffix(match[2] as string);
    dtypes[name] = dtype;
  }
  return { subfolder, dtypes };
}

function splitSuffix(stem: string): [string, string] {
  let found: [string, string] = [stem, 'fp32'];
  let longest = 0;
  for (const [dtype, suffixes] of Object.entries(DTYPE_SUFFIXES)) {
    for (const suffix of suffixes) {
      if (suffix.length > longest && stem.endsWith(suffix)) {
        found = [stem.slice(0, -suffix.length), dtype];
        longest = suffix.length;
      }
    }
  }
  return found;
}
