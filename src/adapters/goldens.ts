/** @module Goldens from generated inputs. */

import type { TensorLike } from '../tensor.ts';
import type { GoldenOutput, TensorInfo } from './adapter.ts';
import { generateInputs } from './generate-inputs.ts';

/**
 * Sizes that open dimensions are tried with: a short sequence, or the smallest picture that convolutional networks with
 * strides of 2 to the power of 5, 6 and 7 take.
 */
const OPEN_SIZES = [8, 32, 64, 224] as const;

/**
 * Runs `n` generated inputs. Which sizes a model takes in its open dimensions is found by trying; where none does, it says
 * too little of itself and there are no goldens.
 *
 * @throws what the model throws, where its inputs have no open dimension to try another size of.
 */
export async function captureGenerated(
  infos: readonly TensorInfo[],
  n: number,
  capture: (inputs: Readonly<Record<string, TensorLike>>) => Promise<GoldenOutput | undefined>,
): Promise<readonly GoldenOutput[]> {
  if (n < 1 || infos.length === 0) return [];
  const isOpen = infos.some(({ dims }) => dims?.slice(1).some((dim) => typeof dim === 'string' || dim < 0));
  for (const openSize of isOpen ? OPEN_SIZES : OPEN_SIZES.slice(0, 1)) {
    try {
      const goldens: GoldenOutput[] = [];
      for (let seed = 0; seed < n; seed++) {
        const inputs = generateInputs(infos, seed, openSize);
        const golden = inputs && (await capture(inputs));
        if (golden === undefined) return goldens;
        goldens.push(golden);
      }
      return goldens;
    } catch (error) {
      if (!isOpen) throw error;
    }
  }
  return [];
}
