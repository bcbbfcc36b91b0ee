/** @module Host file: onnxruntime-web on WebGPU and WebNN, with WebAssembly for what those lack. */

import * as ort from 'onnxruntime-web/webgpu';
import { createOnnxRuntime } from '../../../../src/host/runtimes/onnxruntime.ts';
import type { OrtNamespace } from '../../../../src/host/runtimes/onnxruntime.ts';
import { describeWebgpu, listBackends } from '../../list-backends.ts';
import type { HostFileModule } from '../inline-channel.ts';
import { configureOrt, setThreads } from './configure-ort.ts';
import { hostFile } from './host-file.ts';

export const connect: HostFileModule['connect'] = hostFile(async (place) => {
  configureOrt(ort.env, place);
  return createOnnxRuntime(ort as unknown as OrtNamespace, {
    runtime: `onnxruntime-web ${ort.env.versions.web}`,
    prepare: (options) => setThreads(ort.env, options),
    describe: async (backend) => (backend === 'webgpu' ? describeWebgpu() : {}),
    listBackends,
  });
});
