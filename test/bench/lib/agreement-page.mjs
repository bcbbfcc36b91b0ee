/** In a page: the answers of each model on a backend. They go to Node as bytes. */

import { encodePortable } from '../../../dist/src/codec.js';
import { copyPortable } from '../../../dist/src/portable.js';
import { createEpochly } from '../../../dist/platforms/browser/index.js';
import { answersOf, CASES } from './agreement-cases.mjs';

const { load } = createEpochly({ config: { maxLevel: 0 } });

globalThis.answersTo = async (index, backend) => {
  const { answers, ...rest } = await answersOf(load, CASES[index], location.origin, { backend });
  if (answers === undefined) return rest;
  const bytes = encodePortable(copyPortable(answers));
  const url = URL.createObjectURL(new Blob([bytes]));
  const text = await new Promise((resolve) => {
    const reader = new FileReader();
    reader.addEventListener('load', () => resolve(reader.result));
    void fetch(url).then(async (response) => reader.readAsDataURL(await response.blob()));
  });
  URL.revokeObjectURL(url);
  return { ...rest, base64: text.slice(text.indexOf(',') + 1) };
};
