/** @module Host file: TensorFlow.js on WebGPU, WebGL, WebAssembly and in plain JavaScript. */

import * as tf from '@tensorflow/tfjs';
import { setWasmPaths } from '@tensorflow/tfjs-backend-wasm';
import '@tensorflow/tfjs-backend-webgpu';
import { createTfjsRuntime } from '../../../../src/host/runtimes/tfjs.ts';
import type { TfNamespace } from '../../../../src/host/runtimes/tfjs-namespace.ts';
import { describeWebgpu, listBackends } from '../../list-backends.ts';
import type { HostFileModule } from '../inline-channel.ts';
import { hostFile } from './host-file.ts';

// Named one by one, so that the build leaves out what a host does not use (training, data sets).
const namespace = {
  version: tf.version,
  setBackend: tf.setBackend,
  ready: tf.ready,
  getBackend: tf.getBackend,
  findBackendFactory: tf.findBackendFactory,
  memory: tf.memory,
  engine: tf.engine,
  tensor: tf.tensor,
  loadLayersModel: tf.loadLayersModel,
  loadGraphModel: tf.loadGraphModel,
} as unknown as TfNamespace;

export const connect: HostFileModule['connect'] = hostFile(async ({ assets }) => {
  let wasmPathsSet = false;
  return createTfjsRuntime(namespace, {
    prepare(backend) {
      if (backend !== 'wasm' || wasmPathsSet) return;
      wasmPathsSet = true;
      // Its threads are opened from a function's source text, which does not survive being minified.
      tf.env().set('WASM_HAS_MULTITHREAD_SUPPORT', false);
      setWasmPaths({ ...assets, 'tfjs-backend-wasm-threaded-simd.wasm': '' } as Parameters<typeof setWasmPaths>[0]);
    },
    describe: async (backend) => (backend === 'webgpu' ? describeWebgpu() : {}),
    listBackends,
  });
});
