/** Distances between sentences, and a map of them. */

/** Cosine similarity, -1 to 1. */
export function cosine(a: Float32Array, b: Float32Array): number {
  let [ab, aa, bb] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    const [x, y] = [a[i] as number, b[i] as number];
    ab += x * y;
    aa += x * x;
    bb += y * y;
  }
  return ab / Math.sqrt(aa * bb);
}

/**
 * The two directions in which the vectors differ most (principal components, by power iteration), as a function from a
 * vector to its place on the map.
 */
export function createProjection(
  vectors: readonly Float32Array[],
): (vector: Float32Array) => readonly [x: number, y: number] {
  const size = (vectors[0] as Float32Array).length;
  const mean = new Float64Array(size);
  for (const vector of vectors) vector.forEach((value, i) => (mean[i] = (mean[i] as number) + value / vectors.length));
  const centred = vectors.map((vector) => Float64Array.from(vector, (value, i) => value - (mean[i] as number)));
  const first = mainDirection(centred);
  const rest = centred.map((vector) => {
    const along = dot(vector, first);
    return vector.map((value, i) => value - along * (first[i] as number));
  });
  const second = mainDirection(rest);
  return (vector) => {
    const offset = Float64Array.from(vector, (value, i) => value - (mean[i] as number));
    return [dot(offset, first), dot(offset, second)];
  };
}

const ITERATIONS = 60;

function mainDirection(vectors: readonly Float64Array[]): Float64Array {
  let direction = Float64Array.from(vectors[0] as Float64Array);
  for (let i = 0; i < ITERATIONS; i++) {
    const next = new Float64Array(direction.length);
    for (const vector of vectors) {
      const along = dot(vector, direction);
      vector.forEach((value, j) => (next[j] = (next[j] as number) + along * value));
    }
    const length = Math.sqrt(dot(next, next)) || 1;
    direction = next.map((value) => value / length);
  }
  return direction;
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] as number) * (b[i] as number);
  return sum;
}
