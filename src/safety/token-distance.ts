/** @module How far two sequences of tokens are apart. */

export type Token = string | number | bigint;
export type Tokens = ArrayLike<Token>;

/** Most work that an exact edit distance takes, as the product of what is left of both sequences without their equal ends. */
const MAX_CELLS = 16_000_000;

/** Words, numbers and marks; one for each character where words are not set apart (Chinese, Japanese, Thai and others). */
export function tokensOfText(text: string): readonly string[] {
  return (
    text.match(
      /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]|[\p{L}\p{N}\p{M}]+|[^\s]/gu,
    ) ?? []
  );
}

/** The share of places that hold the same token, of the longer sequence's; 1 where both are empty. */
export function tokenAgreement(expected: Tokens, actual: Tokens): number {
  const longer = Math.max(expected.length, actual.length);
  return longer === 0 ? 1 : 1 - placesThatDiffer(expected, actual, 0, expected.length, actual.length) / longer;
}

/**
 * Fewest tokens to insert, delete and replace to get from one to the other (V. I. Levenshtein 1966), over the length of the longer: 0
 * for equal sequences, 1 for those that have nothing in common. Of sequences so long that it would take more than a moment, the number of
 * places that differ is taken, which is never smaller.
 */
export function editDistance(expected: Tokens, actual: Tokens): number {
  const longer = Math.max(expected.length, actual.length);
  let from = 0;
  let to = expected.length;
  let toActual = actual.length;
  while (from < Math.min(to, toActual) && expected[from] === actual[from]) from++;
  while (Math.min(to, toActual) > from && expected[to - 1] === actual[toActual - 1]) {
    to--;
    toActual--;
  }
  if (to === from && toActual === from) return 0;
  if ((to - from) * (toActual - from) > MAX_CELLS)
    return placesThatDiffer(expected, actual, from, to, toActual) / longer;
  return levenshtein(expected, actual, from, to, toActual) / longer;
}

function placesThatDiffer(expected: Tokens, actual: Tokens, from: number, to: number, toActual: number): number {
  let differing = Math.abs(to - toActual);
  for (let i = from; i < Math.min(to, toActual); i++) if (expected[i] !== actual[i]) differing++;
  return differing;
}

/** One row of the table at a time (R. A. Wagner and M. J. Fischer 1974). */
function levenshtein(expected: Tokens, actual: Tokens, from: number, to: number, toActual: number): number {
  const row = Uint32Array.from({ length: toActual - from + 1 }, (_, i) => i);
  for (let i = from; i < to; i++) {
    let diagonal = row[0] as number;
    row[0] = i - from + 1;
    for (let j = 1; j < row.length; j++) {
      const above = row[j] as number;
      const replaced = expected[i] === actual[from + j - 1] ? diagonal : diagonal + 1;
      row[j] = Math.min(replaced, above + 1, (row[j - 1] as number) + 1);
      diagonal = above;
    }
  }
  return row[row.length - 1] as number;
}
