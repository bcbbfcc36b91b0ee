/** In a page: a model that meets each fault, over onnxruntime-web on WebAssembly. */

import { browserPlatform } from '../../../dist/platforms/browser/platform.js';
import { createEpochly } from '../../../dist/src/create.js';
import { classifier } from '../../helpers/fault-subjects.ts';
import { makeFaults } from '../../helpers/faults.ts';
import { meetFault } from '../../helpers/meet-fault.ts';

/** @param options what of `MeetOptions` is no code */
globalThis.meetFaultAt = async (index, options) => {
  const meeting = await meetFault(makeFaults()[index], {
    ...options,
    platform: browserPlatform,
    createEpochly,
    subject: classifier(),
    backend: 'wasm',
  });
  return { ...meeting, fault: undefined };
};
