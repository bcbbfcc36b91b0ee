/** @module What a browser has to run models on. Works in pages and in workers. */

import type { BackendInfo } from '../../src/platform.ts';

/** Candidates, best first. Opens nothing that costs more than asking for an adapter. */
export async function listBackends(): Promise<readonly BackendInfo[]> {
  return [await webgpu(), await webnn(), webgl(), wasm(), { backend: 'cpu', available: true }];
}

/** The GPU that WebGPU would use; a software one is marked, for it is slower than WebAssembly. */
export async function describeWebgpu(): Promise<{ readonly device?: string; readonly isFallbackAdapter?: boolean }> {
  const { device, isFallbackAdapter } = await webgpu();
  return { ...(device !== undefined && { device }), ...(isFallbackAdapter !== undefined && { isFallbackAdapter }) };
}

async function webgpu(): Promise<BackendInfo> {
  const gpu = globalThis.navigator?.gpu as GPU | undefined;
  if (gpu === undefined) {
    const reason = globalThis.isSecureContext
      ? 'This browser has no WebGPU, or it is switched off.'
      : 'WebGPU needs a secure origin: serve the page by HTTPS, or from localhost.';
    return { backend: 'webgpu', available: false, reason };
  }
  try {
    const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' });
    if (adapter === null)
      return { backend: 'webgpu', available: false, reason: 'WebGPU found no adapter on this machine.' };
    const { vendor, architecture, device, description } = adapter.info;
    return {
      backend: 'webgpu',
      available: true,
      device: description || [vendor, architecture, device].filter(Boolean).join(' ') || 'unnamed',
      isFallbackAdapter: isFallback(adapter),
    };
  } catch (error) {
    return { backend: 'webgpu', available: false, reason: `WebGPU failed: ${textOf(error)}` };
  }
}

function isFallback(adapter: GPUAdapter): boolean {
  // The attribute moved from the adapter to its info. Chromium forced to SwiftShader by a switch does not set either.
  const info = adapter.info as GPUAdapterInfo & { readonly isFallbackAdapter?: boolean };
  const older = (adapter as GPUAdapter & { readonly isFallbackAdapter?: boolean }).isFallbackAdapter;
  return (info.isFallbackAdapter ?? older ?? false) || info.architecture === 'swiftshader';
}

async function webnn(): Promise<BackendInfo> {
  const ml = (globalThis.navigator as Navigator & { readonly ml?: { createContext(): Promise<unknown> } }).ml;
  if (ml === undefined) {
    const reason = globalThis.isSecureContext
      ? 'This browser has no WebNN, or it is switched off.'
      : 'WebNN needs a secure origin: serve the page by HTTPS, or from localhost.';
    return { backend: 'webnn', available: false, reason };
  }
  try {
    const context = (await ml.createContext()) as { destroy?(): void };
    context.destroy?.();
    return { backend: 'webnn', available: true };
  } catch (error) {
    return { backend: 'webnn', available: false, reason: `WebNN failed: ${textOf(error)}` };
  }
}

function webgl(): BackendInfo {
  try {
    const context = new OffscreenCanvas(1, 1).getContext('webgl2');
    if (context === null)
      return { backend: 'webgl', available: false, reason: 'This browser has no WebGL 2, or it is switched off.' };
    const named = context.getExtension('WEBGL_debug_renderer_info');
    const device = String(context.getParameter(named?.UNMASKED_RENDERER_WEBGL ?? context.RENDERER));
    // Browsers allow few contexts at a time, and an unreachable one counts until it is collected.
    context.getExtension('WEBGL_lose_context')?.loseContext();
    return {
      backend: 'webgl',
      available: true,
      device,
      isFallbackAdapter: /swiftshader|llvmpipe|software/i.test(device),
    };
  } catch (error) {
    return { backend: 'webgl', available: false, reason: `WebGL failed: ${textOf(error)}` };
  }
}

/** An empty module: where it compiles, so does the rest. Content security policies forbid it without 'wasm-unsafe-eval'. */
const EMPTY_MODULE = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0);

function wasm(): BackendInfo {
  if (typeof WebAssembly === 'undefined')
    return { backend: 'wasm', available: false, reason: 'This browser has no WebAssembly.' };
  try {
    void new WebAssembly.Module(EMPTY_MODULE);
  } catch (error) {
    const reason = `WebAssembly may not be compiled here: add 'wasm-unsafe-eval' to the script-src of the content security policy. (${textOf(error)})`;
    return { backend: 'wasm', available: false, reason };
  }
  // Threads need memory that is shared, which browsers give only to pages that are cross-origin isolated.
  const threads = globalThis.crossOriginIsolated ? globalThis.navigator.hardwareConcurrency || 1 : 1;
  return { backend: 'wasm', available: true, threads };
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
