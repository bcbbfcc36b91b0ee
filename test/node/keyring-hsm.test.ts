/** The master key in a token: SoftHSM2, where it is installed. */

import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import nodeModule from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { KeyError } from '../../src/key-error.ts';
import type { Keyring } from '../../src/privacy/keyring.ts';
import type { HsmSource } from '../../platforms/node/keyring/hsm-master-key.ts';
import { openKeyring } from '../../platforms/node/keyring/open-keyring.ts';
import { testKeyring } from '../contract/keyring-contract.ts';
import { createProgram } from '../helpers/run-program.ts';

const LIBRARY = '/usr/lib/softhsm/libsofthsm2.so';
const PIN = '1234';
const context = new TextEncoder().encode('a context');

describe.runIf(existsSync(LIBRARY))('a key in a token', () => {
  let folder: string;
  let slot: number;
  const keyrings: Keyring[] = [];
  let labels = 0;
  const open = async (source: Partial<HsmSource> = {}): Promise<Keyring> => {
    const keyring = await openKeyring({ kind: 'hsm', library: LIBRARY, slot, pin: PIN, ...source }, {});
    keyrings.push(keyring);
    return keyring;
  };
  const refusalOf = (source: Partial<HsmSource>): Promise<unknown> => open(source).catch((error: unknown) => error);
  const newLabel = (): string => `key ${labels++}`;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'epochly-hsm-'));
    await mkdir(join(folder, 'tokens'));
    await writeFile(
      join(folder, 'softhsm2.conf'),
      `directories.tokendir = ${join(folder, 'tokens')}\nlog.level = ERROR\n`,
    );
    // Before the library is loaded, and into the environment of the process: workers that are threads would have a copy.
    process.env['SOFTHSM2_CONF'] = join(folder, 'softhsm2.conf');
    const token = ['--init-token', '--free', '--label', 'test', '--pin', PIN, '--so-pin', '5678'];
    const { stdout } = await promisify(execFile)('softhsm2-util', token);
    slot = Number(/slot (\d+)/.exec(stdout.replace('Slot 0 has', ''))?.[1]);
  });
  afterAll(async () => {
    for (const keyring of keyrings) await keyring.close();
    await rm(folder, { recursive: true });
  });

  testKeyring('token', { open: () => open({ label: newLabel(), create: true }) });

  test('is made on request only, is then the same, and another label is another', async () => {
    const missing = await refusalOf({});
    expect(missing).toBeInstanceOf(KeyError);
    expect(missing).toMatchObject({ reason: 'missing', message: expect.stringContaining("'epochly'") });
    const made = await open({ create: true });
    const wrapped = await made.newKey(context);
    const again = await open({ create: true, slot: undefined });
    expect(again.id).toBe(made.id);
    expect(made.id).toMatch(/^[0-9a-f]{16}$/);
    const [a, b] = [await made.openKey(wrapped, context), await again.openKey(wrapped, context)];
    expect(await b.hash(context)).toEqual(await a.hash(context));
    expect((await open({ label: newLabel(), create: true })).id).not.toBe(made.id);
  });

  test('cannot be read out of the token, nor used for anything but wrapping', async () => {
    const label = newLabel();
    await open({ label, create: true });
    const session = tokenSlot().open(SERIAL_SESSION);
    const key = session.find({ label }).items(0);
    const no = { extractable: null, wrap: null, sign: null, modifiable: null };
    expect(key.getAttribute(no)).toEqual({ extractable: false, wrap: false, sign: false, modifiable: false });
    const yes = { sensitive: null, neverExtractable: null };
    expect(key.getAttribute(yes)).toEqual({ sensitive: true, neverExtractable: true });
    expect(() => key.getAttribute({ value: null })).toThrow('CKR_ATTRIBUTE_SENSITIVE');
    session.close();
  });

  test('is none where it is too short, or where there are several', async () => {
    await open({ label: newLabel(), create: true });
    const [short, several] = [newLabel(), newLabel()];
    const session = tokenSlot().open(SERIAL_SESSION | RW_SESSION);
    for (const [label, valueLen] of [
      [short, 16],
      [several, 32],
      [several, 32],
    ])
      session.generateKey(graphene().KeyGenMechanism.AES, { class: 4, keyType: 31, label, valueLen, token: true });
    session.close();
    expect(await refusalOf({ label: short, create: true })).toMatchObject({
      reason: 'malformed',
      message: expect.stringContaining('128 bits'),
    });
    expect(await refusalOf({ label: several })).toMatchObject({ message: expect.stringContaining('2 AES keys') });
  });

  test('is told apart from a wrong PIN, slot and library', async () => {
    // A process that is logged in is not asked again, so that it takes another one to be wrong.
    const program = await createProgram(`
      import { openKeyring } from './platforms/node/keyring/open-keyring.ts';
      const source = JSON.parse(process.argv[2]);
      const error = await openKeyring(source, {}).then(() => 'opened', (each) => each);
      console.log(JSON.stringify({ code: error.code, reason: error.reason, message: error.message }));`);
    const tell = async (source: Partial<HsmSource>): Promise<unknown> => {
      const whole = { kind: 'hsm', library: LIBRARY, slot, pin: PIN, ...source };
      return JSON.parse(await program.run([JSON.stringify(whole)]));
    };
    const pin = await tell({ pin: '9999' });
    expect(pin).toMatchObject({
      code: 'KEY',
      reason: 'wrong',
      message: expect.stringContaining('PIN of the token is wrong'),
    });
    expect(JSON.stringify(pin)).not.toContain('9999');
    expect(await tell({ slot: 7 })).toMatchObject({
      reason: 'unavailable',
      message: expect.stringMatching(new RegExp(`slot 7.*${slot}`)),
    });
    expect(await tell({ library: '/none.so' })).toMatchObject({
      reason: 'unavailable',
      message: expect.stringContaining('/none.so'),
    });
  });

  test('is asked for again in a new session where the old one is gone', async () => {
    const keyring = await open({ label: newLabel(), create: true });
    const wrapped = await keyring.newKey(context);
    tokenSlot().closeAll();
    await keyring.openKey(wrapped, context);
    tokenSlot().closeAll();
    await keyring.newKey(context);
  });

  test('that opens nothing at all is out of order, and nothing that it wrapped is another key’s', async () => {
    const keyring = await open({ label: newLabel(), create: true });
    const wrapped = await keyring.newKey(context);
    // CKR_FUNCTION_FAILED, with which some tokens say as well that something does not authenticate.
    const failure = Object.assign(new Error('CKR_FUNCTION_FAILED'), { code: 6 });
    const once = (): never => {
      throw failure;
    };
    const decipher = vi.spyOn(graphene().Session.prototype, 'createDecipher').mockReturnValue({ once });
    expect(() => keyring.openKey(wrapped, context)).toThrow(expect.objectContaining({ reason: 'unavailable' }));
    decipher.mockRestore();
    await keyring.openKey(wrapped, context);
    expect(() => keyring.openKey(wrapped, new Uint8Array(1))).toThrow(expect.objectContaining({ reason: 'wrong' }));
  });

  test('rotates from software into the token, and back', async () => {
    const env = { EPOCHLY_ENCRYPTION_KEY: 'ab'.repeat(32) };
    const software = await openKeyring({ kind: 'env' }, env);
    const hardware = await open({ label: newLabel(), create: true });
    const wrapped = await software.newKey(context);
    const moved = await hardware.rewrap(wrapped, context, software);
    const back = await software.rewrap(moved, context, hardware);
    const hashes = await Promise.all([
      (await software.openKey(wrapped, context)).hash(context),
      (await hardware.openKey(moved, context)).hash(context),
      (await software.openKey(back, context)).hash(context),
    ]);
    expect(hashes[1]).toEqual(hashes[0]);
    expect(hashes[2]).toEqual(hashes[0]);
  });

  test('closed, it says so, and others go on', async () => {
    const label = newLabel();
    const [a, b] = [await open({ label, create: true }), await open({ label })];
    const wrapped = await a.newKey(context);
    await a.close();
    expect(() => a.newKey(context)).toThrow('closed');
    await b.openKey(wrapped, context);
  });
});

const [SERIAL_SESSION, RW_SESSION] = [4, 2];

interface TokenSlot {
  closeAll(): void;
  open(flags: number): {
    find(template: object): { items(index: number): { getAttribute(names: object): object } };
    generateKey(mechanism: unknown, template: object): unknown;
    close(): void;
  };
}

/** The token as its own tools see it. */
function tokenSlot(): TokenSlot {
  const { Module } = graphene();
  const module = Module.load(LIBRARY);
  module.initialize();
  return module.getSlots(true).items(0);
}

function graphene(): {
  readonly Module: {
    load(path: string): { initialize(): void; getSlots(present: boolean): { items(i: number): TokenSlot } };
  };
  readonly KeyGenMechanism: { readonly AES: unknown };
  readonly Session: { readonly prototype: { createDecipher(): unknown } };
} {
  return nodeModule.createRequire(import.meta.url)('graphene-pk11') as ReturnType<typeof graphene>;
}
