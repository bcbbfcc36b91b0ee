/** A start of its own: loads a model, calls it until a search came to its end, and says what came of it. */

import { browserPlatform } from '../../../platforms/browser/platform.ts';
import { tensor } from '../../../platforms/browser/index.ts';
import { createEpochly } from '../../../src/create.ts';

interface Start {
  readonly address: string;
  readonly verdictsPath: string;
}

addEventListener('message', ({ data }) => {
  void start(data as Start).then(postMessage, (error: unknown) => postMessage({ error: String(error) }));
});

async function start({ address, verdictsPath }: Start) {
  const { load } = createEpochly(
    // A GPU that is emulated is no candidate, and may be none at all: here it is one, which is slower or does not open.
    { ...browserPlatform, listBackends: async () => [{ backend: 'webgpu', available: true }] },
    { config: { cache: { enabled: false }, compilation: { keepVerdicts: true, verdictsPath } } },
  );
  // No options that are tried beside it.
  const frameworkOptions = { graphOptimizationLevel: 'all', freeDimensionOverrides: {} };
  const model = await load(address, { backend: 'auto', frameworkOptions });
  const isOver = (): boolean => ['done', 'off'].includes(model.backendReport.search?.state ?? '');
  for (let first = 10; !isOver(); first++) {
    const input_ids = tensor('int64', [first % 1000, 17, 98], [1, 3]);
    await model.run({ input_ids, attention_mask: tensor('int64', [1, 1, 1], [1, 3]) });
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  const { verdicts = [], reason } = model.backendReport.search ?? {};
  await model.close();
  return { tried: verdicts.map(({ candidate }) => candidate), reason };
}
