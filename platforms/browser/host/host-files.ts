/**
 * @module Where the host files and their .wasm are. A URL is spelled out for each file, in the one form that bundlers
 * (Vite's build, webpack, Parcel) recognise, copy and rewrite: a built folder could not be found again under hashed names.
 */

import type { HostFramework } from '../../../src/host/channel.ts';

/** The self-contained host files of the package, by name: dist/workers/<name>.js. */
export type HostFileName = 'onnxruntime-wasm' | 'onnxruntime-webgpu' | 'tfjs' | 'transformers';

interface HostFile {
  readonly script: () => URL;
  /** What the file's runtime fetches, by file name in dist/assets/. */
  readonly assets: () => Readonly<Record<string, URL>>;
}

const asyncify = (): Readonly<Record<string, URL>> => ({
  'ort-wasm-simd-threaded.asyncify.wasm': new URL(
    '../../../assets/ort-wasm-simd-threaded.asyncify.wasm',
    import.meta.url,
  ),
});

const FILES: Readonly<Record<HostFileName, HostFile>> = {
  'onnxruntime-wasm': {
    script: () => new URL('../../../workers/onnxruntime-wasm.js', import.meta.url),
    assets: () => ({
      'ort-wasm-simd-threaded.wasm': new URL('../../../assets/ort-wasm-simd-threaded.wasm', import.meta.url),
    }),
  },
  'onnxruntime-webgpu': {
    script: () => new URL('../../../workers/onnxruntime-webgpu.js', import.meta.url),
    assets: asyncify,
  },
  tfjs: {
    script: () => new URL('../../../workers/tfjs.js', import.meta.url),
    assets: () => ({
      'tfjs-backend-wasm-simd.wasm': new URL('../../../assets/tfjs-backend-wasm-simd.wasm', import.meta.url),
      'tfjs-backend-wasm.wasm': new URL('../../../assets/tfjs-backend-wasm.wasm', import.meta.url),
    }),
  },
  transformers: {
    script: () => new URL('../../../workers/transformers.js', import.meta.url),
    assets: asyncify,
  },
};

/** The host file that carries a framework and the backends that will be asked of it: the smallest that has them all. */
export function hostFileFor(framework: HostFramework, backends: readonly string[]): HostFileName {
  if (framework !== 'onnxruntime') return framework;
  return backends.some((backend) => backend === 'webgpu' || backend === 'webnn')
    ? 'onnxruntime-webgpu'
    : 'onnxruntime-wasm';
}

export interface HostFileUrls {
  readonly script: string;
  readonly assets: Readonly<Record<string, string>>;
}

/** Folders given by the caller; relative ones are relative to the page, or to the worker that asks. */
export interface HostFolders {
  readonly workerUrl?: string | undefined;
  readonly assetsUrl?: string | undefined;
}

export function locateHostFile(name: HostFileName, folders: HostFolders): HostFileUrls {
  const file = FILES[name];
  const workers = folder(folders.workerUrl);
  const assets = folder(folders.assetsUrl) ?? (workers && new URL('../assets/', workers));
  return {
    script: (workers ? new URL(`${name}.js`, workers) : packaged(file.script())).href,
    assets: Object.fromEntries(
      Object.entries(file.assets()).map(([asset, url]) => [
        asset,
        (assets ? new URL(asset, assets) : packaged(url)).href,
      ]),
    ),
  };
}

function folder(url: string | undefined): URL | undefined {
  if (url === undefined) return undefined;
  return new URL(url.endsWith('/') ? url : `${url}/`, globalThis.document?.baseURI ?? globalThis.location?.href);
}

/**
 * Vite's dev server bundles dependencies into node_modules/.vite/deps/ unless the plugin `epochly/vite` says otherwise, and
 * leaves `import.meta.url` to mean that folder; the package's own is two levels up from there.
 */
function packaged(url: URL): URL {
  const bundled = /^(.*\/node_modules\/)\.vite\/deps[^/]*\//.exec(import.meta.url)?.[1];
  if (bundled === undefined) return url;
  const [, file] = /\/((?:workers|assets)\/[^/]+)$/.exec(url.pathname) ?? [];
  return file === undefined ? url : new URL(`epochly/dist/${file}`, bundled);
}
