import { inspect } from 'node:util';
import { expect, test, vi } from 'vitest';
import type { EntryPoint } from '../../src/adapters/adapter.ts';
import type { CallOptions } from '../../src/call.ts';
import { createProxy, isProxy, unwrap } from '../../src/proxy.ts';
import type { InferenceProxy, ProxyBehaviour } from '../../src/proxy.ts';

class Session {
  #secret = 42;
  plain = 'field';
  readonly listeners: string[] = [];
  get secret(): number {
    return this.#secret;
  }
  set secret(value: number) {
    this.#secret = value;
  }
  async run(input: number): Promise<number> {
    return this.#secret + input;
  }
  predict(input: number): number {
    return this.#secret * input;
  }
  setWeights(value: number): void {
    this.#secret = value;
  }
  on(event: string): this {
    this.listeners.push(event);
    return this;
  }
  static create(): Session {
    return new Session();
  }
}

const ENTRY_POINTS: readonly EntryPoint[] = [
  { name: 'run', kind: 'async' },
  { name: 'predict', kind: 'sync' },
  { name: 'setWeights', kind: 'mutator' },
];

interface Seen {
  readonly how: string;
  readonly entryPoint: string;
  readonly args: readonly unknown[];
  readonly options?: CallOptions;
}

function wrapped<Model extends object>(
  model: Model,
  entryPoints = ENTRY_POINTS,
): { proxy: InferenceProxy<Model>; seen: Seen[]; mutations: () => number } {
  const seen: Seen[] = [];
  let mutations = 0;
  const behaviour: ProxyBehaviour = {
    modelId: 7,
    entryPoints,
    callCount: () => seen.length,
    call: async (entryPoint, args, options, original) => {
      seen.push({ how: 'call', entryPoint, args, options });
      return original();
    },
    observe: (entryPoint, args, _options, original) => {
      seen.push({ how: 'observe', entryPoint, args });
      return original();
    },
    mutated: () => mutations++,
  };
  return { proxy: createProxy(model, behaviour), seen, mutations: () => mutations };
}

test('it is an instance of the model’s class, with its constructor, typeof and keys', () => {
  const { proxy } = wrapped(new Session());
  expect(proxy).toBeInstanceOf(Session);
  expect(typeof proxy).toBe('object');
  expect(proxy.constructor).toBe(Session);
  expect((proxy.constructor as typeof Session).create()).toBeInstanceOf(Session);
  expect(Object.keys(proxy)).toEqual(['plain', 'listeners']);
  expect('run' in proxy && 'unwrapped' in proxy && !('nothing' in proxy)).toBe(true);
  expect({ ...proxy }).toEqual({ plain: 'field', listeners: [] });
});

test('private fields, getters and setters work, and run on the model', () => {
  const model = new Session();
  const { proxy, seen } = wrapped(model);
  proxy.secret = 5;
  proxy.plain = 'changed';
  expect(proxy.secret).toBe(5);
  expect(model.secret).toBe(5);
  expect(model.plain).toBe('changed');
  expect(seen).toEqual([]);
});

test('an asynchronous entry point is a call; a synchronous one stays synchronous and is observed', async () => {
  const { proxy, seen } = wrapped(new Session());
  await expect(proxy.run(1)).resolves.toBe(43);
  expect(proxy.predict(2)).toBe(84);
  expect(seen).toEqual([
    { how: 'call', entryPoint: 'run', args: [1], options: {} },
    { how: 'observe', entryPoint: 'predict', args: [2] },
  ]);
  expect(proxy.callCount).toBe(2);
});

test('a stream is called when its first part is asked for, and left where its reader leaves it', async () => {
  let left = 0;
  async function* count(to: number): AsyncGenerator<number, string> {
    try {
      for (let i = 0; i < to; i++) yield i;
      return 'counted';
    } finally {
      left++;
    }
  }
  const { proxy, seen } = wrapped(count, [{ name: '', kind: 'stream' }]);
  const all = proxy(3);
  expect(seen).toEqual([]);
  expect(await all.next()).toEqual({ done: false, value: 0 });
  expect(seen).toMatchObject([{ how: 'call', args: [3] }]);
  expect([await all.next(), await all.next(), await all.next()]).toEqual([
    { done: false, value: 1 },
    { done: false, value: 2 },
    { done: true, value: 'counted' },
  ]);
  for await (const each of proxy(3)) if (each === 1) break;
  expect(left).toBe(2);
});

test('methods keep their identity, and work taken off the proxy', async () => {
  const { proxy, seen } = wrapped(new Session());
  const { run } = proxy;
  expect(proxy.run).toBe(run);
  await expect(run(1)).resolves.toBe(43);
  expect(seen).toHaveLength(1);
});

test('a method called on another object is not routed through this model', async () => {
  const { proxy, seen } = wrapped(new Session());
  const other = new Session();
  other.secret = 1;
  await expect(proxy.run.call(other, 1)).resolves.toBe(2);
  expect(seen).toEqual([]);
});

test('a method that returns the model returns the proxy, so that chains stay wrapped', () => {
  const model = new Session();
  const { proxy } = wrapped(model);
  expect(proxy.on('a').on('b')).toBe(proxy);
  expect(model.listeners).toEqual(['a', 'b']);
});

test('what gives back the model gives back the proxy: getters and what is promised as well', async () => {
  class Chained {
    self: Chained = this;
    get me(): this {
      return this;
    }
    async ready(): Promise<this> {
      return this;
    }
    async run(): Promise<this> {
      return this;
    }
    predict(): this {
      return this;
    }
    async setWeights(): Promise<this> {
      return this;
    }
  }
  const model = new Chained();
  const { proxy } = wrapped(model);
  expect(proxy.me).toBe(proxy);
  expect(proxy.self).toBe(proxy);
  expect({ ...proxy }).toEqual({ self: proxy });
  expect(Object.getOwnPropertyDescriptor(proxy, 'self')?.value).toBe(proxy);
  expect(proxy.valueOf()).toBe(proxy);
  expect(proxy.predict()).toBe(proxy);
  for (const answer of [proxy.ready(), proxy.run(), proxy.setWeights(), proxy.infer(1)]) {
    expect(await answer).toBe(proxy);
  }
  const echo = (): unknown => echo;
  const callable = wrapped(echo, []).proxy;
  expect(callable()).toBe(callable);
});

test('a promise with more to it than a promise has comes through as it is', () => {
  class Cancelable extends Promise<number> {}
  const subclassed = Cancelable.resolve(1);
  const extended = Object.assign(Promise.resolve(1), { cancel: () => undefined });
  class Downloads {
    subclassed = (): unknown => subclassed;
    start(): unknown {
      return extended;
    }
    run(): unknown {
      return subclassed;
    }
  }
  const { proxy } = wrapped(new Downloads(), [{ name: 'run', kind: 'sync' }]);
  expect(proxy.start()).toBe(extended);
  expect(proxy.run()).toBe(subclassed);
});

test('own properties are as they are, functions and callable instances too; only methods run on the model', () => {
  /** As transformers.js makes what is called and has private fields as well. */
  class Tokenizer extends Function {
    readonly #vocabulary: number = 3;
    size(): number {
      return this.#vocabulary;
    }
  }
  Object.setPrototypeOf(Tokenizer, function make() {
    return Object.setPrototypeOf((text: string) => `<${text}>`, Tokenizer.prototype) as object;
  });
  type CallableTokenizer = Tokenizer & ((text: string) => string);
  class Model {
    readonly #processor = new Tokenizer() as CallableTokenizer;
    readonly #listeners = new Set<() => void>();
    readonly tokenizer = new Tokenizer() as CallableTokenizer;
    callback: (() => void) | undefined;
    /** A getter's, so no method either. */
    get processor(): CallableTokenizer {
      return this.#processor;
    }
    on(listener: () => void): void {
      this.#listeners.add(listener);
    }
    off(listener: () => void): boolean {
      return this.#listeners.delete(listener);
    }
  }
  const model = new Model();
  const { proxy } = wrapped(model);
  const callback = vi.fn();
  proxy.callback = callback;
  expect(proxy.callback).toBe(callback);
  expect(Object.getOwnPropertyDescriptor(proxy, 'callback')?.value).toBe(callback);
  proxy.on(model.callback as () => void);
  expect(proxy.off(proxy.callback)).toBe(true);
  proxy.on(callback);
  expect(model.off(callback)).toBe(true);
  for (const key of ['tokenizer', 'processor'] as const) {
    expect(proxy[key]).toBe(model[key]);
    expect([proxy[key].size(), proxy[key]('a')]).toEqual([3, '<a>']);
  }
  expect(proxy.on).toBe(proxy.on);
  expect(proxy.on).not.toBe(model.on);
});

test('an entry point that is an own property is routed like any other, and described as it is given', async () => {
  const run = async (input: number): Promise<number> => input;
  const { proxy, seen } = wrapped({ run });
  expect(proxy.run).not.toBe(run);
  expect(Object.getOwnPropertyDescriptor(proxy, 'run')?.value).toBe(proxy.run);
  await proxy.run(1);
  expect(seen).toHaveLength(1);
});

test('a replaced method is the one that is called from then on', async () => {
  const { proxy, seen } = wrapped(new Session());
  await proxy.run(1);
  proxy.run = async () => 0;
  await expect(proxy.run(1)).resolves.toBe(0);
  expect(seen).toHaveLength(2);
});

test('a frozen model is wrapped like any other', async () => {
  const { proxy, seen } = wrapped(Object.freeze({ run: async (value: number) => value }));
  await expect(proxy.run(3)).resolves.toBe(3);
  expect(seen).toHaveLength(1);
  expect(Object.getOwnPropertyNames(proxy)).toEqual(['run']);
});

test('a callable model stays a function, and its own properties and methods stay', async () => {
  const model = Object.assign(async (text: string) => `<${text}>`, { task: 'echo' });
  const { proxy, seen } = wrapped(model, [{ name: '', kind: 'async' }]);
  expect(typeof proxy).toBe('function');
  expect(proxy.task).toBe('echo');
  await expect(proxy('a')).resolves.toBe('<a>');
  await expect(proxy.infer('b')).resolves.toBe('<b>');
  expect(seen.map((each) => each.entryPoint)).toEqual(['', '']);
});

test('a callable model is called by the way of its entry point also through call, apply and bind', async () => {
  const { proxy, seen } = wrapped(async (text: string) => `<${text}>`, [{ name: '', kind: 'async' }]);
  await expect(proxy.call(undefined, 'a')).resolves.toBe('<a>');
  await expect(proxy.apply(undefined, ['b'])).resolves.toBe('<b>');
  await expect(proxy.bind(undefined)('c')).resolves.toBe('<c>');
  expect(seen.map(({ args }) => args)).toEqual([['a'], ['b'], ['c']]);
});

test('a class stays one: made with new, extended, on the right of instanceof, with its statics', () => {
  class Model {
    static readonly made: unknown[] = [];
    readonly #size: number;
    constructor(size: number) {
      this.#size = size;
      Model.made.push(new.target);
    }
    size(): number {
      return this.#size;
    }
  }
  const { proxy } = wrapped(Model, []);
  const made = new proxy(3);
  expect(made.size()).toBe(3);
  expect(Model.made).toEqual([Model]);
  expect(made).toBeInstanceOf(Model);
  expect(made).toBeInstanceOf(proxy);
  expect({}).not.toBeInstanceOf(proxy);
  expect(proxy.prototype).toBe(Model.prototype);
  expect(proxy.made).toBe(Model.made);
  class Extended extends proxy {}
  expect(new Extended(4).size()).toBe(4);
  expect(Model.made[1]).toBe(Extended);
  expect(new (proxy.with({ tenant: 'a' }))(5)).toBeInstanceOf(Model);
  expect(() => new (wrapped(() => undefined, []).proxy as unknown as new () => unknown)()).toThrow(TypeError);
});

test('with() carries options, later ones overriding earlier ones, and leaves the proxy as it was', async () => {
  const { proxy, seen } = wrapped(new Session());
  const view = proxy.with({ tenant: 'a', priority: 1 }).with({ tenant: 'b' });
  await view.run(1);
  await proxy.run(1);
  await view.infer(1, { deadlineMs: 5 });
  expect(seen.map((each) => each.options)).toEqual([
    { tenant: 'b', priority: 1 },
    {},
    { tenant: 'b', priority: 1, deadlineMs: 5 },
  ]);
  expect(view.on('x')).toBe(view);
  expect(unwrap(view)).toBe(proxy.unwrapped);
});

test('infer() takes the whole way also where the entry point is synchronous', async () => {
  const { proxy, seen } = wrapped(new Session());
  await expect(proxy.infer(2, { entryPoint: 'predict' })).resolves.toBe(84);
  expect(seen[0]?.how).toBe('call');
  await expect(proxy.infer(2, { entryPoint: 'missing' })).rejects.toThrow(TypeError);
});

test('a method that changes the weights says so before and after, also when it does so later', async () => {
  const { proxy, mutations } = wrapped(new Session());
  proxy.setWeights(1);
  expect(mutations()).toBe(2);
  let finish = (): void => undefined;
  const later = wrapped({ setWeights: () => new Promise<void>((resolve) => (finish = resolve)) });
  const done = later.proxy.setWeights();
  expect(later.mutations()).toBe(2);
  finish();
  await done;
  expect(later.mutations()).toBe(3);
});

test('unwrap gives the model, and anything else as it is', () => {
  const model = new Session();
  const { proxy } = wrapped(model);
  expect(unwrap(proxy)).toBe(model);
  expect(proxy.unwrapped).toBe(model);
  expect(isProxy(proxy)).toBe(true);
  for (const value of [model, null, undefined, 3, 'text']) {
    expect(unwrap(value)).toBe(value);
    expect(isProxy(value)).toBe(false);
  }
  const { proxy: revoked, revoke } = Proxy.revocable({}, {});
  revoke();
  expect(isProxy(revoked)).toBe(false);
});

test('Node prints the model, not the stand-in', () => {
  const { proxy } = wrapped(new Session());
  expect(inspect(proxy)).toBe(inspect(proxy.unwrapped));
});

test('properties can be defined and deleted through it', () => {
  const model = new Session() as Session & { extra?: number };
  const { proxy } = wrapped(model);
  Object.defineProperty(proxy, 'extra', { value: 1, configurable: true });
  expect(model.extra).toBe(1);
  delete proxy.extra;
  expect('extra' in model).toBe(false);
});

test('what cannot be done through a proxy is refused before the model is changed', () => {
  const model = new Session();
  const { proxy } = wrapped(model);
  const fixed = { value: 1, configurable: false };
  expect(() => Object.defineProperty(proxy, 'extra', fixed)).toThrow(TypeError);
  expect(() => Object.freeze(proxy)).toThrow(TypeError);
  expect(() => Object.preventExtensions(proxy)).toThrow(TypeError);
  expect('extra' in model).toBe(false);
  expect([Object.isExtensible(model), Object.getOwnPropertyDescriptor(model, 'plain')?.writable]).toEqual([true, true]);

  Object.defineProperty(proxy, 'extra', { value: 1 });
  expect(Object.getOwnPropertyDescriptor(model, 'extra')).toMatchObject({ value: 1, configurable: false });
  expect(Object.getOwnPropertyDescriptor(proxy, 'extra')).toMatchObject({ value: 1, writable: false });
  expect(() => Object.defineProperty(proxy, 'extra', { value: 2 })).toThrow(TypeError);
  expect(Reflect.deleteProperty(proxy, 'extra')).toBe(false);
  expect(Reflect.set(proxy, 'extra', 2)).toBe(false);
  expect(Reflect.ownKeys(proxy)).toEqual(['plain', 'listeners', 'extra']);
});

test('an object that inherits from a proxy has properties of its own', () => {
  const model = new Session();
  const { proxy } = wrapped(model);
  const derived = Object.create(proxy) as Session;
  derived.plain = 'derived';
  expect([derived.plain, model.plain]).toEqual(['derived', 'field']);
});

test('what a method throws comes out as it was thrown', async () => {
  const error = new Error('from the model');
  const run = vi.fn(async () => {
    throw error;
  });
  const { proxy } = wrapped({
    run,
    predict: () => {
      throw error;
    },
  });
  await expect(proxy.run()).rejects.toBe(error);
  expect(() => proxy.predict()).toThrow(error);
});
