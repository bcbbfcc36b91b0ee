/** @module What decides whether the answers of a transformers.js pipeline or model repeat. */

import { read } from './shapes.ts';

/**
 * Tasks that draw at random wherever they run: voices from noise, and sound longer than the model takes, which is cut at a
 * random place.
 */
const RANDOM_TASKS: ReadonlySet<unknown> = new Set([
  'text-to-audio',
  'text-to-speech',
  'zero-shot-audio-classification',
]);
/** Models that start from noise, or keep dropout on. */
const RANDOM_MODELS: ReadonlySet<unknown> = new Set([
  'chatterbox',
  'musicgen',
  'speecht5',
  'style_text_to_speech_2',
  'supertonic',
  'vits',
]);
/** Tasks whose input may be the address of a picture or a sound. */
const MEDIA = /image|audio|speech|video|depth|object|document|background|mask-generation/;

/** What the models of a task are for, where that is sure. */
export const TASK_TYPES: Readonly<Record<string, 'classifier' | 'embedding' | 'encoder' | 'generation' | 'llm'>> = {
  'feature-extraction': 'embedding',
  'image-feature-extraction': 'embedding',
  'text-classification': 'classifier',
  'token-classification': 'classifier',
  'image-classification': 'classifier',
  'audio-classification': 'classifier',
  'zero-shot-classification': 'classifier',
  'zero-shot-image-classification': 'classifier',
  'zero-shot-audio-classification': 'classifier',
  'text-generation': 'llm',
  'text2text-generation': 'generation',
  summarization: 'generation',
  translation: 'generation',
  'image-to-text': 'generation',
  'automatic-speech-recognition': 'generation',
  'fill-mask': 'encoder',
};

/** Whether what a model answers for a task is drawn at random whatever a call asks for. `task` is undefined of a bare model. */
export function drawsAlways(task: unknown, model: unknown): boolean {
  return RANDOM_TASKS.has(task) || RANDOM_MODELS.has(read(read(model, 'config'), 'model_type'));
}

/** transformers.js leaves sampling off unless the model's own configurations turn it on. */
export function samplesByDefault(model: unknown): boolean {
  const config = read(model, 'config');
  return [
    read(model, 'generation_config'),
    config,
    ...['decoder', 'generator', 'text_config'].map((part) => read(config, part)),
  ].some((each) => read(each, 'do_sample') === true);
}

/** Whether a pipeline may be given the address of a picture or a sound, which stands for what is behind it at that time. */
export function readsMedia(pipeline: unknown, task: unknown): boolean {
  return read(pipeline, 'processor') != null || MEDIA.test(String(task));
}
