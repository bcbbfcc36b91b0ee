/** @module The way that was chosen, in use: behind a gate, and in a host that is opened again where it fails. */

import type { FastPath } from '../host/fast-path.ts';
import type { OpenedHost } from '../host/hosted-model.ts';
import type { GateChange } from '../safety/gate-report.ts';
import type { CompilableModel, ModelCompilerOptions } from './model-compiler.ts';
import type { Verdict } from './trial.ts';

export interface ChosenWayParts extends Pick<ModelCompilerOptions, 'differs' | 'orchestrator'> {
  readonly model: CompilableModel;
  readonly host: OpenedHost;
  readonly verdict: Verdict;
  /** Opens it again, in a fresh host. */
  readonly reopen: (signal: AbortSignal) => Promise<OpenedHost>;
  readonly onShapeProven: (shape: string) => void;
  readonly onChange: (change: GateChange) => void;
}

/** Lets it come to answer what it was proven on. It is held against the reference, by and by less often, as long as it is used. */
export function useChosenWay(parts: ChosenWayParts): FastPath {
  const { orchestrator, model, verdict, reopen, differs } = parts;
  let { host } = parts;
  const gate = orchestrator.gateOptimization({
    model: model.identity,
    optimizationName: verdict.candidate,
    reference: (inputs, { signal }) => model.askReference(inputs, signal),
    optimized: (inputs, { onLeave }) => host.client.request('run', inputs, { onLeave }),
    async rebuild(signal) {
      const opened = await reopen(signal);
      if (signal.aborted) void opened.client.retire();
      signal.throwIfAborted();
      watch(opened);
    },
    differs,
    proven: verdict.timings.map(({ shape }) => shape),
    usualMs: Math.max(0, ...verdict.timings.map(({ runMs }) => runMs)),
  });
  function watch(opened: OpenedHost): void {
    host = opened;
    opened.client.onFailed(({ message }) => {
      if (host === opened) gate.fail(message);
    });
  }
  watch(host);
  gate.onShapeProven(parts.onShapeProven);
  gate.onChange((change) => {
    // What failed is not used again, and takes memory.
    if (change.to === 'recovering') void host.client.retire();
    parts.onChange(change);
  });
  return {
    name: verdict.candidate,
    get host() {
      return host;
    },
    get gate() {
      return gate.getDiagnostics();
    },
    run: (args, options) => gate.run(args, options),
    close() {
      gate[Symbol.dispose]();
      void host.client.retire();
    },
  };
}
