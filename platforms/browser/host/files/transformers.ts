/** @module Host file: transformers.js on WebGPU, WebNN and WebAssembly. */

import * as transformers from '@huggingface/transformers';
import * as ort from 'onnxruntime-web/webgpu';
import { createTransformersRuntime } from '../../../../src/host/runtimes/transformers.ts';
import type { TransformersLibrary } from '../../../../src/host/runtimes/transformers.ts';
import { describeWebgpu, listBackends } from '../../list-backends.ts';
import type { HostFileModule } from '../inline-channel.ts';
import { configureOrt } from './configure-ort.ts';
import { hostFile } from './host-file.ts';

const { env, pipeline, RawImage, Tensor } = transformers;

export const connect: HostFileModule['connect'] = hostFile(async (place) => {
  // The build gives transformers.js this same copy of onnxruntime-web.
  configureOrt(ort.env, place);
  return createTransformersRuntime({ env, pipeline, RawImage, Tensor } as unknown as TransformersLibrary, {
    respond: (bytes) =>
      new Response((bytes ?? null) as Uint8Array<ArrayBuffer> | null, { status: bytes === undefined ? 404 : 200 }),
    // The only processor of a browser is reached through WebAssembly.
    deviceOf: (backend) => (backend === 'cpu' ? 'wasm' : backend),
    describe: async (backend) => (backend === 'webgpu' ? describeWebgpu() : {}),
    listBackends,
  });
});
