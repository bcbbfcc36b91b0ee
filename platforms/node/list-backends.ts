/** @module The backends that Node may have. */

import nodeModule from 'node:module';
import { cpus } from 'node:os';
import type { Backend, BackendInfo } from '../../src/platform.ts';

/** What onnxruntime-node may run on, best first. */
const CANDIDATES: readonly Backend[] = ['tensorrt', 'cuda', 'dml', 'coreml', 'webgpu', 'cpu'];

interface OrtBackends {
  readonly listSupportedBackends?: () => readonly { readonly name: string; readonly bundled: boolean }[];
}

/** The providers that the installed onnxruntime-node was built with. Whether a driver is there shows only when one opens. */
export async function listBackends(): Promise<readonly BackendInfo[]> {
  const built = builtBackends();
  return CANDIDATES.map((backend): BackendInfo => {
    if (backend === 'cpu') return { backend, available: true, device: cpus()[0]?.model.trim() ?? 'CPU' };
    if (built === undefined) {
      return { backend, available: false, reason: 'onnxruntime-node is not installed: npm install onnxruntime-node' };
    }
    return built.has(backend)
      ? { backend, available: true }
      : { backend, available: false, reason: `This build of onnxruntime-node has no ${backend} provider.` };
  });
}

function builtBackends(): ReadonlySet<string> | undefined {
  try {
    const { listSupportedBackends } = nodeModule.createRequire(import.meta.url)('onnxruntime-node') as OrtBackends;
    return new Set((listSupportedBackends?.() ?? []).map(({ name }) => name));
  } catch {
    return undefined;
  }
}
