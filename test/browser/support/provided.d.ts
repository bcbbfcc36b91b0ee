import 'vitest';

declare module 'vitest' {
  interface ProvidedContext {
    /** Whether the browser was started with WebGPU. */
    webgpu: boolean;
  }
}
