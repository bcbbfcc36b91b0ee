/** @module The proxy around a model: looks and behaves like it, and sends its inference calls on the way of one call. */

import type { EntryPoint } from './adapters/adapter.ts';
import type { CallOptions } from './call.ts';
import { read } from './shapes.ts';

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
type Constructor = object & (new (...args: unknown[]) => object);

/** The model behind a proxy (of any copy of epochly); the value itself where it is no proxy. */
export function unwrap<Value>(value: Value): Value extends InferenceProxyMembers<infer Model> ? Model : Value;
export function unwrap(value: unknown): unknown {
  return modelBehind(value) ?? value;
}

/** Whether `value` is a proxy of any copy of epochly. */
export function isProxy(value: unknown): value is InferenceProxy<object> {
  return modelBehind(value) !== undefined;
}

/** A hostile or revoked proxy is none of ours. */
function modelBehind(value: unknown): object | undefined {
  return read(value, PROXY_MARK) as object | undefined;
}

/**
 * Makes the proxy. Methods (functions up the prototype chain), getters and setters run on the model itself, never on the
 * proxy: private fields and internal slots exist only there. What a model has of its own is given as it is, functions
 * included, but for entry points. Where the model itself would come out of it, at once or promised, the proxy does.
 *
 * It cannot be frozen, have properties that are fixed, be cloned, or hold up to `#private in proxy`: no such proxy can.
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
  const kinds = new Map<PropertyKey, EntryPoint['kind']>(behaviour.entryPoints.map((each) => [each.name, each.kind]));
  const wrappers = new Map<PropertyKey, { readonly method: Method; readonly wrapper: unknown }>();

  const outward = (value: unknown): unknown => (value === model ? proxy : value);

  /** Calls the model, or one of its methods. */
  const invoke = (method: unknown, self: unknown, args: readonly unknown[]): unknown => {
    const result: unknown = Reflect.apply(method as Method, self, args);
    return isPlainPromise(result) ? result.then(outward) : outward(result);
  };

  const route = (name: PropertyKey, args: readonly unknown[], original: () => unknown): unknown => {
    switch (kinds.get(name)) {
      case 'async':
        return behaviour.call(name as string, args, options, original);
      case 'stream':
        return stream(() => behaviour.call(name as string, args, options, original));
      case 'sync':
        return behaviour.observe(name as string, args, options, original);
      case 'mutator':
        return mutate(behaviour, original);
      case undefined:
        return original();
    }
  };

  /** The same wrapper as long as the function is the same, so that `proxy.run === proxy.run`. */
  const wrapMethod = (name: PropertyKey, method: Method): unknown => {
    let known = wrappers.get(name);
    if (known?.method !== method) {
      const wrapper: unknown = new Proxy(method, {
        apply(_target, self, args: unknown[]) {
          const isModel = self === proxy || self === undefined || modelBehind(self) === model;
          return isModel ? route(name, args, () => invoke(method, model, args)) : invoke(method, self, args);
        },
      });
      wrappers.set(name, (known = { method, wrapper }));
    }
    return known.wrapper;
  };

  /** A property's value as it is seen from outside. */
  const give = (key: PropertyKey, value: unknown): unknown =>
    typeof value === 'function' && (kinds.has(key) || isMethod(model, key))
      ? wrapMethod(key, value as Method)
      : outward(value);

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
      return behaviour.call(name, all, { ...options, ...more }, () => invoke(method, model, all));
    },
  };

  // The target is a stand-in: a proxy must report a target's frozen properties as they are, which would forbid
  // replacing the methods of a frozen model. A bound function can be constructed and has no `prototype` to report.
  const target = (typeof model === 'function' ? Object.bind(undefined) : {}) as Model;
  Object.defineProperty(target, INSPECT, { value: () => model, configurable: true });

  const proxy = new Proxy(target, {
    get(_target, key) {
      if (key === PROXY_MARK) return model;
      if (Object.hasOwn(members, key)) return members[key as keyof typeof members];
      return give(key, Reflect.get(model, key, model));
    },
    set: (_target, key, value, receiver) => Reflect.set(model, key, value, receiver === proxy ? model : receiver),
    has: (_target, key) => Object.hasOwn(members, key) || Reflect.has(model, key),
    deleteProperty: (_target, key) => Reflect.deleteProperty(model, key),
    // Only what the target has too may be fixed: else the engine throws, which here would be after the model was changed.
    defineProperty: (_target, key, descriptor) =>
      descriptor.configurable !== false && Reflect.defineProperty(model, key, descriptor),
    ownKeys: () => Reflect.ownKeys(model),
    getOwnPropertyDescriptor(_target, key) {
      const descriptor = Reflect.getOwnPropertyDescriptor(model, key);
      if (descriptor === undefined) return undefined;
      if ('value' in descriptor) Object.assign(descriptor, { value: give(key, descriptor.value) });
      return { ...descriptor, configurable: true };
    },
    getPrototypeOf: () => Reflect.getPrototypeOf(model),
    setPrototypeOf: (_target, prototype) => Reflect.setPrototypeOf(model, prototype),
    preventExtensions: () => false,
    apply: (_target, self, args: unknown[]) =>
      route('', args, () => invoke(model, modelBehind(self) === model ? model : self, args)),
    construct: (_target, args: unknown[], newTarget: unknown) =>
      Reflect.construct(model as Constructor, args, (newTarget === proxy ? model : newTarget) as Constructor),
  }) as InferenceProxy<Model>;
  return proxy;
}

/**
 * Whether the function of that name is a method: found up the prototype chain, and no getter's. What every function has
 * (`call`, `bind`) is the proxy's own, and the constructor is nobody's method.
 */
function isMethod(model: object, key: PropertyKey): boolean {
  let holder: object | null = model;
  while (holder !== null && !Object.hasOwn(holder, key)) holder = Reflect.getPrototypeOf(holder);
  if (holder === null || holder === model || holder === Function.prototype || key === 'constructor') return false;
  return 'value' in (Reflect.getOwnPropertyDescriptor(holder, key) as PropertyDescriptor);
}

/** A promise that nobody subclassed or added to: what its `then` gives is as good as it. */
function isPlainPromise(value: unknown): value is Promise<unknown> {
  return (value as object | undefined)?.constructor === Promise && Object.keys(value as object).length === 0;
}

/** What a call answers with, in parts: nothing is called before the first one is asked for, as with any generator. */
async function* stream(call: () => Promise<unknown>): AsyncGenerator<unknown, unknown, unknown> {
  return yield* (await call()) as AsyncIterable<unknown>;
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
