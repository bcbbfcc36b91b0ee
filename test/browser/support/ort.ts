/** Copies of onnxruntime-web in the page, each with classes of its own, and inputs for the sentence encoder. */

import { USE_LITE } from './hosts.ts';

export type Ort = typeof import('onnxruntime-web');
export type Session = import('onnxruntime-web').InferenceSession;
export type Feeds = Readonly<Record<string, import('onnxruntime-web').Tensor>>;

export const ENCODER = `${USE_LITE}model_fp32.onnx`;

const DIST = '/node_modules/onnxruntime-web/dist/';

/** A copy for each `copy`: one module under several addresses is several modules. */
export async function importOrt(build: 'wasm' | 'webgpu', copy: string): Promise<Ort> {
  const url = `${DIST}ort.${build}.bundle.min.mjs?copy=${copy}`;
  const ort = (await import(/* @vite-ignore */ url)) as Ort;
  const file = build === 'wasm' ? 'ort-wasm-simd-threaded.wasm' : 'ort-wasm-simd-threaded.asyncify.wasm';
  ort.env.wasm.wasmPaths = { wasm: new URL(`/assets/${file}`, location.href).href };
  ort.env.wasm.numThreads = 1;
  ort.env.logLevel = 'error';
  return ort;
}

/** Equal ids give equal feeds in memory of their own. */
export function tokens(ort: Ort, ...ids: readonly number[]): Feeds {
  const dims = [1, ids.length];
  return {
    input_ids: new ort.Tensor('int64', BigInt64Array.from(ids, BigInt), dims),
    attention_mask: new ort.Tensor('int64', new BigInt64Array(ids.length).fill(1n), dims),
  };
}
