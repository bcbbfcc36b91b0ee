/** @module The framework of a host in Node: the peer that the application installed. */

import { pathToFileURL } from 'node:url';
import { UnsupportedOperationError } from '../../../src/errors.ts';
import type { HostFramework } from '../../../src/host/channel.ts';
import type { Runtime } from '../../../src/host/runtime.ts';
import { createOnnxRuntime } from '../../../src/host/runtimes/onnxruntime.ts';
import type { OrtNamespace } from '../../../src/host/runtimes/onnxruntime.ts';
import { createTfjsRuntime } from '../../../src/host/runtimes/tfjs.ts';
import type { TfNamespace } from '../../../src/host/runtimes/tfjs-namespace.ts';
import { createTransformersRuntime } from '../../../src/host/runtimes/transformers.ts';
import type { TransformersLibrary } from '../../../src/host/runtimes/transformers.ts';
import { deviceOf, listBackends } from '../list-backends.ts';
import { pathOfPeer, requirePeer } from './peers.ts';

export async function loadRuntime(framework: HostFramework): Promise<Runtime> {
  switch (framework) {
    case 'onnxruntime': {
      const { namespace, version } = requirePeer<OrtNamespace>('onnxruntime-node');
      return createOnnxRuntime(namespace, {
        runtime: `onnxruntime-node ${version}`,
        describe: async (backend) => ({ device: deviceOf(backend) }),
        listBackends,
      });
    }
    case 'tfjs': {
      const { namespace } = requirePeer<TfNamespace>('@tensorflow/tfjs');
      return createTfjsRuntime(namespace, { prepare: prepareTfjs, listBackends });
    }
    case 'transformers': {
      const path = pathOfPeer('@huggingface/transformers');
      return createTransformersRuntime(
        (await import(/* webpackIgnore: true */ pathToFileURL(path).href)) as TransformersLibrary,
        {
          respond: (bytes) =>
            new Response(bytes as Uint8Array<ArrayBuffer> | undefined, { status: bytes === undefined ? 404 : 200 }),
          listBackends,
        },
      );
    }
  }
}

/** TensorFlow.js has its WebAssembly backend in a package of its own, and no GPU's in Node. */
async function prepareTfjs(backend: string): Promise<void> {
  if (backend === 'wasm') requirePeer('@tensorflow/tfjs-backend-wasm');
  else if (backend !== 'cpu')
    throw new UnsupportedOperationError(`TensorFlow.js has no backend ${backend} in Node: use wasm or cpu.`);
}
