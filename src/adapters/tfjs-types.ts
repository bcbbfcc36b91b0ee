/** @module What is used of TensorFlow.js's models and tensors, by shape. */

import { hasArray, hasMethods, read } from '../shapes.ts';

export interface TfTensor {
  readonly dtype: string;
  readonly shape: readonly number[];
  data(): Promise<unknown>;
  dataSync(): unknown;
  /** The elements of a string tensor, as bytes. */
  bytes(): Promise<unknown>;
  dispose(): void;
  /** Only where the chained operations are registered, which the package `@tensorflow/tfjs` does. */
  clone?(): TfTensor;
  concat?(others: readonly TfTensor[], axis: number): TfTensor;
  gather?(indices: readonly number[], axis: number): TfTensor;
}

interface TfSymbol {
  readonly name: string;
  readonly shape?: readonly (number | null)[] | undefined;
  readonly dtype?: string | undefined;
}

interface TfVariable {
  readonly name: string;
  /** The name without what makes it unique in this process. */
  readonly originalName?: string;
  read(): TfTensor;
}

export interface LayersModel {
  /** None before a Sequential model has its first layer. */
  readonly inputs?: readonly TfSymbol[];
  readonly outputs?: readonly TfSymbol[];
  readonly layers: readonly unknown[];
  readonly weights: readonly TfVariable[];
  getConfig(): unknown;
  predict(...args: readonly unknown[]): unknown;
}

export interface GraphModel {
  readonly inputs: readonly TfSymbol[];
  readonly outputs: readonly TfSymbol[];
  readonly inputNodes: readonly string[];
  readonly modelSignature?: unknown;
  readonly weights: Readonly<Record<string, readonly TfTensor[]>>;
  predict(...args: readonly unknown[]): unknown;
  executeAsync(...args: readonly unknown[]): Promise<unknown>;
}

export type TfModel = LayersModel | GraphModel;

export function isLayersModel(value: unknown): value is LayersModel {
  return hasMethods(value, 'predict', 'predictOnBatch', 'getWeights', 'setWeights') && hasArray(value, 'layers');
}

export function isGraphModel(value: unknown): value is GraphModel {
  return (
    hasMethods(value, 'predict', 'execute', 'executeAsync', 'dispose') &&
    hasArray(value, 'inputNodes') &&
    hasArray(value, 'outputNodes')
  );
}

export function isTfTensor(value: unknown): value is TfTensor {
  return (
    hasMethods(value, 'data', 'dataSync', 'dispose') &&
    hasArray(value, 'shape') &&
    typeof read(value, 'dtype') === 'string'
  );
}

/** The backend that TensorFlow.js computes on now ('cpu', 'wasm', 'webgl', 'webgpu'), which all its copies in a realm share. */
export function currentBackend(): string | undefined {
  const name = read(read(globalThis, '_tfengine'), 'backendName');
  return typeof name === 'string' ? name : undefined;
}
