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
