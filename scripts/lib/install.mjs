/** Installs what a command needs, once: the packages of the lock file, and a Chromium for the tests. */

import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../../', import.meta.url));

/** Runs a command to its end with its output shown; throws where it fails. */
export function run(command, args, { env = {}, cwd = root, allowFailure = false } = {}) {
  const { status, error } = spawnSync(command, args, {
    cwd,
    stdio: 'inherit',
    env: { ...process.env, ...env },
    shell: process.platform === 'win32',
  });
  if (status === 0) return true;
  if (allowFailure) return false;
  console.error(`\n${[command, ...args].join(' ')} failed${error ? `: ${error.message}` : ''}`);
  process.exit(status || 1);
}

/** The packages of package-lock.json, unless they are installed already. */
export function ensurePackages() {
  const lock = join(root, 'package-lock.json');
  const stamp = join(root, 'node_modules', '.epochly-lock');
  const wanted = createHash('sha256').update(readFileSync(lock)).digest('hex');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return;
  console.log('Installing packages (once; about a minute)…');
  // onnxruntime-node's install step downloads the CUDA libraries; the CPU and WebGPU providers are in the package.
  // Not `npm ci`: it refuses a lock file that lacks optional binaries of platforms that its author could not install.
  run('npm', ['install', '--no-save', '--no-audit', '--no-fund'], {
    env: {
      ONNXRUNTIME_NODE_INSTALL: process.env.ONNXRUNTIME_NODE_INSTALL ?? 'skip',
      PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD: '1',
    },
  });
  writeFileSync(stamp, wanted);
}

/** A Chromium: the machine's own, else Playwright's, else Debian's package. */
export async function ensureChromium() {
  const { chromium } = await import('playwright');
  const found = () =>
    [process.env.CHROMIUM_PATH, '/usr/bin/chromium', '/usr/bin/chromium-browser', chromium.executablePath()].some(
      (path) => path && existsSync(path),
    );
  if (found()) return;
  console.log('Installing Chromium for the tests (once)…');
  run('npx', ['playwright', 'install', 'chromium'], { allowFailure: true });
  if (found()) return;
  installFromDebian('chromium');
  if (found()) return;
  console.error('No Chromium could be installed. Install one and set CHROMIUM_PATH to its executable.');
  process.exit(1);
}

/** What some tests start: a Redis, an HSM in software, a Firefox. Where they cannot be installed, those tests say so. */
export function ensureTestPrograms() {
  const wanted = {
    'redis-server': ['/usr/bin/redis-server'],
    softhsm2: ['/usr/bin/softhsm2-util'],
    'firefox-esr': [process.env.FIREFOX_PATH, '/usr/bin/firefox-esr', '/usr/bin/firefox'],
  };
  const missing = Object.entries(wanted)
    .filter(([, paths]) => !paths.some((path) => path && existsSync(path)))
    .map(([name]) => name);
  if (missing.length === 0) return;
  console.log(`Installing ${missing.join(' and ')} for the tests (once)…`);
  installFromDebian(...missing);
}

function installFromDebian(...packages) {
  if (!existsSync('/usr/bin/apt-get')) return;
  const [command, ...rest] = process.getuid?.() === 0 ? ['apt-get'] : ['sudo', '-n', 'apt-get'];
  run(command, [...rest, 'update', '-q'], { allowFailure: true });
  run(command, [...rest, 'install', '-qy', '--no-install-recommends', ...packages], { allowFailure: true });
}
