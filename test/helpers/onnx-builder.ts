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

function node(operator: string, inputs: readonly string[], output: string): number[] {
  return message(1, [...inputs.flatMap((each) => text(1, each)), ...text(2, output), ...text(4, operator)]);
}

function model(graph: readonly number[]): Uint8Array<ArrayBuffer> {
  const opset = message(8, int(2, 17));
  return Uint8Array.from([...int(1, 8), ...opset, ...message(7, [...graph, ...text(2, 'test')])]);
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
