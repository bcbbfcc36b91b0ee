/** `npm run bench`: ratios measured side by side in one run. Pass names to run some only: npm run bench -- overhead. */

import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { ensurePackages, root, run } from './lib/install.mjs';

ensurePackages();
run('node', ['scripts/build.mjs']);
const folder = join(root, 'test', 'bench');
const wanted = process.argv.slice(2);
for (const file of readdirSync(folder)
  .filter((name) => name.endsWith('.bench.mjs'))
  .toSorted()) {
  if (wanted.length > 0 && !wanted.some((name) => file.startsWith(name))) continue;
  run('node', ['--expose-gc', join(folder, file)]);
}
