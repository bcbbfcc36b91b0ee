/** The sentence encoder: one line of epochly, and its tokenizer. */

import type { Backend, LoadedModel, LoadProgress } from 'epochly';
import { epochly } from './kept.ts';
import { createTokenizer } from './tokenizer.ts';
import type { Feeds } from './tokenizer.ts';

export interface Embedder {
  readonly model: LoadedModel;
  tokenize(sentence: string): Feeds;
  /** The sentence's embedding, 512 numbers. */
  embed(sentence: string, signal?: AbortSignal): Promise<Float32Array>;
}

const FOLDER = '/models/use-lite/';
/**
 * A quarter of the download of the fp32 file, and on WebAssembly the faster one; with this option its integer
 * operations stay integer, which is five times faster there.
 */
const MODEL = `${FOLDER}model_int8.onnx`;
const OPTIONS = { extra: { session: { disable_quant_qdq: '1' } } };

export async function openEmbedder(
  backend: Backend | 'auto',
  onProgress: (progress: LoadProgress) => void,
): Promise<Embedder> {
  const [tokenizer, config] = await Promise.all(
    ['tokenizer.json', 'tokenizer_config.json'].map((name) => readJson(`${FOLDER}${name}`)),
  );
  const model = await epochly.load(MODEL, { backend, onProgress, frameworkOptions: OPTIONS });
  const tokenize = createTokenizer(tokenizer as object, config as object);
  return {
    model,
    tokenize,
    async embed(sentence, signal) {
      const { sentence_embedding: embedding } = await model.run(tokenize(sentence), { signal });
      return embedding.data as Float32Array;
    },
  };
}

async function readJson(url: string): Promise<object> {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url} answered ${response.status} ${response.statusText}.`);
  return (await response.json()) as object;
}
