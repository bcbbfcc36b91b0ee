/** @module TensorFlow.js in a host: Layers and Graph models on webgpu, webgl, wasm or cpu. */

import { EpochlyError, UnsupportedOperationError } from '../../errors.ts';
import { InferenceError, ModelLoadError } from '../../model-errors.ts';
import type { BackendInfo } from '../../platform.ts';
import type { Portable } from '../../portable.ts';
import { graphTraits } from '../../tfjs-graphs.ts';
import { layersRefusal } from '../../tfjs-layers.ts';
import type { OpenRequest, Runtime, RuntimeModel } from '../runtime.ts';
import { needsAsyncExecution, readTfjsArtifacts } from './tfjs-artifacts.ts';
import type { TfModel, TfNamespace, TfOutput, TfTensor } from './tfjs-namespace.ts';
import { describeTensors, fromTf, inputsOf, orderInputs, toTf } from './tfjs-tensors.ts';

export interface TfjsRuntimeOptions {
  /** Called before a backend is opened for the first time: sets what must be set before (paths of .wasm files). */
  readonly prepare?: ((backend: string) => void | Promise<void>) | undefined;
  /** The device that a backend runs on, where the place can say. */
  readonly describe?:
    | ((
        backend: string,
      ) => Promise<{ readonly device?: string | undefined; readonly isFallbackAdapter?: boolean | undefined }>)
    | undefined;
  readonly listBackends?: (() => Promise<readonly BackendInfo[]>) | undefined;
}

/** What all hosts of one copy of TensorFlow.js share: several in place run in one engine. */
interface Shared {
  queue: Promise<unknown>;
  openModels: number;
}

const shared = new WeakMap<TfNamespace, Shared>();

/**
 * A host's runtime around one copy of TensorFlow.js. The backend is a setting of that copy, not of a model, so all models of
 * one host share a backend; and everything is done in turn, for scopes (which free what a failed run leaves behind) nest
 * by time.
 */
export function createTfjsRuntime(tf: TfNamespace, options: TfjsRuntimeOptions = {}): Runtime {
  const state = shared.get(tf) ?? { queue: Promise.resolve(), openModels: 0 };
  shared.set(tf, state);

  function inTurn<T>(task: () => Promise<T>): Promise<T> {
    const done = state.queue.then(task);
    state.queue = done.catch(() => undefined);
    return done;
  }

  async function useBackend(backend: string): Promise<void> {
    if (state.openModels > 0) {
      if (tf.getBackend() === backend) return;
      throw new UnsupportedOperationError(
        `This host's TensorFlow.js runs on ${tf.getBackend()}; a model on ${backend} needs a host of its own.`,
      );
    }
    // What is prepared may be what registers the backend.
    await options.prepare?.(backend);
    if (tf.findBackendFactory(backend) == null) {
      throw new UnsupportedOperationError(`TensorFlow.js has no backend ${backend} here.`);
    }
    if (!(await tf.setBackend(backend)))
      throw new UnsupportedOperationError(`TensorFlow.js could not start its backend ${backend}.`);
    await tf.ready();
  }

  async function open({ files, backend }: OpenRequest): Promise<RuntimeModel> {
    await useBackend(backend);
    const artifacts = readTfjsArtifacts(files);
    const graph = files.format === 'tfjs-graph';
    const handler = { load: async () => artifacts };
    let model: TfModel;
    try {
      model = await (graph ? tf.loadGraphModel(handler) : tf.loadLayersModel(handler));
    } catch (cause) {
      throw new ModelLoadError(
        `TensorFlow.js could not open ${files.source} on ${backend}: ${cause instanceof Error ? cause.message : String(cause)}`,
        { cause },
      );
    }
    state.openModels++;
    const inputs = inputsOf(model);
    const asynchronous = graph && needsAsyncExecution(artifacts.modelTopology);
    let disposed = false;
    return {
      info: {
        backend,
        ...(await options.describe?.(backend)),
        inputs,
        outputs: describeTensors(model.outputs, graph ? undefined : model.outputNames),
        answers: { refusal: graph ? graphTraits(model).refusal : layersRefusal(model.layers ?? []) },
        runtime: `@tensorflow/tfjs ${tf.version?.tfjs ?? tf.version?.['tfjs-core'] ?? tf.version_core ?? ''}`.trim(),
      },
      run: (args) => {
        const given = orderInputs(args, inputs);
        return inTurn(() =>
          runModel(
            given.map((each) => () => toTf(tf, each)),
            model,
            asynchronous,
          ),
        );
      },
      dispose: () =>
        inTurn(async () => {
          if (disposed) return;
          disposed = true;
          state.openModels--;
          model.dispose();
        }),
    };
  }

  async function runModel(
    makers: readonly (() => TfTensor)[],
    model: TfModel,
    asynchronous: boolean,
  ): Promise<Portable> {
    tf.engine().startScope('epochly-run');
    try {
      const tensors = makers.map((make) => make());
      const input = tensors.length === 1 ? (tensors[0] as TfTensor) : tensors;
      let output: TfOutput;
      if (!asynchronous) output = model.predict(input);
      else if (model.predictAsync) output = await model.predictAsync(input);
      else if (model.executeAsync) output = await model.executeAsync(input);
      else
        throw new UnsupportedOperationError(
          'This model needs executeAsync, which this version of TensorFlow.js lacks.',
        );
      return await fromTf(output);
    } catch (cause) {
      if (EpochlyError.isInstance(cause)) throw cause;
      throw new InferenceError(`TensorFlow.js failed: ${cause instanceof Error ? cause.message : String(cause)}`, {
        cause,
      });
    } finally {
      tf.engine().endScope();
    }
  }

  return {
    open: (request) => inTurn(() => open(request)),
    listBackends: async () => (await options.listBackends?.()) ?? [],
  };
}
