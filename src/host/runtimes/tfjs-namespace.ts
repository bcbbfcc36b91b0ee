/** @module The part of TensorFlow.js that hosts use, by shape: whichever build or version is given, none is imported. */

export interface TfTensor {
  readonly dtype: string;
  readonly shape: readonly number[];
  data(): Promise<ArrayLike<number> | readonly string[]>;
}

export type TfOutput = TfTensor | readonly TfTensor[] | { readonly [name: string]: TfTensor };

/** An input or output as tfjs describes it: unknown sizes are null in Layers models and -1 in Graph models. */
export interface TfTensorInfo {
  readonly name: string;
  readonly dtype?: string | undefined;
  readonly shape?: readonly (number | null)[] | null | undefined;
}

export interface TfModel {
  readonly inputs: readonly TfTensorInfo[];
  readonly outputs: readonly TfTensorInfo[];
  /** Layers models: names without the suffixes that tfjs gives to symbolic tensors. */
  readonly inputNames?: readonly string[];
  readonly outputNames?: readonly string[];
  readonly layers?: readonly unknown[];
  predict(inputs: TfTensor | readonly TfTensor[]): TfOutput;
  /** Graph models of tfjs 4.2 and later. */
  predictAsync?(inputs: TfTensor | readonly TfTensor[]): Promise<TfOutput>;
  executeAsync?(inputs: TfTensor | readonly TfTensor[]): Promise<TfOutput>;
  dispose(): unknown;
}

export interface TfModelArtifacts {
  readonly modelTopology: unknown;
  readonly weightSpecs: readonly unknown[];
  readonly weightData: ArrayBuffer;
  readonly [field: string]: unknown;
}

export interface TfLoadHandler {
  load(): Promise<TfModelArtifacts>;
}

export interface TfNamespace {
  readonly version?: { readonly tfjs?: string; readonly 'tfjs-core'?: string } | undefined;
  readonly version_core?: string | undefined;
  setBackend(name: string): Promise<boolean>;
  ready(): Promise<void>;
  getBackend(): string;
  findBackendFactory(name: string): unknown;
  memory(): { readonly numTensors: number };
  engine(): { startScope(name?: string): void; endScope(result?: unknown): void };
  tensor(data: unknown, shape: readonly number[], dtype: string): TfTensor;
  loadLayersModel(handler: TfLoadHandler): Promise<TfModel>;
  loadGraphModel(handler: TfLoadHandler): Promise<TfModel>;
}
