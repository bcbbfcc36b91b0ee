/** The models of the benches. */

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { transform } from 'esbuild';

const ort = createRequire(import.meta.url)('onnxruntime-node');
export const USE_LITE = fileURLToPath(new URL('../../../demo/models/use-lite/model_fp32.onnx', import.meta.url));

/** The models that the tests write by hand; what Node runs is JavaScript. */
export async function onnxBuilder() {
  const source = readFileSync(new URL('../../helpers/onnx-builder.ts', import.meta.url), 'utf8');
  const { code } = await transform(source, { loader: 'ts', format: 'esm' });
  return import(`data:text/javascript,${encodeURIComponent(code)}`);
}

/** One thread by default, which a run of a few tokens is fastest on. */
export const openUseLite = (options = { intraOpNumThreads: 1 }) => ort.InferenceSession.create(USE_LITE, options);

/** Gives feeds of eight tokens, different ones each time. */
export function sentences(length = 8) {
  let n = 0;
  return () => {
    const ids = new BigInt64Array(length);
    for (let i = 0, value = n++; i < length; i++, value = Math.floor(value / 7000))
      ids[i] = BigInt(10 + (value % 7000));
    return feedsOf(ids);
  };
}

export function feedsOf(ids) {
  return {
    input_ids: new ort.Tensor('int64', ids, [1, ids.length]),
    attention_mask: new ort.Tensor('int64', new BigInt64Array(ids.length).fill(1n), [1, ids.length]),
  };
}

/**
 * A session of one Identity node, whose run costs little beyond the call itself, and feeds of 16 numbers that differ each
 * time. The model's bytes are an ONNX ModelProto: ir_version 8, opset 17, y = Identity(x), both float32 of dims [n].
 */
export async function tinySession() {
  const text = (value) => [value.length, ...new TextEncoder().encode(value)];
  const valueInfo = (tag, name) => [tag, 17, 10, ...text(name), 18, 12, 10, 10, 8, 1, 18, 6, 10, 4, 18, 2, 110, 49];
  const node = [10, 16, 10, ...text('x'), 18, ...text('y'), 34, ...text('Identity')];
  const graph = [...node, 18, ...text('t'), ...valueInfo(90, 'x'), ...valueInfo(98, 'y')];
  const model = Uint8Array.from([8, 8, 66, 2, 16, 17, 58, graph.length, ...graph]);
  let n = 0;
  return {
    session: await ort.InferenceSession.create(model),
    feeds: () => ({ x: new ort.Tensor('float32', new Float32Array(16).fill(n++), [16]) }),
  };
}
