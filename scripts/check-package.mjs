/** `npm run check:package`: what is published is what package.json says, and every dependency may be shipped with it. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root, run } from './lib/install.mjs';
import { coreSize } from './size.mjs';

/** Licences that Apache-2.0 software may depend on without passing on further conditions. */
const COMPATIBLE = new Set(['Apache-2.0', 'MIT', 'ISC', 'BSD-2-Clause', 'BSD-3-Clause', '0BSD', 'BlueOak-1.0.0']);

/** Bytes that wrap() may cost, by export condition: minified and compressed. Pages count every one of them; servers do not. */
const MAX_CORE_BYTES = { browser: 15_000, default: 15_000, node: 32_000 };

const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const problems = [];
if (manifest.license !== 'Apache-2.0') problems.push(`package.json names the licence ${manifest.license}`);
if (!readFileSync(join(root, 'LICENSE'), 'utf8').includes('Apache License'))
  problems.push('LICENSE is not the Apache licence');
for (const name of Object.keys({ ...manifest.dependencies, ...manifest.peerDependencies })) {
  const { license } = JSON.parse(readFileSync(join(root, 'node_modules', name, 'package.json'), 'utf8'));
  if (!COMPATIBLE.has(license)) problems.push(`${name} has the licence ${license}`);
}
if (JSON.stringify(readFileSync(join(root, 'package-lock.json'), 'utf8')).includes('\\"resolved\\":')) {
  problems.push('package-lock.json records download addresses (npm config: omit-lockfile-registry-resolved)');
}
for (const [condition, limit] of Object.entries(MAX_CORE_BYTES)) {
  const size = await coreSize(condition);
  console.log(`wrap() under the condition ${condition}: ${size} of ${limit} bytes`);
  if (size > limit) problems.push(`wrap() takes ${size} bytes under the condition ${condition}: more than ${limit}`);
}
for (const problem of problems) console.error(problem);
if (problems.length > 0) process.exit(1);

run('npx', ['publint', '--strict']);
run('npx', ['attw', '--pack', '.', '--profile', 'esm-only']);
