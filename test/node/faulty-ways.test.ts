/** Faster ways with every fault in the list, over real onnxruntime in real processes: what the callers get, and where it is found. */

import { expect, test } from 'vitest';
import { nodePlatform } from '../../dist/platforms/node/platform.js';
import { createEpochly } from '../../dist/src/create.js';
import { expectSafe } from '../helpers/expect-safe.ts';
import { classifier } from '../helpers/fault-subjects.ts';
import { makeFaults } from '../helpers/faults.ts';
import type { Fault } from '../helpers/faults.ts';
import { meetFault } from '../helpers/meet-fault.ts';

async function meet(fault: Fault): Promise<void> {
  const meeting = await meetFault(fault, {
    platform: nodePlatform,
    createEpochly,
    subject: classifier(),
    backend: 'cpu',
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

for (const fault of makeFaults()) test(fault.name, () => meet(fault));
