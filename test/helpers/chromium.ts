/** How the tests start Chromium: the machine's own where there is one, and WebGPU emulated in software. */

import { existsSync } from 'node:fs';
import { chromium } from 'playwright';

/** The browser's path: `CHROMIUM_PATH`, Debian's package, or Playwright's download. */
export function chromiumPath(): string {
  const found = [
    process.env['CHROMIUM_PATH'],
    '/usr/bin/chromium',
    '/usr/bin/chromium-browser',
    chromium.executablePath(),
  ].find((path) => path !== undefined && path !== '' && existsSync(path));
  if (found === undefined) throw new Error('No Chromium was found. `npm test` installs one; or set CHROMIUM_PATH.');
  return found;
}

const QUIET = [
  '--no-sandbox',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

export function chromiumArgs(webgpu: boolean): string[] {
  return webgpu
    ? [...QUIET, '--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader', '--enable-features=Vulkan']
    : [...QUIET, '--disable-features=WebGPU', '--disable-gpu'];
}
