/** Sealed answers in IndexedDB against the same bytes by idb-keyval, in Chromium. */

import { createServer } from 'node:http';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { chromium } from 'playwright';
import { report, times, us } from './lib/report.mjs';
import { median } from './lib/side-by-side.mjs';
import { importTypeScript } from './lib/type-script.mjs';

const { chromiumArgs, chromiumPath } = await importTypeScript('test/helpers/chromium.ts');
const SIZES = [
  { size: '1.5 kB', bytes: 1536, kept: 512 },
  { size: '64 kB', bytes: 65_536, kept: 128 },
];
/** Its clock is finer in a page that shares its process with nobody. */
const ISOLATED = { 'Cross-Origin-Opener-Policy': 'same-origin', 'Cross-Origin-Embedder-Policy': 'require-corp' };

const entryPoints = [fileURLToPath(new URL('lib/indexed-db-page.mjs', import.meta.url))];
const { outputFiles } = await build({ entryPoints, bundle: true, format: 'esm', target: 'es2022', write: false });
const server = createServer(({ url }, response) => {
  const isScript = url === '/page.js';
  response.writeHead(200, { 'Content-Type': isScript ? 'text/javascript' : 'text/html', ...ISOLATED });
  response.end(isScript ? outputFiles[0].contents : '<script type="module" src="/page.js"></script>');
});
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
const browser = await chromium.launch({ executablePath: chromiumPath(), args: chromiumArgs(false) });
const where = `Chromium ${browser.version()}`;
try {
  for (const { size, bytes, kept } of SIZES) {
    const page = await (await browser.newContext()).newPage();
    await page.goto(`http://127.0.0.1:${server.address().port}/`);
    const loads = await page.evaluate(([length, count]) => globalThis.measureTiers(length, count), [bytes, kept]);
    for (const [load, took] of Object.entries(loads)) tell(`L2 in IndexedDB, ${size}: ${load} (${where})`, took);
    await page.context().close();
  }
} finally {
  await browser.close();
  server.close();
}

function tell(title, took) {
  const best = (all) => Math.min(...all);
  const [[ours, mine], ...others] = Object.entries(took);
  const measured = (all) => `${us(best(all))} (median ${us(median(all))})`;
  report(title, [
    { what: ours, measured: measured(mine) },
    ...others.map(([what, all]) => ({ what, measured: `${measured(all)}: ${times(best(all) / best(mine))} ours` })),
  ]);
}
