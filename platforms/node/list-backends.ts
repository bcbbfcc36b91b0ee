/** @module The backends that Node has. */

import { cpus } from 'node:os';
import type { Backend, BackendInfo } from '../../src/platform.ts';
import { requirePeer } from './host/peers.ts';
import { tryBackend } from './try-backend.ts';

/** What onnxruntime-node may run on, best first. */
const CANDIDATES: readonly Backend[] = ['tensorrt', 'cuda', 'dml', 'coreml', 'webgpu', 'cpu'];

interface OrtBackends {
  readonly listSupportedBackends?: () => readonly { readonly name: string }[];
}

/**
 * What onnxruntime-node opens a model on. That it was built with a provider says nothing of the provider's libraries, the
 * driver or the device: each is tried, in a child process of its own, which takes a fraction of a second.
 */
export async function listBackends(): Promise<readonly BackendInfo[]> {
  const built = builtBackends();
  return Promise.all(
    CANDIDATES.map(async (backend): Promise<BackendInfo> => {
      const device = deviceOf(backend);
      if (device !== undefined) return { backend, available: true, device };
      if (built === undefined) {
        return { backend, available: false, reason: 'onnxruntime-node is not installed: npm install onnxruntime-node' };
      }
      if (!built.has(backend)) {
        return { backend, available: false, reason: `This build of onnxruntime-node has no ${backend} provider.` };
      }
      const reason = await tryBackend(backend);
      return reason === undefined ? { backend, available: true } : { backend, available: false, reason };
    }),
  );
}

/** The device of a backend, where Node can name it. */
export function deviceOf(backend: string): string | undefined {
  return backend === 'cpu' ? (cpus()[0]?.model.trim() ?? 'CPU') : undefined;
}

function builtBackends(): ReadonlySet<string> | undefined {
  try {
    const { listSupportedBackends } = requirePeer<OrtBackends>('onnxruntime-node').namespace;
    return new Set((listSupportedBackends?.() ?? []).map(({ name }) => name));
  } catch {
    return undefined;
  }
}
