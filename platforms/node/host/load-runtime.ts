/** @module The framework of a host in Node: the peer that the application installed. */

import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { UnsupportedOperationError } from '../../../src/errors.ts';
import { MissingPeerError } from '../../../src/model-errors.ts';
import type { HostFramework } from '../../../src/host/channel.ts';
import type { Runtime } from '../../../src/host/runtime.ts';
import { createOnnxRuntime } from '../../../src/host/runtimes/onnxruntime.ts';
import type { OrtNamespace } from '../../../src/host/runtimes/onnxruntime.ts';
import { createTfjsRuntime } from '../../../src/host/runtimes/tfjs.ts';
import type { TfNamespace } from '../../../src/host/runtimes/tfjs-namespace.ts';
import { createTransformersRuntime } from '../../../src/host/runtimes/transformers.ts';
import type { TransformersLibrary } from '../../../src/host/runtimes/transformers.ts';
import { listBackends } from '../list-backends.ts';
import { resolvePeer } from '../resolve-peer.ts';

/** Versions that were seen to work. */
const PEERS = {
  'onnxruntime-node': '>=1.22 <2',
  '@tensorflow/tfjs': '>=4.20 <5',
  '@tensorflow/tfjs-backend-wasm': '>=4.20 <5',
  '@huggingface/transformers': '>=4 <5',
} as const;

type Peer = keyof typeof PEERS;

export async function loadRuntime(framework: HostFramework): Promise<Runtime> {
  switch (framework) {
    case 'onnxruntime': {
      const { namespace, version } = requirePeer<OrtNamespace>('onnxruntime-node');
      return createOnnxRuntime(namespace, { runtime: `onnxruntime-node ${version}`, describe, listBackends });
    }
    case 'tfjs': {
      const { namespace } = requirePeer<TfNamespace>('@tensorflow/tfjs');
      return createTfjsRuntime(namespace, { prepare: prepareTfjs, listBackends });
    }
    case 'transformers': {
      const { path } = resolvePeer('@huggingface/transformers', PEERS['@huggingface/transformers']);
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

async function describe(backend: string): Promise<{ readonly device?: string | undefined }> {
  return { device: (await listBackends()).find((each) => each.backend === backend)?.device };
}

/** TensorFlow.js has its WebAssembly backend in a package of its own, and no GPU's in Node. */
async function prepareTfjs(backend: string): Promise<void> {
  if (backend === 'wasm') requirePeer('@tensorflow/tfjs-backend-wasm');
  else if (backend !== 'cpu')
    throw new UnsupportedOperationError(`TensorFlow.js has no backend ${backend} in Node: use wasm or cpu.`);
}

function requirePeer<Namespace>(name: Peer): { readonly namespace: Namespace; readonly version: string } {
  const { require, path } = resolvePeer(name, PEERS[name]);
  try {
    const namespace = require(path) as Namespace;
    return { namespace, version: versionOf(require, name) };
  } catch (cause) {
    throw new MissingPeerError(name, PEERS[name], { cause });
  }
}

function versionOf(require: NodeJS.Require, name: Peer): string {
  for (let folder = dirname(require.resolve(name)); folder !== dirname(folder); folder = dirname(folder)) {
    try {
      const manifest = require(join(folder, 'package.json')) as { readonly name?: string; readonly version?: string };
      if (manifest.name === name) return manifest.version ?? '';
    } catch {
      // Not every folder above the entry has a package.json.
    }
  }
  return '';
}
