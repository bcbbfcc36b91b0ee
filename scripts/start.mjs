/** `npm start`: installs what is missing, builds, shows a real run in the terminal, and serves the demo page. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ensurePackages, root, run } from './lib/install.mjs';

const port = Number(process.env.PORT ?? 5173);
if (!Number.isInteger(port) || port < 0 || port > 65_535) {
  console.error(`PORT is a number from 0 to 65535, not ${JSON.stringify(process.env.PORT)}.`);
  process.exit(1);
}

ensurePackages();
run('node', ['scripts/build.mjs']);
run('npx', ['vite', 'build', '--logLevel', 'warn']);

const { serve } = await import('../demo/server.mjs');
let server;
try {
  server = await serve(port);
} catch (error) {
  console.error(
    error.code === 'EADDRINUSE'
      ? `Port ${port} is taken. Choose another one: PORT=${port + 1} npm start`
      : `The page cannot be served on port ${port}: ${error.message}`,
  );
  process.exit(1);
}

await showRun();
console.log(
  `\n  The demo page:  http://localhost:${server.address().port}/\n  A script tag:   http://localhost:${server.address().port}/script-tag.html\n\n  Ctrl-C ends it.`,
);
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(0));

/** Similarities of a few sentences, and what the second call of each cost. */
async function showRun() {
  const { load, sharedEpochly, tensor } = await import('epochly');
  const { Tokenizer } = await import('@huggingface/tokenizers');
  const folder = join(root, 'demo/models/use-lite');
  const json = (name) => JSON.parse(readFileSync(join(folder, name), 'utf8'));
  const tokenizer = new Tokenizer(json('tokenizer.json'), json('tokenizer_config.json'));
  const feeds = (text) => {
    const { ids } = tokenizer.encode(text);
    return {
      input_ids: tensor('int64', ids, [1, ids.length]),
      attention_mask: tensor(
        'int64',
        ids.map(() => 1),
        [1, ids.length],
      ),
    };
  };
  const sentences = [
    'The cat sleeps on the sofa.',
    'A kitten naps on the couch.',
    'The bank raised its rates.',
    'Interest on loans went up.',
    'It will rain tomorrow.',
  ];

  const model = await load(join(folder, 'model_fp32.onnx'));
  const timed = async () => {
    const vectors = [];
    const times = [];
    for (const sentence of sentences) {
      const startedAt = performance.now();
      vectors.push((await model.run(feeds(sentence))).sentence_embedding.data);
      times.push(performance.now() - startedAt);
    }
    return { vectors, times };
  };
  await model.run(feeds('A first run warms the model up.'));
  const first = await timed();
  const again = await timed();
  const { runtime, host, device } = model.backendReport;
  console.log(`\n  ${runtime} on ${model.backend} (${device}), in a ${host}\n`);
  sentences.forEach((sentence, i) => {
    const row = first.vectors.map((other) => block(cosine(first.vectors[i], other))).join(' ');
    console.log(
      `  ${sentence.padEnd(30)} ${row}   first ${first.times[i].toFixed(2).padStart(6)} ms   again ${again.times[i].toFixed(3)} ms`,
    );
  });
  const { hits, misses, entries } = sharedEpochly().cache.getStats();
  console.log(`\n  Cache: ${hits} hits, ${misses} misses, ${entries} answers kept.`);
  await model.close();
}

function cosine(a, b) {
  let [dot, aa, bb] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    dot += a[i] * b[i];
    aa += a[i] * a[i];
    bb += b[i] * b[i];
  }
  return dot / Math.sqrt(aa * bb);
}

/** A similarity as a number on a ground that is the greener the higher it is. */
function block(value) {
  const text = value.toFixed(2);
  if (!process.stdout.isTTY || process.env.NO_COLOR) return text;
  const ground = value > 0.8 ? 29 : value > 0.5 ? 65 : value > 0.35 ? 151 : 254;
  return `\x1b[48;5;${ground}m\x1b[38;5;${value > 0.5 ? 255 : 16}m ${text} \x1b[0m`;
}
