/** @module From where a model is to which files it is made of, and their hash. What reads them is the platform's. */

import { UnsupportedModelError } from '../errors.ts';
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

/** A path (Node), a URL, or the file's content. Content is kept for as long as the model is open, to open it again. */
export type ModelSource = string | URL | ArrayBuffer | ArrayBufferView | Blob | TransformersSource;

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

/**
 * The source as it is now: bytes are copied, for they are the caller's to change.
 * @throws UnsupportedModelError for what is none; ModelLoadError for an empty path or address.
 */
export function takeSource(source: unknown): ModelSource {
  if (isTransformersSource(source)) {
    if (isAddress(source.model)) return { task: source.task, model: String(source.model) };
    throw new UnsupportedModelError(
      `load({ task: ${JSON.stringify(source.task)} }) names no model: give the path or the address of its folder as \`model\`.`,
    );
  }
  if (isAddress(source)) return String(source);
  if (isBlob(source)) return source;
  if (ArrayBuffer.isView(source)) return bytesOf(source.buffer, source.byteOffset, source.byteLength);
  const tag = tagOf(source);
  if (/^(Shared)?ArrayBuffer$/.test(tag)) return bytesOf(source as ArrayBufferLike);
  throw new UnsupportedModelError(
    `load() was given ${source == null ? String(source) : `a value of type ${tag}`}, which is no source of a model. It takes a path or an address (a string or a URL), the content of a file (an ArrayBuffer, a typed array, a Blob), or { task, model } for transformers.js. A model that is open already is for wrap().`,
  );
}

function isAddress(value: unknown): value is string | URL {
  if (value === '') throw new ModelLoadError('The path or address of the model is empty.');
  return typeof value === 'string' || tagOf(value) === 'URL';
}

function isBlob(value: unknown): value is Blob {
  return /^(Blob|File)$/.test(tagOf(value));
}

/** By this, and not by its class, a value is known that comes from another realm. */
function tagOf(value: unknown): string {
  return Object.prototype.toString.call(value).slice(8, -1);
}

/** A copy, also of elements of other sizes and of shared memory. */
function bytesOf(buffer: ArrayBufferLike, offset?: number, length?: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(buffer, offset, length).slice();
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

/** A model whose content the caller gave: a single file, with nothing beside it. */
export async function contentReader(content: ArrayBuffer | ArrayBufferView | Blob): Promise<SourceReader> {
  const source = 'the model that was given as bytes';
  return {
    source,
    name: '',
    // A copy: the bytes are handed over to a host.
    async readMain() {
      if (ArrayBuffer.isView(content)) return bytesOf(content.buffer, content.byteOffset, content.byteLength);
      return isBlob(content) ? new Uint8Array(await content.arrayBuffer()) : bytesOf(content);
    },
    read: () => Promise.reject(nothingBeside(source)),
  };
}

/** What a source is refused with that is one file, and refers to others. */
export function nothingBeside(source: string): ModelLoadError {
  return new ModelLoadError(
    `${source} refers to files beside it, of which there are none. Load it from a path, or from an address that begins with http: or https:.`,
  );
}
