/** Small models of TensorFlow.js, as files, for what real ones do not show. Works in Node and in pages. */

import type { ModelFile } from '../../src/host/model-files.ts';

type Tf = typeof import('@tensorflow/tfjs');
export type Savable = Pick<import('@tensorflow/tfjs').LayersModel, 'save'>;

/** The model.json of a Layers model, and its weights. */
export async function modelFiles(tf: Tf, model: Savable): Promise<readonly ModelFile[]> {
  let files: readonly ModelFile[] = [];
  await model.save(
    tf.io.withSaveHandler(async ({ modelTopology, weightSpecs, weightData }) => {
      const json = {
        format: 'layers-model',
        modelTopology,
        weightsManifest: [{ paths: ['weights.bin'], weights: weightSpecs }],
      };
      files = [
        { path: 'model.json', bytes: new TextEncoder().encode(JSON.stringify(json)) },
        { path: 'weights.bin', bytes: new Uint8Array(weightData as ArrayBuffer) },
      ];
      return { modelArtifactsInfo: { dateSaved: new Date(), modelTopologyType: 'JSON' } };
    }),
  );
  return files;
}

/** What the file `graph.bin` of `graphModel` has in it: a shape, and a zero. */
export const GRAPH_WEIGHTS: Uint8Array<ArrayBuffer> = new Uint8Array(Int32Array.of(4, 0).buffer);

/** `y = x + RandomUniform([4])`, or another operator that makes a tensor of a shape, as a converter writes it. */
export function graphModel(operator: string): object {
  const float = { type: 'DT_FLOAT' };
  const constant = (name: string, dims: readonly number[]) => ({
    name,
    op: 'Const',
    attr: { dtype: { type: 'DT_INT32' }, value: { tensor: { dtype: 'DT_INT32', tensorShape: { dim: dims } } } },
  });
  return {
    format: 'graph-model',
    modelTopology: {
      node: [
        { name: 'x', op: 'Placeholder', attr: { dtype: float, shape: { shape: { dim: [{ size: '4' }] } } } },
        constant('shape', [1]),
        constant('zero', []),
        {
          name: 'made',
          op: operator,
          input: operator === 'Fill' ? ['shape', 'zero'] : ['shape'],
          attr: { dtype: float, T: { type: 'DT_INT32' } },
        },
        { name: 'y', op: 'AddV2', input: ['x', 'made'], attr: { T: float } },
      ],
      library: {},
      versions: { producer: 1 },
    },
    weightsManifest: [
      {
        paths: ['graph.bin'],
        weights: [
          { name: 'shape', shape: [1], dtype: 'int32' },
          { name: 'zero', shape: [], dtype: 'int32' },
        ],
      },
    ],
  };
}
