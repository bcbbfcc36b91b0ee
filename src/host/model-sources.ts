/** @module From where a model is to which files it is made of, and their hash. What reads them is the platform's. */

import { ModelLoadError } from '../model-errors.ts';
import type { MaybePromise } from '../platform.ts';
import type { Portable } from '../portable.ts';
import type { ModelFile, ModelFiles } from './model-files.ts';
import { listExternalData } from './onnx-external-data.ts';
import { readTransformersFiles } from './transformers-files.ts';

/** A folder, or an address with a transformers.js model's files below it, and what the model is for. */
export interface TransformersSource {
  /** The pipeline's task, such as 'feature-extraction'. */
  readonly task: string;
  /** The folder's path or URL. */
  readonly model: string | URL;
}

/** A path (Node), a URL, or the file's content. */
export type ModelSource = string | URL | ArrayBuffer | Uint8Array | Blob | TransformersSource;

/** Reads one model's files; made by the platform for one source. */
export interface SourceReader {
  /** What to call it in messages: its path, its URL, or 'the given bytes'. */
  readonly source: string;
  /** The main file's name, '' where it has none. */
  readonly name: string;
  /** The main file. @throws ModelLoadError where there is none. */
  readMain(): Promise<Uint8Array<ArrayBuffer>>;
  /** A file by its path relative to the main one's folder (or to the folder itself); undefined where there is none. */
  read(path: string): Promise<Uint8Array<ArrayBuffer> | undefined>;
}

type Digest = (bytes: Uint8Array) => MaybePromise<string>;

export function isTransformersSource(source: unknown): source is TransformersSource {
  return typeof source === 'object' && source !== null && typeof (source as { task?: unknown }).task === 'string';
}

/** Reads a single-file model and all it refers to: external data of an ONNX file, weight shards of a model.json. */
export async function collectModelFiles(reader: SourceReader, digest: Digest): Promise<ModelFiles> {
  const { source, name } = reader;
  const bytes = await reader.readMain();
  const main: ModelFile = { path: name === '' ? 'model' : name, bytes };
  refuseObviousNonModels(bytes, source);
  const { format, references } = inspect(bytes, source);
  const files = [main];
  for (const path of references) files.push({ path, bytes: await readReference(reader, path) });
  return { format, files, identity: await identify(files, digest), source };
}

/** Reads the folder of a transformers.js model. */
export async function collectTransformersFiles(
  reader: SourceReader,
  digest: Digest,
  options: Readonly<Record<string, Portable>> = {},
): Promise<ModelFiles> {
  const files = await readTransformersFiles((path) => reader.read(path), reader.source, options);
  return { format: 'transformers', files, identity: await identify(files, digest), source: reader.source };
}

/** SHA-256 over the files, as ModelFiles documents it. */
export async function identify(files: readonly ModelFile[], digest: Digest): Promise<string> {
  const lines: string[] = [];
  for (const { path, bytes } of files.toSorted((a, b) => (a.path < b.path ? -1 : 1))) {
    lines.push(`${await digest(bytes)}  ${path}\n`);
  }
  const [only] = lines;
  return lines.length === 1 ? (only as string).slice(0, 64) : digest(new TextEncoder().encode(lines.join('')));
}

function inspect(
  bytes: Uint8Array,
  source: string,
): { readonly format: 'onnx' | 'tfjs-layers' | 'tfjs-graph'; readonly references: readonly string[] } {
  if (firstCharacter(bytes) === '{') return inspectModelJson(bytes, source);
  try {
    return { format: 'onnx', references: listExternalData(bytes) };
  } catch (cause) {
    throw new ModelLoadError(`${source} could not be read as a model. ${(cause as Error).message}`, { cause });
  }
}

interface ModelJson {
  readonly format?: unknown;
  readonly modelTopology?: { readonly node?: unknown };
  readonly weightsManifest?: readonly { readonly paths?: readonly unknown[] }[];
}

function inspectModelJson(
  bytes: Uint8Array,
  source: string,
): { readonly format: 'tfjs-layers' | 'tfjs-graph'; readonly references: readonly string[] } {
  let json: ModelJson;
  try {
    json = JSON.parse(new TextDecoder().decode(bytes)) as ModelJson;
  } catch (cause) {
    throw new ModelLoadError(`${source} begins like a model.json, but is not valid JSON: it may be truncated.`, {
      cause,
    });
  }
  if (typeof json.modelTopology !== 'object' || json.modelTopology === null) {
    throw new ModelLoadError(`${source} is JSON, but no TensorFlow.js model.json: it has no modelTopology.`);
  }
  const graph = json.format === 'graph-model' || Array.isArray(json.modelTopology.node);
  const paths = (json.weightsManifest ?? []).flatMap((group) => group.paths ?? []).map(String);
  return { format: graph ? 'tfjs-graph' : 'tfjs-layers', references: [...new Set(paths)] };
}

async function readReference(reader: SourceReader, path: string): Promise<Uint8Array<ArrayBuffer>> {
  // A model may come from anywhere: it must not make its reader open files elsewhere.
  const segments = path.split('/');
  if (path === '' || /[\\:?#%\0]/.test(path) || segments.includes('..') || segments[0] === '') {
    throw new ModelLoadError(
      `${reader.source} refers to the file ${JSON.stringify(path)}, which is not below its own folder.`,
    );
  }
  const bytes = await reader.read(path);
  if (bytes === undefined) {
    throw new ModelLoadError(`${reader.source} refers to the file ${path}, which is not beside it.`);
  }
  return bytes;
}

function refuseObviousNonModels(bytes: Uint8Array, source: string): void {
  if (bytes.length === 0) throw new ModelLoadError(`${source} is empty.`);
  const start = new TextDecoder().decode(bytes.subarray(0, 64)).trimStart().toLowerCase();
  if (start.startsWith('version https://git-lfs')) {
    throw new ModelLoadError(`${source} is a Git LFS pointer, not the model: fetch it with \`git lfs pull\`.`);
  }
  if (start.startsWith('<!doctype') || start.startsWith('<html')) {
    throw new ModelLoadError(
      `${source} is an HTML page, not a model: the address is wrong, or the server answers every address with its page.`,
    );
  }
}

function firstCharacter(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes.subarray(0, 64)).trimStart().charAt(0);
}

/** A model whose bytes the caller gave: a single file, with nothing beside it. */
export async function bytesReader(content: ArrayBuffer | Uint8Array | Blob): Promise<SourceReader> {
  const source = 'the model that was given as bytes';
  return {
    source,
    name: '',
    // A copy: the bytes are handed over to a host.
    readMain: async () => new Uint8Array(content instanceof Blob ? await content.arrayBuffer() : content).slice(),
    read: () =>
      Promise.reject(
        new ModelLoadError(
          `${source} refers to files beside it, which bytes do not have. Load it from a path or a URL.`,
        ),
      ),
  };
}
