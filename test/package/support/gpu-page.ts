/** A page with a small model, opened by name or by 'auto' where the emulated GPU is admitted, for a test that kills its GPU process. */

import { browserPlatform } from '../../../dist/platforms/browser/platform.js';
import { createEpochly } from '../../../dist/src/create.js';
import type { Platform } from '../../../src/platform.ts';
import type { Portable } from '../../../src/portable.ts';
import { valuesMatch } from '../../../src/adapters/compare.ts';
import { classifier } from '../../helpers/fault-subjects.ts';
import { slowDown } from '../../helpers/lying-host.ts';

/** What the page offers its test. */
export interface GpuPage {
  open(backend: 'webgpu' | 'auto'): Promise<void>;
  /** 'right', 'wrong', or the code of the error. */
  ask(): Promise<string>;
  chosen(): string | undefined;
  close(): Promise<void>;
}

/** By so much WebAssembly is slower here than it is: WebGPU that is emulated would not be chosen. */
const SLOW_MS = 100;
const subject = classifier();
const questions = Array.from({ length: 8 }, (_, seed) => subject.ask(1, seed));
const config = { cache: { enabled: false }, batching: { enabled: false } };

const admitting: Platform = {
  ...browserPlatform,
  listBackends: async () => [
    { backend: 'webgpu', available: true },
    { backend: 'wasm', available: true },
  ],
  async openHost(options) {
    const channel = await browserPlatform.openHost(options);
    return options.backends.includes('webgpu') ? channel : slowDown(channel, SLOW_MS, () => undefined);
  },
};

async function answersOf(): Promise<readonly Portable[]> {
  const model = await createEpochly(browserPlatform, { config }).load(subject.source);
  const answers = await Promise.all(questions.map((each) => model.run(each)));
  await model.close();
  return answers;
}

let model: Awaited<ReturnType<ReturnType<typeof createEpochly>['load']>>;
let answers: readonly Portable[];
let asked = 0;

const gpuPage: GpuPage = {
  async open(backend) {
    answers = await answersOf();
    model = await createEpochly(admitting, { config }).load(subject.source, { backend });
  },
  async ask() {
    const at = asked++ % questions.length;
    try {
      return valuesMatch(answers[at], await model.run(questions[at]), 1e-4) ? 'right' : 'wrong';
    } catch (error) {
      return (error as { code?: string }).code ?? String(error);
    }
  },
  chosen: () => model.backendReport.search?.chosen,
  close: () => model.close(),
};
Object.assign(globalThis, { gpuPage });
