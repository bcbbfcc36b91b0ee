/** @module The way that was chosen, in use: behind a gate, and in a host that is opened again where it fails. */

import type { FastPath } from '../host/fast-path.ts';
import type { OpenedHost } from '../host/hosted-model.ts';
import type { GateChange } from '../safety/gate-report.ts';
import type { OutputValidator } from '../safety/output-validator.ts';
import type { CompilableModel, ModelCompilerOptions } from './compile-request.ts';
import type { Differs, Verdict } from './trial.ts';

export interface ChosenWayParts extends Pick<ModelCompilerOptions, 'orchestrator'> {
  readonly differs: Differs;
  readonly model: CompilableModel;
  readonly host: OpenedHost;
  readonly verdict: Verdict;
  /** Opens it again, in a fresh host. */
  readonly reopen: (signal: AbortSignal) => Promise<OpenedHost>;
  /** Another host of it, proven again. Rejects with the reason why there is none. */
  readonly renew: () => Promise<OpenedHost>;
  /** Shapes that it was proven on at an earlier start: one call of each is enough to try it on it. */
  readonly knownShapes?: ReadonlySet<string> | undefined;
  /** Whether it had come through all stages at an earlier start. */
  readonly isTrusted?: boolean | undefined;
  /** By what drift is measured. Default: number by number. */
  readonly driftValidator?: OutputValidator | undefined;
  readonly onShapeProven: (shape: string) => void;
  readonly onChange: (change: GateChange) => void;
  readonly onLeak: (grown: string) => void;
}

/** Lets it come to answer what it was proven on. It is held against the reference, by and by less often, as long as it is used. */
export function useChosenWay(parts: ChosenWayParts): FastPath {
  const { orchestrator, model, verdict, reopen, renew, differs, knownShapes, isTrusted } = parts;
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
    driftValidator: parts.driftValidator,
    proven: verdict.timings.map(({ shape }) => shape),
    knownShapes,
    isTrusted,
    referenceRests: () => model.referenceRests === true,
    usualMs: Math.max(0, ...verdict.timings.map(({ runMs }) => runMs)),
  });
  function watch(opened: OpenedHost): void {
    host = opened;
    opened.client.onFailed(({ message }) => {
      if (host === opened) gate.fail(message);
    });
  }
  const isTried = (): boolean => !['recovering', 'off', 'closed'].includes(gate.state);
  /** Another host takes the place of one that leaks, while that one answers. */
  async function recycle(grown: string): Promise<void> {
    const leaking = host;
    try {
      const fresh = await renew();
      if (host !== leaking || !isTried()) return await fresh.client.retire();
      watch(fresh);
      await model.leave(leaking);
    } catch (error) {
      // One that leaks does not stay: the reference answers, until it was built anew.
      if (host === leaking) gate.fail(`${grown} ${(error as Error).message}`);
    }
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
    onLeak(grownBytes) {
      const grown = `The memory of its host grew run by run, by ${Math.round(grownBytes / 1e6)} MB.`;
      parts.onLeak(grown);
      void recycle(grown);
    },
    close() {
      gate[Symbol.dispose]();
      void host.client.retire();
    },
  };
}
