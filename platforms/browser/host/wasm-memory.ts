/** @module How much memory the WebAssembly of a worker has: the runtimes do not say. */

interface WasmResult {
  readonly exports?: WebAssembly.Exports;
  readonly instance?: WebAssembly.Instance;
}

/**
 * Sees each memory that is made from now on, in a worker that is the package's own. Returns what reads their bytes: undefined where
 * there are none. GPU memory and the heap of JavaScript are not in it: no browser tells a worker of them.
 */
export function watchWasmMemory(): () => number | undefined {
  if (typeof WebAssembly === 'undefined') return () => undefined;
  // A memory that is gone has no bytes.
  const memories = new Set<WeakRef<WebAssembly.Memory>>();
  const { Memory } = WebAssembly;
  const see = (memory: WebAssembly.Memory): void => void memories.add(new WeakRef(memory));
  WebAssembly.Memory = new Proxy(Memory, {
    construct(target, args: [WebAssembly.MemoryDescriptor]) {
      const memory = new target(...args);
      see(memory);
      return memory;
    },
  });
  for (const name of ['instantiate', 'instantiateStreaming'] as const) {
    const original = WebAssembly[name] as (...args: unknown[]) => Promise<WasmResult>;
    const watched = async (...args: unknown[]): Promise<WasmResult> => {
      const result = await original.apply(WebAssembly, args);
      const exported = Object.values((result.instance ?? (result as WebAssembly.Instance)).exports);
      for (const each of exported) if (each instanceof Memory) see(each);
      return result;
    };
    Object.assign(WebAssembly, { [name]: watched });
  }
  return () => {
    // One that was made and is exported as well is one.
    const living = new Set<WebAssembly.Memory>();
    for (const reference of memories) {
      const memory = reference.deref();
      if (memory === undefined) memories.delete(reference);
      else living.add(memory);
    }
    if (living.size === 0) return undefined;
    return Array.from(living).reduce((sum, { buffer }) => sum + buffer.byteLength, 0);
  };
}
