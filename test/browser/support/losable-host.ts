/** Hosts of onnxruntime-web in real workers whose GPU device, or which themselves, can be made to go. */

import { onTestFinished } from 'vitest';
import { locateHostFile } from '../../../platforms/browser/host/host-files.ts';
import { openWorker } from '../../../platforms/browser/host/worker-channel.ts';
import { browserPlatform } from '../../../platforms/browser/platform.ts';
import type { Platform } from '../../../src/platform.ts';
import { slowDown } from '../../helpers/lying-host.ts';
import { quickened } from '../../helpers/lying-platform.ts';

export type Loss = 'the device is destroyed' | 'the worker fails' | 'the worker ends';

export interface Losing {
  readonly platform: Platform;
  /** Makes it happen in all hosts on WebGPU that are open, and resolves once it has. */
  lose(how: Loss): Promise<void>;
  /** Hosts on WebGPU that were opened. */
  readonly opened: () => number;
}

/** What the worker does before the real host file: keeps each device, and does what it is told. */
const program = (name: string, hostFile: string): string => `
  const channel = new BroadcastChannel(${JSON.stringify(name)});
  const tell = () => channel.postMessage('lost');
  const devices = [];
  const { requestDevice } = GPUAdapter.prototype;
  GPUAdapter.prototype.requestDevice = async function (...args) {
    const device = await requestDevice.apply(this, args);
    devices.push(device);
    device.lost.then(tell);
    return device;
  };
  channel.addEventListener('message', ({ data }) => {
    if (data === 'the device is destroyed') for (const device of devices) device.destroy();
    if (data === 'the worker ends' || data === 'the worker fails') tell();
    if (data === 'the worker ends') close();
    if (data === 'the worker fails') throw new Error('Nobody caught this.');
  });
  await import(${JSON.stringify(hostFile)});`;

/** The browser's platform, with such hosts for WebGPU, beside which all others are slow; it admits the GPU that is emulated. */
export function losingPlatform({ slowMs = 0, speed = 1 } = {}): Losing {
  const name = `losing ${crypto.randomUUID()}`;
  let opened = 0;
  const channel = new BroadcastChannel(name);
  onTestFinished(() => channel.close());
  return {
    opened: () => opened,
    async lose(how) {
      const lost = new Promise((resolve) => channel.addEventListener('message', resolve, { once: true }));
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- channels are of one origin
      channel.postMessage(how);
      await lost;
    },
    platform: {
      ...browserPlatform,
      clock: quickened(browserPlatform.clock, speed),
      listBackends: async () => [
        { backend: 'webgpu', available: true },
        { backend: 'wasm', available: true },
      ],
      async openHost(options) {
        if (!options.backends.includes('webgpu'))
          return slowDown(await browserPlatform.openHost(options), slowMs, () => undefined);
        opened++;
        const { script, assets } = locateHostFile('onnxruntime-webgpu', options);
        const url = URL.createObjectURL(new Blob([program(name, script)], { type: 'text/javascript' }));
        return openWorker(url, assets, options.signal, () => URL.revokeObjectURL(url));
      },
    },
  };
}
