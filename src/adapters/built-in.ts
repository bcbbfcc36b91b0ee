/**
 * @module The frameworks that are known without being registered. Each one's adapter is a chunk of its own for bundlers: a
 * page pays for the frameworks whose models it wraps.
 */

import type { LazyAdapter } from './adapter.ts';
import { hostedDetection } from './hosted-detection.ts';
import { onnxruntimeDetection } from './onnxruntime-detection.ts';
import { tfjsDetection } from './tfjs-detection.ts';
import { transformersDetection } from './transformers-detection.ts';

export const BUILT_IN_ADAPTERS: readonly LazyAdapter[] = [
  { ...hostedDetection, load: async () => (await import('./hosted.ts')).hostedAdapter },
  { ...onnxruntimeDetection, load: async () => (await import('./onnxruntime.ts')).onnxruntimeAdapter },
  { ...tfjsDetection, load: async () => (await import('./tfjs.ts')).tfjsAdapter },
  { ...transformersDetection, load: async () => (await import('./transformers.ts')).transformersAdapter },
];
