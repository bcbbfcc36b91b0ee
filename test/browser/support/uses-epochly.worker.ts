/** A program of a Web Worker: loads the model whose address it is sent, runs it, wraps a function, and says what came of it. */

import { callableAdapter, createEpochly, tensor } from '../../../platforms/browser/index.ts';

addEventListener('message', ({ data }) => {
  void use(data as string).then(postMessage, (error: unknown) => postMessage({ error: String(error) }));
});

async function use(address: string) {
  const { cache, load, wrap } = createEpochly();
  const double = wrap(async (n: number) => n * 2, { adapter: callableAdapter({ deterministic: true }) });
  await double(3);
  const value = await double(3);
  const { hits } = cache.getStats();

  const model = await load(address);
  const { sentence_embedding } = await model.run({
    input_ids: tensor('int64', [4, 17, 98], [1, 3]),
    attention_mask: tensor('int64', [1, 1, 1], [1, 3]),
  });
  const { host, warnings } = model.backendReport;
  await model.close();
  return { host, warnings, dims: sentence_embedding.dims, wrapped: { value, hits } };
}
