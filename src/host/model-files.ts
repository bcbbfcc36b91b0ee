/** @module The files a model is made of, as they are read by a platform and handed to a host. */

import type { Portable } from '../portable.ts';

/** Progress of reading a model. `totalBytes` is undefined where the source does not say. */
export interface LoadProgress {
  readonly phase: 'read' | 'open';
  /** The file in question, relative to the model's folder. */
  readonly file: string;
  readonly loadedBytes: number;
  readonly totalBytes: number | undefined;
}

export interface ReadOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: LoadProgress) => void) | undefined;
  /** transformers.js: the options that decide which files a pipeline needs (`dtype`, `model_file_name`). */
  readonly frameworkOptions?: Readonly<Record<string, Portable>> | undefined;
}

/** One file of a model. */
export interface ModelFile {
  /** Relative to the main file, with forward slashes: the name by which the model refers to it. */
  readonly path: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** A model as it was read. */
export interface ModelFiles {
  /** What it was recognised as, by its content and name. */
  readonly format: 'onnx' | 'tfjs-layers' | 'tfjs-graph' | 'transformers';
  /** The main file first, then external data, weight shards, tokenizer and configuration files, by path. */
  readonly files: readonly ModelFile[];
  /**
   * SHA-256 (hexadecimal). Of a single file: of its bytes, as `sha256sum` prints it. Of several: of one line
   * `<sha256 of the file>  <path>\n` a file, sorted by path, as `sha256sum` prints them.
   */
  readonly identity: string;
  /** Where it was read from, for messages. */
  readonly source: string;
}
