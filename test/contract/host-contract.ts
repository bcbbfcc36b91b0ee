/** @module What every host must do, as tests: a channel to a place with a framework in it. */

import { afterEach, describe, expect, test } from 'vitest';
import { InputError } from '../../src/errors.ts';
import { HostError, InferenceError, ModelLoadError } from '../../src/model-errors.ts';
import type { HostChannel } from '../../src/host/channel.ts';
import { HostClient } from '../../src/host/host-client.ts';
import type { OpenRequest } from '../../src/host/runtime.ts';
import { copyPortable, portableBuffers } from '../../src/portable.ts';
import type { Portable } from '../../src/portable.ts';
import { valuesMatch } from '../../src/adapters/compare.ts';

export interface HostContractOptions {
  /** Opens a channel to a fresh host. */
  readonly open: () => Promise<HostChannel>;
  /** What to open in it. Called once a test: its files are handed over. */
  readonly makeRequest: () => Promise<OpenRequest>;
  /** Inputs that the model takes, and what it answers to them. */
  readonly inputs: Portable;
  readonly expected: Portable;
  /** Inputs that the model does not take. */
  readonly wrongInputs: Portable;
  /** How far from `expected` an answer may be, relative to the largest value. Default 1e-4. */
  readonly tolerance?: number;
}

/** Tests a host. @example testHost('mine', { open: () => openMine(), makeRequest, inputs, expected, wrongInputs }); */
export function testHost(name: string, options: HostContractOptions): void {
  const { open, makeRequest, inputs, expected, wrongInputs, tolerance = 1e-4 } = options;
  const opened: HostClient[] = [];
  const openClient = async (): Promise<HostClient> => {
    const client = new HostClient(await open());
    opened.push(client);
    return client;
  };
  const openModel = async (): Promise<HostClient> => {
    const client = await openClient();
    await client.request('open', await makeRequest());
    return client;
  };
  const answers = async (client: HostClient): Promise<boolean> =>
    valuesMatch(expected, await client.request('run', [inputs]), tolerance);

  describe(`the ${name} host keeps the contract`, () => {
    afterEach(async () => {
      for (const client of opened.splice(0)) await client.retire();
    });

    test('opens a model, says what it opened, and runs it', async () => {
      const client = await openClient();
      const request = await makeRequest();
      const info = await client.request('open', request);
      expect(info.backend).toBe(request.backend);
      expect(info.runtime).not.toBe('');
      expect(await answers(client)).toBe(true);
    });

    test('answers each of many callers, in order', async () => {
      const client = await openModel();
      const finished: number[] = [];
      const runs = [0, 1, 2, 3].map(async (i) => {
        expect(await answers(client)).toBe(true);
        finished.push(i);
      });
      await Promise.all(runs);
      expect(finished).toEqual([0, 1, 2, 3]);
    });

    test('leaves inputs alone unless they are handed to it, which a channel may do by copying them', async () => {
      const client = await openModel();
      const given = copyPortable(inputs);
      const buffers = [...portableBuffers(given)];
      const sizes = buffers.map(({ byteLength }) => byteLength);
      await client.request('run', [given]);
      expect(given).toEqual(inputs);
      const answer = await client.request('run', [given], { transfer: buffers });
      expect(valuesMatch(expected, answer, tolerance)).toBe(true);
      // A child process has memory of its own, to which none can be handed over.
      const left = client.channel.kind === 'process' ? sizes : sizes.map(() => 0);
      expect(buffers.map(({ byteLength }) => byteLength)).toEqual(left);
      expect(await answers(client)).toBe(true);
    });

    test('refuses what is no model, and what does not fit one, by class; and serves the next call', async () => {
      const client = await openClient();
      const request = await makeRequest();
      const files = request.files.files.map(({ path }) => ({ path, bytes: new Uint8Array(64).fill(0xff) }));
      const broken = client.request('open', { ...request, files: { ...request.files, files } });
      await expect(broken).rejects.toThrow(ModelLoadError);
      await client.request('open', await makeRequest());
      const wrong = client.request('run', [wrongInputs]);
      await expect(wrong).rejects.toSatisfy((error) => error instanceof InputError || error instanceof InferenceError);
      expect(await answers(client)).toBe(true);
    });

    test('lets a caller go at once, running or queued, and serves the others', async () => {
      const client = await openModel();
      const controller = new AbortController();
      const stays = answers(client);
      const leaves = client.request('run', [inputs], { signal: controller.signal });
      controller.abort(new Error('left'));
      await expect(leaves).rejects.toThrow('left');
      expect(await stays).toBe(true);
      expect(await answers(client)).toBe(true);
      expect(client.isIdle).toBe(true);
    });

    test('throws where a message cannot be sent, and goes on', async () => {
      const client = await openModel();
      await expect(client.request('run', [(() => undefined) as unknown as Portable])).rejects.toMatchObject({
        name: 'DataCloneError',
      });
      expect(await answers(client)).toBe(true);
    });

    test('when it ends, it says so once, and whoever waits is told', async () => {
      const channel = await open();
      const exits: string[] = [];
      channel.onExit((reason) => exits.push(reason));
      const client = new HostClient(channel);
      await client.request('open', await makeRequest());
      await channel.terminate();
      await channel.terminate();
      channel.post({ type: 'run', id: 99, body: [inputs] });
      await expect(client.request('run', [inputs])).rejects.toThrow(HostError);
      expect(exits).toHaveLength(1);
      expect(exits[0]).not.toBe('');
    });
  });
}
