/** Faster ways with every fault in the list, over real onnxruntime-web in real workers: what the callers get, and where it is found. */

import { describe, expect, inject, test } from 'vitest';
import { browserPlatform } from '../../platforms/browser/platform.ts';
import { createEpochly } from '../../src/create.ts';
import { expectSafe } from '../helpers/expect-safe.ts';
import { classifier } from '../helpers/fault-subjects.ts';
import { makeFaults } from '../helpers/faults.ts';
import type { Fault } from '../helpers/faults.ts';
import { meetFault } from '../helpers/meet-fault.ts';

async function meet(fault: Fault): Promise<void> {
  const meeting = await meetFault(fault, {
    platform: browserPlatform,
    createEpochly,
    subject: classifier(),
    backend: 'wasm',
    slowMs: 4,
    sampleRate: 1,
    inTurn: true,
    // What harms no answer need not be found.
    maxCalls: fault.shows === 'nothing in answers' ? 100 : 600,
    againMs: 0,
  });
  expectSafe(meeting);
  expect(meeting.calls).toBeGreaterThan(20);
}

/** Of those that come later, some of each kind: Node's tests and the bench of faults have them all, and each takes many calls. */
const LATER = [
  'wrong after a while',
  'answers of calls at one time swapped',
  'crashes after a while',
  'hangs after a while',
  'loses the device after a while',
];

// What is real here is WebAssembly: with WebGPU it is the same.
describe.skipIf(inject('webgpu'))('a faster way', () => {
  const faults = makeFaults().filter(({ appears, name }) => appears !== 'later' || LATER.includes(name));
  test('is met with all of them', () => expect(faults.filter(({ appears }) => appears === 'later')).toHaveLength(5));
  for (const fault of faults) test(fault.name, () => meet(fault));
});
