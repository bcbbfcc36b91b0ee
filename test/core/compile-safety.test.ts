import { describe, expect, test } from 'vitest';
import { candidatesFor } from '../../src/compilation/candidates.ts';
import { CompileSafetyMonitor, TorchCompileSafetyMonitor } from '../../src/compilation/compile-safety-monitor.ts';
import type { BackendInfo } from '../../src/platform.ts';
import type { Portable } from '../../src/portable.ts';
import { tensor } from '../../src/tensor.ts';

describe('before a model is compiled', () => {
  const monitor = new CompileSafetyMonitor({ availableMemoryMb: () => 100 });
  test('a second copy of it has to fit', () => {
    expect(monitor.preCompileCheck({ modelBytes: 33e6 }, 1)).toEqual({ canCompile: true });
    expect(monitor.preCompileCheck({ modelBytes: 34e6 }, 1)).toEqual({
      canCompile: false,
      reason: 'A second copy needs some 102 MB, and 100 MB are left.',
    });
  });
  test('what a copy takes is told by itself', () => {
    expect(monitor.copyMb({ modelBytes: 20e6 })).toBe(60);
    expect(new CompileSafetyMonitor({ memoryFactor: 2 }).copyMb({ modelBytes: 20e6 })).toBe(40);
  });
  test('where nobody knows what is left, it may be tried', () => {
    expect(new CompileSafetyMonitor().preCompileCheck({ modelBytes: 1e12 }, 1).canCompile).toBe(true);
  });
  test('the sample has to be something that can be sent', () => {
    expect(monitor.preCompileCheck({ modelBytes: 1 }, (() => 1) as unknown as Portable).canCompile).toBe(false);
  });
});

test('afterwards it may have taken so much memory, and no more', () => {
  const monitor = new TorchCompileSafetyMonitor({ maxMemoryIncreaseMb: 10 });
  expect(monitor.checkHealth(100, 110)).toEqual({ healthy: true, memoryIncreaseMb: 10 });
  expect(monitor.checkHealth(100, 111)).toMatchObject({ healthy: false, memoryIncreaseMb: 11 });
});

test.each<[string, Portable, string | undefined]>([
  ['numbers', { y: tensor('float32', [1, -2, 0], [3]), n: 3 }, undefined],
  ['an empty tensor', tensor('float32', [], [0]), undefined],
  ['the largest there are', new Float64Array([Number.MAX_VALUE, -Number.MAX_VALUE]), undefined],
  ['texts and whole numbers', ['NaN', new BigInt64Array([1n]), new Uint8Array([255])], undefined],
  ['NaN', { y: tensor('float32', [1, NaN], [2]) }, 'y[1] is NaN'],
  ['an infinity', [new Float32Array([1]), new Float64Array([-Infinity])], 'the answer[1][0] is -Infinity'],
  ['a number that is none', { a: { score: NaN } }, 'score is NaN'],
  ['halves', tensor('float16', new Uint16Array([0x3c00, 0x7c00]), [2]), 'the answer[1] is not finite'],
])('%s as an answer', (_name, outputs, reason) => {
  const valid = new CompileSafetyMonitor().checkOutputValidity(outputs);
  expect(valid).toEqual(reason === undefined ? { valid: true } : { valid: false, reason });
});

describe('candidates', () => {
  const backends: readonly BackendInfo[] = [
    { backend: 'cuda', available: false, reason: 'no driver' },
    { backend: 'webgpu', available: true },
    { backend: 'wasm', available: true },
    { backend: 'cpu', available: true },
  ];
  const names = (facts: Partial<Parameters<typeof candidatesFor>[0]>): readonly string[] =>
    candidatesFor({ framework: 'onnxruntime', backends, reference: 'cpu', ...facts }).map(({ name }) => name);

  test('are what is there, and the reference with one thread', () => {
    expect(names({})).toEqual(['webgpu', 'cpu, one thread']);
    expect(names({ reference: 'wasm' })).toEqual(['webgpu']);
    expect(names({ framework: 'tfjs', reference: 'wasm' })).toEqual(['webgpu', 'cpu']);
  });
  test('are one thread, or all, where WebAssembly has several', () => {
    const withThreads = (threads: number): readonly string[] =>
      names({ reference: 'wasm', backends: [{ backend: 'wasm', available: true, threads }] });
    expect(withThreads(1)).toEqual([]);
    expect(withThreads(4)).toEqual(['wasm, one thread']);
    expect(withThreads(16)).toEqual(['wasm, one thread', 'wasm, 16 threads']);
  });
  test('are WebAssembly for TensorFlow.js in Node, where no list names it', () => {
    const node = backends.filter(({ backend }) => backend !== 'wasm');
    expect(names({ framework: 'tfjs', backends: node })).toEqual(['webgpu', 'wasm']);
    expect(names({ backends: node })).toEqual(['webgpu', 'cpu, one thread']);
  });
  test('are never an emulated GPU, nor what the caller decided', () => {
    const emulated: readonly BackendInfo[] = [{ backend: 'webgpu', available: true, isFallbackAdapter: true }];
    expect(names({ backends: emulated, frameworkOptions: { intraOpNumThreads: 2 } })).toEqual([]);
  });
});
