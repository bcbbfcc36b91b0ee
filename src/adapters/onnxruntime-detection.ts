/** @module InferenceSession of ONNX Runtime: what is needed to put a proxy around one. */

import type { TensorLike } from '../tensor.ts';
import type { AdapterDetection } from './adapter.ts';
import { hasArray, hasMethods } from '../shapes.ts';

/** What is used of a session. The metadata came with onnxruntime 1.21; of a session without it less is known. */
export interface OnnxSession {
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  readonly inputMetadata?: readonly OnnxValueMetadata[];
  readonly outputMetadata?: readonly OnnxValueMetadata[];
  run(...args: readonly unknown[]): Promise<Readonly<Record<string, TensorLike>>>;
  release(): Promise<void>;
}

export interface OnnxValueMetadata {
  readonly name: string;
  readonly isTensor: boolean;
  readonly type?: string;
  readonly shape?: readonly (number | string)[];
}

export const onnxruntimeDetection: AdapterDetection<OnnxSession> = {
  name: 'onnxruntime',
  detect: (value) =>
    hasMethods(value, 'run', 'release', 'startProfiling', 'endProfiling') &&
    hasArray(value, 'inputNames') &&
    hasArray(value, 'outputNames'),
  getModelClasses: () => ['InferenceSession'],
  getEntryPoints: () => [
    { name: 'run', kind: 'async' },
    { name: 'release', kind: 'mutator' },
  ],
  wrapForward: (session, createProxy) => createProxy(session, onnxruntimeDetection.getEntryPoints(session)),
};
