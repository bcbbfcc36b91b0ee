/** @module What a model is for, from the names and dims of what goes in and comes out. */

import type { ModelType, TensorInfo } from './adapter.ts';

const EMBEDDINGS = /^(sentence_embeddings?|pooler_output|embeddings?|text_embeds|image_embeds|pooled_output)$/;

/**
 * The type of a model by its signature; 'unknown' unless the names leave no doubt, for a wrong guess would have its
 * answers compared by the wrong measure.
 */
export function classifyBySignature(inputs: readonly TensorInfo[], outputs: readonly TensorInfo[]): ModelType {
  if (inputs.some(({ name }) => /past_key_values|past\.\d|past_key/.test(name))) return 'llm';
  if (inputs.some(({ name }) => name === 'decoder_input_ids')) return 'generation';
  if (outputs.some(({ name }) => EMBEDDINGS.test(name))) return 'embedding';
  const logits = outputs.find(({ name }) => name === 'logits');
  if (logits?.dims?.length === 2) return logits.dims[1] === 1 ? 'reranker' : 'classifier';
  if (outputs.some(({ name }) => name === 'last_hidden_state')) return 'encoder';
  return 'unknown';
}
