/** @module The frameworks that the application installed, which are optional peers of this package. */

import { dirname, join } from 'node:path';
import { MissingPeerError } from '../../../src/model-errors.ts';
import { resolvePeer } from '../resolve-peer.ts';

/** Versions that were seen to work. */
const PEERS = {
  'onnxruntime-node': '>=1.22 <2',
  '@tensorflow/tfjs': '>=4.20 <5',
  '@tensorflow/tfjs-backend-wasm': '>=4.20 <5',
  '@huggingface/transformers': '>=4 <5',
} as const;

type Peer = keyof typeof PEERS;

/** The file of a framework. @throws MissingPeerError where it is not installed. */
export function pathOfPeer(name: Peer): string {
  return resolvePeer(name, PEERS[name]).path;
}

/** @throws MissingPeerError where it is not installed, or does not load. */
export function requirePeer<Namespace>(name: Peer): { readonly namespace: Namespace; readonly version: string } {
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
