/** @module What decides how fast, and how right, a model runs on this machine. */

import { readFileSync } from 'node:fs';
import { arch, availableParallelism, cpus, platform, release } from 'node:os';

/** NVIDIA's driver for Linux says its version here; of others the system's version has to stand for theirs. */
const NVIDIA_DRIVER = '/proc/driver/nvidia/version';

export function describe(): string {
  const processor = cpus()[0]?.model.trim();
  return JSON.stringify([
    process.version,
    platform(),
    arch(),
    release(),
    processor,
    availableParallelism(),
    nvidiaDriver(),
  ]);
}

function nvidiaDriver(): string | undefined {
  try {
    return readFileSync(NVIDIA_DRIVER, 'utf8').split('\n', 1)[0];
  } catch {
    return undefined;
  }
}
