/** The model's own tokenizer, in Node and on the page. */

import { Tokenizer } from '@huggingface/tokenizers';
import { tensor } from 'epochly';
import type { Tensor } from 'epochly';

/** The model takes no more tokens than this. */
const MAX_TOKENS = 128;

export type Feeds = Readonly<{ input_ids: Tensor<'int64'>; attention_mask: Tensor<'int64'> }>;

/** Makes a function from a sentence to the model's inputs, each int64 of dims [1, tokens]. */
export function createTokenizer(json: object, config: object): (sentence: string) => Feeds {
  const tokenizer = new Tokenizer(json, config);
  return (sentence) => {
    const ids = tokenizer.encode(sentence).ids.slice(0, MAX_TOKENS);
    return {
      input_ids: tensor('int64', ids, [1, ids.length]),
      attention_mask: tensor(
        'int64',
        ids.map(() => 1),
        [1, ids.length],
      ),
    };
  };
}
