/** Hosts as `load()` opens them, less what `load()` adds: for tests of the host files themselves. */

import { onTestFinished } from 'vitest';
import { openHost } from '../../../platforms/browser/host/open-host.ts';
import type { HostFramework, HostOptions } from '../../../src/host/channel.ts';
import { HostClient } from '../../../src/host/host-client.ts';
import type { ModelFile, ModelFiles } from '../../../src/host/model-files.ts';
import type { OpenRequest, RuntimeModelInfo } from '../../../src/host/runtime.ts';
import { readTransformersFiles } from '../../../src/host/transformers-files.ts';
import type { Portable } from '../../../src/portable.ts';
import type { TensorLike } from '../../../src/tensor.ts';

export const USE_LITE = '/demo/models/use-lite/';
export const MODELS = {
  emotion: '/node_modules/@vladmandic/human/models/emotion.json',
  handtrack: '/node_modules/@vladmandic/human/models/handtrack.json',
  movenet: '/node_modules/@vladmandic/human/models/movenet-lightning.json',
  upscaler: '/node_modules/@upscalerjs/default-model/models/model.json',
};

export async function openClient(framework: HostFramework, options: Partial<HostOptions> = {}): Promise<HostClient> {
  const client = new HostClient(await openHost({ kind: 'worker', framework, backends: ['wasm'], ...options }));
  onTestFinished(() => client.channel.terminate());
  return client;
}

export interface OpenedModel {
  readonly client: HostClient;
  readonly info: RuntimeModelInfo;
  run(...args: Portable[]): Promise<Portable>;
}

export async function openModel(
  framework: HostFramework,
  request: OpenRequest,
  options: Partial<HostOptions> = {},
): Promise<OpenedModel> {
  const client = await openClient(framework, { backends: [request.backend], ...options });
  const info = await client.request('open', request);
  return { client, info, run: (...args) => client.request('run', args) };
}

export async function readBytes(url: string): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const response = await fetch(url);
  if (!response.ok || /html/.test(response.headers.get('content-type') ?? '')) return undefined;
  return new Uint8Array(await response.arrayBuffer());
}

export async function readFile(url: string, path: string = url): Promise<ModelFile> {
  const bytes = await readBytes(url);
  if (bytes === undefined) throw new Error(`no ${url}`);
  return { path, bytes };
}

export async function onnxFiles(url: string): Promise<ModelFiles> {
  return { format: 'onnx', files: [await readFile(url)], identity: url, source: url };
}

export async function tfjsFiles(url: string): Promise<ModelFiles> {
  const main = await readFile(url, 'model.json');
  const json = JSON.parse(new TextDecoder().decode(main.bytes));
  const paths: string[] = json.weightsManifest.flatMap((group: { paths: string[] }) => group.paths);
  const shards = await Promise.all(
    paths.map((path) => readFile(new URL(path, new URL(url, location.href)).href, path)),
  );
  const format = json.format === 'layers-model' ? 'tfjs-layers' : 'tfjs-graph';
  return { format, files: [main, ...shards], identity: url, source: url };
}

export async function transformersFiles(
  folder: string,
  options: Readonly<Record<string, Portable>> = {},
): Promise<ModelFiles> {
  const files = await readTransformersFiles((path) => readBytes(folder + path), folder, options);
  return { format: 'transformers', files, identity: folder, source: folder };
}

/** Values from 0 to `limit` that look like no pattern, the same in each run. */
export function noise(dims: readonly number[], limit = 1): TensorLike<'float32'> {
  const size = dims.reduce((product, each) => product * each, 1);
  return {
    type: 'float32',
    data: Float32Array.from({ length: size }, (_, i) => (((i * 7919) % 256) / 255) * limit),
    dims,
  };
}

/** Largest difference, relative to the largest absolute value expected. */
export function difference(expected: TensorLike, actual: TensorLike): number {
  const [a, b] = [expected.data as Float32Array, actual.data as Float32Array];
  if (a.length !== b.length) return Infinity;
  let largest = 0;
  let scale = 0;
  for (let i = 0; i < a.length; i++) {
    largest = Math.max(largest, Math.abs((a[i] as number) - (b[i] as number)));
    scale = Math.max(scale, Math.abs(a[i] as number));
  }
  return largest / (scale || 1);
}
