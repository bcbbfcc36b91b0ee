/**
 * Writes small ONNX models by hand, byte for byte, for what real models do not show: each element type, external data, a
 * run of a wanted length.
 * @see https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
 */

/** Codes of TensorProto.DataType. */
const ELEMENT_TYPES = {
  float32: 1,
  uint8: 2,
  int8: 3,
  uint16: 4,
  int16: 5,
  int32: 6,
  int64: 7,
  string: 8,
  bool: 9,
  float16: 10,
  float64: 11,
  uint32: 12,
  uint64: 13,
} as const;

export type ElementType = keyof typeof ELEMENT_TYPES;

function varint(value: number): number[] {
  const bytes: number[] = [];
  for (; value >= 0x80; value = Math.floor(value / 0x80)) bytes.push((value % 0x80) | 0x80);
  return [...bytes, value];
}

const int = (field: number, value: number): number[] => [...varint(field * 8), ...varint(value)];
const message = (field: number, content: ArrayLike<number>): number[] => [
  ...varint(field * 8 + 2),
  ...varint(content.length),
  ...Array.from(content),
];
const text = (field: number, value: string): number[] => message(field, new TextEncoder().encode(value));

function valueInfo(field: number, name: string, type: ElementType, dims: readonly (number | string)[]): number[] {
  const shape = dims.flatMap((dim) => message(1, typeof dim === 'number' ? int(1, dim) : text(2, dim)));
  return message(field, [
    ...text(1, name),
    ...message(2, message(1, [...int(1, ELEMENT_TYPES[type]), ...message(2, shape)])),
  ]);
}

interface NodeOptions {
  readonly attributes?: readonly number[];
  readonly domain?: string;
}

function nodeContent(
  operator: string,
  inputs: readonly string[],
  output: string,
  { attributes = [], domain = '' }: NodeOptions = {},
): number[] {
  return [
    ...inputs.flatMap((each) => text(1, each)),
    ...text(2, output),
    ...text(4, operator),
    ...attributes,
    ...text(7, domain),
  ];
}

const node = (...of: Parameters<typeof nodeContent>): number[] => message(1, nodeContent(...of));

function model(graph: readonly number[], more: readonly number[] = []): Uint8Array<ArrayBuffer> {
  const opset = message(8, int(2, 17));
  return Uint8Array.from([...int(1, 8), ...opset, ...message(7, [...graph, ...text(2, 'test')]), ...more]);
}

/** A scalar truth value, in one of the ways that a tensor may be written. */
function truth(field: number, name: string, value: boolean, how: 'raw' | 'packed' | 'plain' = 'raw'): number[] {
  const data = { raw: message(9, [Number(value)]), packed: message(5, [Number(value)]), plain: int(5, Number(value)) };
  return message(field, [...int(2, ELEMENT_TYPES.bool), ...data[how], ...text(8, name)]);
}

/** `y = x`, of any element type and dims. */
export function identityModel(type: ElementType, dims: readonly (number | string)[] = ['n']): Uint8Array<ArrayBuffer> {
  return model([...node('Identity', ['x'], 'y'), ...valueInfo(11, 'x', type, dims), ...valueInfo(12, 'y', type, dims)]);
}

/** `y = x · W · W · …` of [n, size] by [size, size]: one run takes about `steps` × n × size² multiplications. */
export function chainModel(size: number, steps: number): Uint8Array<ArrayBuffer> {
  const names = Array.from({ length: steps + 1 }, (_, i) => (i === 0 ? 'x' : i === steps ? 'y' : `h${i}`));
  const nodes = names.slice(1).flatMap((name, i) => node('MatMul', [names[i] as string, 'w'], name));
  return model([
    ...nodes,
    ...valueInfo(11, 'x', 'float32', ['n', size]),
    ...valueInfo(11, 'w', 'float32', [size, size]),
    ...valueInfo(12, 'y', 'float32', ['n', size]),
  ]);
}

/** `y = x + w`, with w's float32 values in a file of their own. */
export function externalDataModel(location: string, length: number): Uint8Array<ArrayBuffer> {
  const entry = message(13, [...text(1, 'location'), ...text(2, location)]);
  const weight = message(5, [
    ...int(1, length),
    ...int(2, ELEMENT_TYPES.float32),
    ...text(8, 'w'),
    ...entry,
    ...int(14, 1),
  ]);
  return model([
    ...node('Add', ['x', 'w'], 'y'),
    ...weight,
    ...valueInfo(11, 'x', 'float32', [length]),
    ...valueInfo(12, 'y', 'float32', [length]),
  ]);
}

/** `y = x / max(x)`, the maximum taken over all of [batch, 4]: what is answered to one row depends on the others. */
export function normalisingModel(): Uint8Array<ArrayBuffer> {
  return model([
    ...node('ReduceMax', ['x'], 'm'),
    ...node('Div', ['x', 'm'], 'y'),
    ...valueInfo(11, 'x', 'float32', ['batch', 4]),
    ...valueInfo(12, 'y', 'float32', ['batch', 4]),
  ]);
}

/** A multilayer perceptron of these widths, with ReLU between its layers and weights drawn from a seed. */
export function perceptron(widths: readonly number[], seed = 1): Uint8Array<ArrayBuffer> {
  let state = seed;
  // A linear congruential generator (Numerical Recipes): the same weights everywhere.
  const next = (): number => (state = (state * 1664525 + 1013904223) >>> 0) / 2 ** 32 - 0.5;
  const layers = widths.slice(1).flatMap((width, i) => {
    const from = widths[i] as number;
    const weights = Float32Array.from({ length: from * width }, () => (next() * 2) / Math.sqrt(from));
    const last = i === widths.length - 2;
    return [
      ...message(5, [
        ...int(1, from),
        ...int(1, width),
        ...int(2, ELEMENT_TYPES.float32),
        ...text(8, `w${i}`),
        ...message(9, new Uint8Array(weights.buffer)),
      ]),
      ...node('MatMul', [i === 0 ? 'x' : `h${i}`, `w${i}`], last ? 'y' : `m${i}`),
      ...(last ? [] : node('Relu', [`m${i}`], `h${i + 1}`)),
    ];
  });
  return model([
    ...layers,
    ...valueInfo(11, 'x', 'float32', ['batch', widths[0] as number]),
    ...valueInfo(12, 'y', 'float32', ['batch', widths.at(-1) as number]),
  ]);
}

/** Attributes: a tensor's dims, a graph, a tensor. */
const ints = (name: string, values: readonly number[]): number[] =>
  message(5, [...text(1, name), ...values.flatMap((each) => int(8, each)), ...int(20, 7)]);
const graph = (name: string, content: readonly number[]): number[] =>
  message(5, [...text(1, name), ...message(6, [...content, ...text(2, name)]), ...int(20, 5)]);

const signature = (dims: readonly (number | string)[] = ['n']): number[] => [
  ...valueInfo(11, 'x', 'float32', dims),
  ...valueInfo(12, 'y', 'float32', dims),
];

/** Where an operator may stand in a model. */
export const PLACES = {
  graph: (operator) => model([...node(operator, ['x'], 'y'), ...signature()]),
  branch: (operator) => {
    const branch = (name: string, inner: string): number[] =>
      graph(name, [...node(inner, ['x'], name), ...valueInfo(12, name, 'float32', ['n'])]);
    return model([
      ...truth(5, 'condition', true),
      ...node('If', ['condition'], 'y', {
        attributes: [...branch('else_branch', 'Identity'), ...branch('then_branch', operator)],
      }),
      ...signature(),
    ]);
  },
  loop: (operator) => {
    const body = graph('body', [
      ...node('Identity', ['going'], 'goes_on'),
      ...node(operator, ['before'], 'after'),
      ...valueInfo(11, 'turn', 'int64', []),
      ...valueInfo(11, 'going', 'bool', []),
      ...valueInfo(11, 'before', 'float32', ['n']),
      ...valueInfo(12, 'goes_on', 'bool', []),
      ...valueInfo(12, 'after', 'float32', ['n']),
    ]);
    const turns = message(5, [...int(2, ELEMENT_TYPES.int64), ...message(7, [1]), ...text(8, 'turns')]);
    return model([
      ...turns,
      ...truth(5, 'go', true),
      ...node('Loop', ['turns', 'go', 'x'], 'y', { attributes: body }),
      ...signature(),
    ]);
  },
  function: (operator) =>
    model(
      [...node('Own', ['x'], 'y', { domain: 'own' }), ...signature()],
      [
        ...message(8, [...text(1, 'own'), ...int(2, 1)]),
        ...message(25, [
          ...text(1, 'Own'),
          ...text(4, 'a'),
          ...text(5, 'b'),
          ...message(7, nodeContent(operator, ['a'], 'b')),
          ...message(9, int(2, 17)),
          ...text(10, 'own'),
        ]),
      ],
    ),
} satisfies Readonly<Record<string, (operator: string) => Uint8Array<ArrayBuffer>>>;

/** `y = RandomNormal()` or `RandomUniform()`, of four numbers, beside an input that is not looked at. */
export function generatorModel(operator: string): Uint8Array<ArrayBuffer> {
  return model([
    ...node(operator, [], 'drawn', { attributes: ints('shape', [4]) }),
    ...node('Add', ['x', 'drawn'], 'y'),
    ...signature([4]),
  ]);
}

/** `y` = 32 of the numbers from 0 to 3, drawn with the probabilities whose logarithms are `x` of [1, 4]. */
export function multinomialModel(): Uint8Array<ArrayBuffer> {
  return model([
    ...node('Multinomial', ['x'], 'y', {
      attributes: message(5, [...text(1, 'sample_size'), ...int(3, 32), ...int(20, 2)]),
    }),
    ...valueInfo(11, 'x', 'float32', [1, 4]),
    ...valueInfo(12, 'y', 'int32', [1, 32]),
  ]);
}

/** Dropout of half of `x`, with its training mode said in different ways. */
export const DROPOUTS = {
  'without a training mode': () => dropout(['x', 'half', '']),
  'not in training mode': () => dropout(['x', 'half', 'mode'], truth(5, 'mode', false)),
  'not in training mode, packed': () => dropout(['x', 'half', 'mode'], truth(5, 'mode', false, 'packed')),
  'not in training mode, one by one': () => dropout(['x', 'half', 'mode'], truth(5, 'mode', false, 'plain')),
  'not in training mode by a constant': () => dropout(['x', 'half', 'mode'], constantTruth('mode', false)),
  'not in training mode by a constant around it': () => innerDropout(false),
  'in training mode': () => dropout(['x', 'half', 'mode'], truth(5, 'mode', true)),
  'in training mode, packed': () => dropout(['x', 'half', 'mode'], truth(5, 'mode', true, 'packed')),
  'in training mode, one by one': () => dropout(['x', 'half', 'mode'], truth(5, 'mode', true, 'plain')),
  'in training mode by a constant': () => dropout(['x', 'half', 'mode'], constantTruth('mode', true)),
  'in training mode by a constant around it': () => innerDropout(true),
  'in training mode by what was computed': () =>
    dropout(['x', 'half', 'mode'], [...truth(5, 'no', false), ...node('Not', ['no'], 'mode')]),
  'in training mode as the caller says': () => dropout(['x', 'half', 'mode'], valueInfo(11, 'mode', 'bool', [])),
} satisfies Readonly<Record<string, () => Uint8Array<ArrayBuffer>>>;

/** A ratio of one half, which is what Dropout takes by default too. */
const half = message(5, [
  ...int(2, ELEMENT_TYPES.float32),
  ...text(8, 'half'),
  ...message(9, new Uint8Array(Float32Array.of(0.5).buffer)),
]);

function constantTruth(name: string, value: boolean): number[] {
  const attribute = message(5, [...text(1, 'value'), ...truth(5, '', value), ...int(20, 4)]);
  return node('Constant', [], name, { attributes: attribute });
}

function dropout(inputs: readonly string[], mode: readonly number[] = []): Uint8Array<ArrayBuffer> {
  return model([...half, ...mode, ...node('Dropout', inputs, 'y'), ...signature()]);
}

/** In a branch of a graph that has the constant. */
function innerDropout(value: boolean): Uint8Array<ArrayBuffer> {
  const branch = (name: string): number[] =>
    graph(name, [...node('Dropout', ['x', 'half', 'mode'], name), ...valueInfo(12, name, 'float32', ['n'])]);
  return model([
    ...half,
    ...truth(5, 'condition', true),
    ...constantTruth('mode', value),
    ...node('If', ['condition'], 'y', { attributes: [...branch('else_branch'), ...branch('then_branch')] }),
    ...signature(),
  ]);
}

/** A language model of bigrams that all are as likely: `logits` [batch, sequence, size] of `input_ids` below `size`. */
export function bigramModel(size: number): Uint8Array<ArrayBuffer> {
  const table = message(5, [
    ...int(1, size),
    ...int(1, size),
    ...int(2, ELEMENT_TYPES.float32),
    ...text(8, 'table'),
    ...message(9, new Uint8Array(size * size * 4)),
  ]);
  return model([
    ...table,
    ...node('Gather', ['table', 'input_ids'], 'logits'),
    ...valueInfo(11, 'input_ids', 'int64', ['batch', 'sequence']),
    ...valueInfo(12, 'logits', 'float32', ['batch', 'sequence', size]),
  ]);
}

/** A classifier of pictures by their colour: `logits` [batch, 3] are how red, green and blue `pixel_values` are. */
export function colourModel(): Uint8Array<ArrayBuffer> {
  return model([
    ...node('ReduceMean', ['pixel_values'], 'logits', {
      attributes: [...ints('axes', [2, 3]), ...message(5, [...text(1, 'keepdims'), ...int(3, 0), ...int(20, 2)])],
    }),
    ...valueInfo(11, 'pixel_values', 'float32', ['batch', 3, 'height', 'width']),
    ...valueInfo(12, 'logits', 'float32', ['batch', 3]),
  ]);
}
