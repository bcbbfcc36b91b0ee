/** @module A model in a host: opened on the first backend that takes it, and opened again when its host fails. */

import type { TensorInfo } from '../adapters/adapter.ts';
import type { CallOptions } from '../call.ts';
import type { Verdict } from '../compilation/trial.ts';
import type { WorkloadType } from '../safety/workload.ts';
import { ClosedError, InputError } from '../errors.ts';
import { LeakWatch } from '../leak-watch.ts';
import type { BackendAttempt, HostError } from '../model-errors.ts';
import { Emitter } from '../events.ts';
import { guardCall } from '../pipeline.ts';
import type { Backend, Clock } from '../platform.ts';
import { isPortable, messagePortable, reviveTensors } from '../portable.ts';
import type { Portable } from '../portable.ts';
import type { HostFramework, HostKind } from './channel.ts';
import type { FastPath } from './fast-path.ts';
import type { ModelVariant } from './load-options.ts';
import { copyTime, timeInHost } from './host-client.ts';
import type { HostClient } from './host-client.ts';
import type { GateDiagnostics } from '../safety/gate-report.ts';
import { HangWatch } from './hang-watch.ts';
import { onceIdle, watchLeaks } from './recycling.ts';
import { ReferenceHost } from './reference-host.ts';
import type { AnswerTraits, RuntimeModelInfo } from './runtime.ts';

/** Options of `run()`. */
export interface RunOptions extends CallOptions {
  /** What a pipeline takes beside its input, such as `{ pooling: 'mean', normalize: true }`. */
  readonly parameters?: Readonly<Record<string, Portable>> | undefined;
}

/** What was tried to open the model, and what came of it. */
export interface BackendReport {
  /** Each backend that was tried, in order, with why it was refused. */
  readonly attempts: readonly BackendAttempt[];
  readonly backend: string;
  readonly device: string | undefined;
  /** Whether the device is emulated on the CPU. */
  readonly isFallbackAdapter: boolean;
  readonly host: HostKind;
  /** The framework and its version. */
  readonly runtime: string;
  /** What a user of the model should know: a backend that nobody proved, a host in place because no worker opened. */
  readonly warnings: readonly string[];
  /** What came of the search for a faster way, where there is or was one. */
  readonly search?: SearchReport | undefined;
}

/** How far the search for a faster way than the reference came. */
export interface SearchReport {
  /** 'waiting' for the first calls; 'searching'; 'gathering' inputs for the variants; 'done'; 'off', and why. */
  readonly state: 'waiting' | 'searching' | 'gathering' | 'done' | 'off';
  readonly reason?: string | undefined;
  /** Each way that was tried, and what came of it. */
  readonly verdicts: readonly Verdict[];
  /** The way that answers what it was proven on, or is about to; undefined where the reference answers all. */
  readonly chosen: string | undefined;
  /** How far that way is trusted, and what that rests on; undefined where none was found. */
  readonly gate?: GateDiagnostics | undefined;
  /** Inputs and answers of the reference that the ways are held against: somebody's, and made up. */
  readonly goldens?: { readonly captured: number; readonly generated: number } | undefined;
  /** While it is 'gathering': how many more different inputs it takes before the variants can be judged. */
  readonly missing?: number | undefined;
}

/** A host with the model open in it. */
export interface OpenedHost {
  readonly client: HostClient;
  readonly info: RuntimeModelInfo;
  readonly report: BackendReport;
  /** Of a variant: the SHA-256 (hexadecimal) of its files. Its answers are not the model's own. */
  readonly weights?: string | undefined;
}

/** A call that was answered. */
export interface AnsweredCall {
  /** As they were when it was made. */
  readonly args: readonly Portable[];
  /** The reference's answer; undefined where a faster way gave it. */
  readonly answer: Portable | undefined;
}

export interface HostedModelParts {
  readonly framework: HostFramework;
  readonly identity: string;
  /** The options it was opened with, as text. */
  readonly variant: string;
  readonly clock: Clock;
  readonly first: OpenedHost;
  /** Opens the model again, in a fresh host. */
  readonly reopen: () => Promise<OpenedHost>;
  /** Bytes of all of its files. */
  readonly modelBytes: number;
  /** Opens it another way, in a place of its own. */
  readonly openWay: (way: HostedWay, signal: AbortSignal) => Promise<OpenedHost>;
  /** Its variants, and what they are held to. */
  readonly twins?: { readonly variants: readonly ModelVariant[]; readonly workload: WorkloadType } | undefined;
}

/** Another way of running a model than the one it was opened for. */
export interface HostedWay {
  readonly backend: Backend;
  /** What differs of the framework's options. */
  readonly frameworkOptions?: Readonly<Record<string, Portable>> | undefined;
  /** What the backend itself is told, such as onnxruntime's `preferredLayout` of WebGPU. */
  readonly providerOptions?: Readonly<Record<string, Portable>> | undefined;
  /** The twin that is opened in its place. */
  readonly variant?: ModelVariant | undefined;
}

/** By this name a hosted model is known across copies of the package. */
const MARK = Symbol.for('epochly.hosted');

/** A model that lives in a host: a worker, a child process, or this thread. A host that fails is replaced. */
export class HostedModel implements AsyncDisposable {
  readonly framework: HostFramework;
  /** SHA-256 (hexadecimal) over all of the model's files. */
  readonly identity: string;
  /** Bytes of all of its files. */
  readonly modelBytes: number;
  /** Fires when another host has taken the place of one that failed, or whose memory grew run by run; the event is why. */
  readonly onHostReplaced: Emitter<HostError>['event'];
  /** @internal Its variants, and what they are held to. */
  readonly twins: HostedModelParts['twins'];
  /** @internal Fires with each answer, before its caller has it. */
  readonly onAnswered: Emitter<AnsweredCall>['event'];
  /** @internal Fires where its answers are another's from now on: `answerIdentity` changed. */
  readonly onIdentity: Emitter<string>['event'];
  readonly #answers = new Emitter<AnsweredCall>();
  readonly #identities = new Emitter<string>();
  readonly #closing = new Emitter<void>();
  readonly #variant: string;
  readonly #clock: Clock;
  readonly #reference: ReferenceHost;
  /** Until the model is closed: it may hold the model's bytes. */
  #openWay: HostedModelParts['openWay'] | undefined;
  /** Of the hosts of faster ways. */
  readonly #hangs: HangWatch;
  readonly #fastLeaks: LeakWatch;
  /** The host whose memory that watches. */
  #watched: OpenedHost | undefined;
  #running = 0;
  /** Calls so far. */
  #begun = 0;
  #closed: Promise<void> | undefined;
  #onDrained: (() => void) | undefined;
  #fast: FastPath | undefined;
  #search: SearchReport | undefined;
  #observe: ((args: readonly Portable[], answer: Portable) => void) | undefined;

  constructor({ framework, identity, variant, clock, first, reopen, modelBytes, openWay, twins }: HostedModelParts) {
    Object.defineProperty(this, MARK, { value: true });
    this.modelBytes = modelBytes;
    this.#openWay = openWay;
    this.framework = framework;
    this.identity = identity;
    this.twins = twins;
    this.onAnswered = this.#answers.event;
    this.onIdentity = this.#identities.event;
    this.#variant = variant;
    this.#clock = clock;
    this.#hangs = new HangWatch(clock);
    this.#fastLeaks = new LeakWatch(clock);
    this.#reference = new ReferenceHost({ clock, first, reopen });
    this.onHostReplaced = this.#reference.onReplaced;
  }

  /** Where it runs: 'cpu', 'wasm', 'webgpu', ... */
  get backend(): string {
    return this.#reference.last.report.backend;
  }

  get backendReport(): BackendReport {
    const { report } = this.#reference.last;
    if (this.#search === undefined) return report;
    const gate = this.#fast?.gate ?? this.#search.gate;
    return { ...report, search: gate === undefined ? this.#search : { ...this.#search, gate } };
  }

  /** Whether `close()` was called. */
  get closed(): boolean {
    return this.#closed !== undefined;
  }

  /**
   * What the bits of an answer depend on: the files, and how they are run. Another backend or version may round
   * otherwise, so that it is not answered from this one's cache. While a variant is in use, its files too, and how those are run: who
   * does not use it is never given its answers.
   */
  get answerIdentity(): string {
    const { backend, runtime } = this.#reference.last.info;
    const { host, name } = this.#fast ?? {};
    const lossy = host?.weights === undefined ? [] : [[host.weights, host.info.backend, host.info.runtime, name]];
    return JSON.stringify([this.identity, backend, runtime, this.#variant, ...lossy]);
  }

  get inputs(): readonly TensorInfo[] {
    return this.#reference.last.info.inputs;
  }

  get outputs(): readonly TensorInfo[] {
    return this.#reference.last.info.outputs;
  }

  /**
   * Runs the model. ONNX: an object of tensors by input name, answered with one of tensors by output name. TensorFlow.js:
   * the same, or a tensor, or an array of them. A pipeline: its input.
   *
   * A host that died is replaced by reading the model again. A host that hangs is given up some time after a caller of the
   * run that it is at has left, by its signal or its deadline: a run that somebody waits for may take as long as it takes.
   *
   * @throws InputError where the inputs do not fit the model, InferenceError where it failed, HostError where its host
   * did, ModelLoadError or IdentityMismatchError where its host has to be replaced and the model's files are gone or have
   * changed, DeadlineExceededError, ClosedError, the reason of `signal`. After each the model serves the next call.
   */
  async run(inputs: Portable, { parameters, transfer, ...options }: RunOptions = {}): Promise<any> {
    if (this.#closed !== undefined) throw new ClosedError();
    const given = parameters === undefined ? [inputs] : [inputs, parameters];
    if (!isPortable(given)) {
      throw new InputError(
        'Inputs of a hosted model are plain data: tensors, typed arrays, strings, numbers, arrays and plain objects.',
      );
    }
    const fast = this.#fast;
    // Who may have to be asked later is asked what the caller gave now, whatever it does to it meanwhile.
    const observed = this.#observe !== undefined || this.#answers.hasListeners;
    const waits = !this.#reference.isOpen || fast !== undefined || observed;
    // What is not kept is nobody's to look at once the caller has it back: also not of who came to listen meanwhile.
    const isKept = waits && transfer !== true;
    const args = messagePortable(given, isKept) as readonly Portable[];
    this.#running++;
    this.#begun++;
    try {
      return await guardCall(this.#clock, options, async ({ signal }) => {
        if (fast !== undefined) {
          const answer = await fast.run(args, { signal, deadlineMs: options.deadlineMs });
          const revived = reviveTensors(answer);
          copyTime(answer, revived);
          if (isKept) this.#answers.emit({ args, answer: undefined });
          return revived;
        }
        const told = await this.#reference.run(args, signal, transfer === true);
        if (isKept) {
          this.#observe?.(args, told);
          this.#answers.emit({ args, answer: told });
        }
        return told;
      });
    } finally {
      if (--this.#running === 0) this.#onDrained?.();
    }
  }

  /** @internal Opens it another way, in a place of its own. */
  async openWay(way: HostedWay, signal: AbortSignal): Promise<OpenedHost> {
    if (this.#openWay === undefined) throw new ClosedError();
    const opened = await this.#openWay(way, signal);
    this.#hangs.watch(opened.client);
    const add = (bytes: number): number | undefined => {
      // One that is on trial, or has had its time, says nothing of the one that is used.
      if (this.#fast?.host !== opened) return undefined;
      if (this.#watched !== opened) this.#fastLeaks.begin();
      this.#watched = opened;
      return this.#fastLeaks.add(bytes);
    };
    watchLeaks(opened.client, { add }, (grownBytes) => this.#fast?.onLeak(grownBytes));
    return opened;
  }

  /** @internal Asks the reference, whatever faster way there is. The arguments are sent as they are now. */
  askReference(args: readonly Portable[], signal: AbortSignal): Promise<Portable> {
    return this.#reference.run(messagePortable(args, true) as readonly Portable[], signal, false);
  }

  /** @internal Told of each answer of the reference, before its caller is. Undefined ends that. */
  observe(listener: ((args: readonly Portable[], answer: Portable) => void) | undefined): void {
    this.#observe = listener;
  }

  /** @internal A faster way is asked from now on, which asks the reference in turn; undefined: the reference answers all. */
  use(fast: FastPath | undefined): void {
    const before = this.#fast;
    const { answerIdentity } = this;
    this.#fast = fast;
    if (this.answerIdentity !== answerIdentity) this.#identities.emit(this.answerIdentity);
    if (before !== fast) before?.close();
  }

  /** @internal What says later whether a call was under way since. */
  watchCalls(): () => boolean {
    const begun = this.#running > 0 ? -1 : this.#begun;
    return () => this.#begun !== begun;
  }

  /** @internal Ends a host of a faster way once it has answered what it was asked: another has taken its place. */
  async leave({ client }: OpenedHost): Promise<void> {
    await onceIdle(client);
    await client.retire();
  }

  /**
   * @internal Closes the reference as soon as nobody waits for it, and again when it was opened on demand and then not needed for so
   * many milliseconds. Undefined: it stays open from its next use on.
   */
  restReference(idleMs: number | undefined): void {
    this.#reference.restAfter(idleMs);
  }

  /** @internal Whether the reference is closed because nobody needs it: to ask it opens it. */
  get referenceRests(): boolean {
    return this.#reference.isResting;
  }

  /** @internal Called once, when the model is being closed; at once where it is. */
  onClosing(listener: () => void): void {
    if (this.#closed === undefined) this.#closing.event(listener);
    else listener();
  }

  /** @internal What `backendReport` says of the search. */
  report(search: SearchReport): void {
    this.#search = search;
  }

  /** @internal Bytes of the largest tensor that its device takes; undefined where nothing is known to limit it. */
  get maxTensorBytes(): number | undefined {
    return this.#reference.last.info.maxTensorBytes;
  }

  /** @internal Whether its answers may be kept. */
  get answerTraits(): AnswerTraits {
    return this.#reference.last.info.answers;
  }

  /** @internal Milliseconds that its host took for an answer of `run()`; undefined of anything else. */
  timeOf(answer: unknown): number | undefined {
    return timeInHost(answer);
  }

  /**
   * Lets calls in flight finish, then ends the host. Later calls throw ClosedError. Closing twice is fine. A run that its
   * caller has left is not waited for where its host can be killed, and elsewhere no longer than it takes to say that it
   * hangs.
   */
  close(): Promise<void> {
    if (this.#closed === undefined) {
      this.#reference.beginClosing();
      this.#closing.emit();
    }
    return (this.#closed ??= this.#drainAndEnd());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #drainAndEnd(): Promise<void> {
    if (this.#running > 0) await new Promise<void>((resolve) => (this.#onDrained = resolve));
    this.#openWay = undefined;
    this.#observe = undefined;
    this.use(undefined);
    await this.#reference.end();
  }
}
