/** @module The proxy around a model: looks and behaves like it, and sends its inference calls on the way of one call. */

import type { EntryPoint } from './adapters/adapter.ts';
import type { CallOptions } from './call.ts';

/** Marks proxies across copies of the package: reading it from a proxy gives the model. */
const PROXY_MARK = Symbol.for('epochly.proxied');
/** By this name Node's `util.inspect`, which bypasses a proxy's traps, asks the target what to print. */
const INSPECT = Symbol.for('nodejs.util.inspect.custom');

/** Options of `infer()`. */
export interface InferOptions extends CallOptions {
  /** The entry point to call; default the model's primary one. '' is the model itself. */
  readonly entryPoint?: string | undefined;
  /** The model's own arguments after the input. */
  readonly args?: readonly unknown[] | undefined;
}

/** What a proxy has beside everything its model has. */
export interface InferenceProxyMembers<Model extends object> {
  /** The model itself. */
  readonly unwrapped: Model;
  /** A number for this model, unique in this process. */
  readonly modelId: number;
  /** Inference calls made through any proxy of this model so far. */
  readonly callCount: number;
  /** The same proxy with options that apply to each call made through it. Later options override earlier ones. */
  with(options: CallOptions): InferenceProxy<Model>;
  /**
   * Calls the model by the whole way of a call (cached, batched, guarded), also where its own entry point is
   * synchronous.
   *
   * @example const output = await wrap(tfjsModel).infer(input, { signal })
   */
  infer(input: unknown, options?: InferOptions): Promise<any>;
}

/** A model with its own type kept, and epochly's members beside it. */
export type InferenceProxy<Model extends object> = Model & InferenceProxyMembers<Model>;

/** What a proxy asks of whoever made it. */
export interface ProxyBehaviour {
  readonly modelId: number;
  readonly entryPoints: readonly EntryPoint[];
  callCount(): number;
  /** An asynchronous call: the whole way. */
  call(entryPoint: string, args: readonly unknown[], options: CallOptions, original: () => unknown): Promise<unknown>;
  /** A synchronous call: observed. Returns what `original` returns, and throws what it throws. */
  observe(entryPoint: string, args: readonly unknown[], options: CallOptions, original: () => unknown): unknown;
  /** The weights are about to change, or have changed. */
  mutated(): void;
}

type Method = (...args: unknown[]) => unknown;

/** The model behind a proxy (of any copy of epochly); the value itself where it is no proxy. */
export function unwrap<Value>(value: Value): Value extends InferenceProxyMembers<infer Model> ? Model : Value;
export function unwrap(value: unknown): unknown {
  return modelBehind(value) ?? value;
}

/** Whether `value` is a proxy of any copy of epochly. */
export function isProxy(value: unknown): value is InferenceProxy<object> {
  return modelBehind(value) !== undefined;
}

function modelBehind(value: unknown): object | undefined {
  if ((typeof value !== 'object' || value === null) && typeof value !== 'function') return undefined;
  try {
    return (value as { [PROXY_MARK]?: object })[PROXY_MARK];
  } catch {
    return undefined; // A hostile or revoked proxy is none of ours.
  }
}

/**
 * Makes the proxy. Methods that are no entry points, getters and setters run on the model itself, never on the proxy:
 * private fields and internal slots exist only there.
 */
export function createProxy<Model extends object>(model: Model, behaviour: ProxyBehaviour): InferenceProxy<Model> {
  return createView(model, behaviour, {});
}

/** One view of a model: the proxy with the options that its calls carry. */
function createView<Model extends object>(
  model: Model,
  behaviour: ProxyBehaviour,
  options: CallOptions,
): InferenceProxy<Model> {
  const kinds = new Map(behaviour.entryPoints.map((each) => [each.name, each.kind]));
  const wrappers = new WeakMap<object, Map<PropertyKey, unknown>>();

  const route = (name: string, args: readonly unknown[], original: () => unknown): unknown => {
    switch (kinds.get(name)) {
      case 'async':
        return behaviour.call(name, args, options, original);
      case 'sync':
        return behaviour.observe(name, args, options, original);
      case 'mutator':
        return mutate(behaviour, original);
      case undefined:
        return original();
    }
  };

  /** The same wrapper for the same function under the same name, so that `proxy.run === proxy.run`. */
  const wrapMethod = (name: PropertyKey, method: Method): unknown => {
    let byName = wrappers.get(method);
    if (byName === undefined) wrappers.set(method, (byName = new Map()));
    let wrapper = byName.get(name);
    if (wrapper === undefined) {
      wrapper = new Proxy(method, {
        apply(_target, self, args: unknown[]) {
          const isModel = self === proxy || self === undefined || modelBehind(self) === model;
          const receiver: unknown = isModel ? model : self;
          const original = (): unknown => Reflect.apply(method, receiver, args);
          const result = typeof name === 'string' && receiver === model ? route(name, args, original) : original();
          return result === model ? proxy : result;
        },
      });
      byName.set(name, wrapper);
    }
    return wrapper;
  };

  const members: InferenceProxyMembers<Model> = {
    unwrapped: model,
    modelId: behaviour.modelId,
    get callCount() {
      return behaviour.callCount();
    },
    with: (more) => createView(model, behaviour, { ...options, ...more }),
    infer: (input, { entryPoint, args = [], ...more } = {}) => {
      const name = entryPoint ?? (behaviour.entryPoints[0]?.name as string);
      const all = [input, ...args];
      const method: unknown = name === '' ? model : Reflect.get(model, name, model);
      if (typeof method !== 'function') {
        return Promise.reject(new TypeError(`The model has no method ${JSON.stringify(name)} to infer with.`));
      }
      return behaviour.call(name, all, { ...options, ...more }, () => Reflect.apply(method, model, all));
    },
  };

  // The target is a stand-in: a proxy must report a target's frozen properties as they are, which would forbid
  // replacing the methods of a frozen model.
  const target = (typeof model === 'function' ? () => undefined : {}) as Model;
  Object.defineProperty(target, INSPECT, { value: () => model, configurable: true });

  const proxy = new Proxy(target, {
    get(_target, key) {
      if (key === PROXY_MARK) return model;
      if (Object.hasOwn(members, key)) return members[key as keyof typeof members];
      const value: unknown = Reflect.get(model, key, model);
      if (typeof value !== 'function' || key === 'constructor') return value;
      return wrapMethod(key, value as Method);
    },
    set: (_target, key, value) => Reflect.set(model, key, value, model),
    has: (_target, key) => Object.hasOwn(members, key) || Reflect.has(model, key),
    deleteProperty: (_target, key) => Reflect.deleteProperty(model, key),
    defineProperty: (_target, key, descriptor) => Reflect.defineProperty(model, key, descriptor),
    ownKeys: () => Reflect.ownKeys(model),
    getOwnPropertyDescriptor(_target, key) {
      const descriptor = Reflect.getOwnPropertyDescriptor(model, key);
      return descriptor && { ...descriptor, configurable: true };
    },
    getPrototypeOf: () => Reflect.getPrototypeOf(model),
    setPrototypeOf: (_target, prototype) => Reflect.setPrototypeOf(model, prototype),
    preventExtensions: () => false,
    apply: (_target, self, args: unknown[]) =>
      route('', args, () =>
        Reflect.apply(model as unknown as Method, modelBehind(self) === model ? model : self, args),
      ),
  }) as InferenceProxy<Model>;
  return proxy;
}

function mutate(behaviour: ProxyBehaviour, original: () => unknown): unknown {
  behaviour.mutated();
  const result = original();
  behaviour.mutated();
  if (typeof (result as PromiseLike<unknown> | undefined)?.then === 'function') {
    const again = (): void => behaviour.mutated();
    (result as PromiseLike<unknown>).then(again, again);
  }
  return result;
}
