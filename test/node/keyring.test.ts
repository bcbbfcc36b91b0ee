/** The master key from the environment and from a file: what is taken, and what is refused how. */

import { randomBytes } from 'node:crypto';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ClosedError } from '../../src/errors.ts';
import { KeyError } from '../../src/key-error.ts';
import { HASH_INFO, SEAL_INFO } from '../../src/privacy/key-format.ts';
import type { KeySource } from '../../src/privacy/keyring.ts';
import { NodeKeyring, softwareMasterKey } from '../../platforms/node/keyring/node-keyring.ts';
import { openKeyring } from '../../platforms/node/keyring/open-keyring.ts';
import { plainKeyring } from '../../platforms/node/keyring/plain-keyring.ts';
import { testKeyring } from '../contract/keyring-contract.ts';
import { fromHex, KEY_VECTORS, toHex } from '../contract/vectors/keys.ts';
import { createProgram } from '../helpers/run-program.ts';

const key = randomBytes(32);
const idOf = (bytes: Uint8Array): string => softwareMasterKey(bytes).id;
const fromEnv = (value: string | undefined, variable?: string): Promise<string> =>
  openKeyring({ kind: 'env', variable }, { [variable ?? 'EPOCHLY_ENCRYPTION_KEY']: value }).then(({ id }) => id);
const refusalOf = async (source: KeySource, env = {}): Promise<KeyError> => {
  const error: unknown = await openKeyring(source, env).catch((each: unknown) => each);
  expect(error).toBeInstanceOf(KeyError);
  return error as KeyError;
};

testKeyring('Node', {
  open: () => new NodeKeyring(softwareMasterKey(randomBytes(32))),
  openWith: (bytes, random) => new NodeKeyring(softwareMasterKey(bytes), random),
});
testKeyring('plain', { open: () => plainKeyring() });

test('WebCrypto reads the vectors: a key that a browser imports is interchangeable', async () => {
  const { subtle } = crypto;
  const utf8 = (text: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(text);
  const decrypt = async (
    raw: Uint8Array<ArrayBuffer>,
    sealed: string,
    aad: string,
  ): Promise<Uint8Array<ArrayBuffer>> => {
    const of = await subtle.importKey('raw', raw, 'AES-GCM', false, ['decrypt']);
    const [iv, data] = [fromHex(sealed.slice(0, 24)), fromHex(sealed.slice(24))];
    return new Uint8Array(await subtle.decrypt({ name: 'AES-GCM', iv, additionalData: utf8(aad) }, of, data));
  };
  const { master, context, wrapped, dataKey, hashes, seals } = KEY_VECTORS;
  const raw = await decrypt(fromHex(master), wrapped, context);
  expect(toHex(raw)).toBe(dataKey);
  const base = await subtle.importKey('raw', raw, 'HKDF', false, ['deriveBits']);
  const derive = async (info: string): Promise<Uint8Array<ArrayBuffer>> => {
    const salt = new Uint8Array(0);
    return new Uint8Array(
      await subtle.deriveBits({ name: 'HKDF', hash: 'SHA-256', salt, info: utf8(info) }, base, 256),
    );
  };
  for (const { sealed, aad, plaintext } of seals)
    expect(await decrypt(await derive(SEAL_INFO), sealed, aad)).toEqual(utf8(plaintext));
  const hmac = await subtle.importKey('raw', await derive(HASH_INFO), { name: 'HMAC', hash: 'SHA-256' }, false, [
    'sign',
  ]);
  for (const { message, hash } of hashes)
    expect(toHex(new Uint8Array(await subtle.sign('HMAC', hmac, utf8(message))))).toBe(hash);
});

test('what is sealed is no plaintext to a keyring without one, and the other way round', async () => {
  const [sealing, plain] = [new NodeKeyring(softwareMasterKey(key)), plainKeyring()];
  const context = new Uint8Array(3);
  const [sealed, open] = [sealing.newKey(context), await plain.newKey(context)];
  expect(() => plain.openKey(sealed, context)).toThrow(KeyError);
  expect(() => sealing.openKey(open, context)).toThrow(KeyError);
  expect(() => plain.rewrap(sealed, context, sealing)).toThrow('Begin a new store');
  expect(() => sealing.rewrap(open, context, plain)).toThrow(KeyError);
});

test('a closed keyring says so', () => {
  const keyring = new NodeKeyring(softwareMasterKey(key));
  const wrapped = keyring.newKey(new Uint8Array(0));
  keyring.close();
  keyring.close();
  expect(() => keyring.newKey(new Uint8Array(0))).toThrow(ClosedError);
  expect(() => keyring.openKey(wrapped, new Uint8Array(0))).toThrow(ClosedError);
});

describe('a key in the environment', () => {
  test.each([
    ['base64', key.toString('base64')],
    ['base64 without padding', key.toString('base64').replace(/=+$/, '')],
    ['base64url', key.toString('base64url')],
    ['hexadecimal digits', key.toString('hex')],
    ['capital hexadecimal digits', key.toString('hex').toUpperCase()],
    ['whitespace around it', `\n ${key.toString('base64')}\r\n`],
  ])('is taken in %s', async (_, text) => {
    expect(await fromEnv(text)).toBe(idOf(key));
    expect(await fromEnv(text, 'OTHER')).toBe(idOf(key));
  });

  test('says nothing of itself, and another one is another', () => {
    expect(idOf(key)).toMatch(/^[0-9a-f]{16}$/);
    expect(key.toString('hex')).not.toContain(idOf(key));
    expect(idOf(randomBytes(32))).not.toBe(idOf(key));
  });

  test.each([undefined, '', '  \n'])('that is %j is missing, by name and with what makes one', async (value) => {
    const error = await refusalOf({ kind: 'env' }, { EPOCHLY_ENCRYPTION_KEY: value });
    expect(error).toMatchObject({ code: 'KEY', reason: 'missing' });
    expect(error.message).toMatch(/EPOCHLY_ENCRYPTION_KEY.*openssl rand -base64 32/);
    expect((await refusalOf({ kind: 'env', variable: 'MINE' })).message).toContain('MINE');
  });

  test.each([
    ['a byte too few', randomBytes(31).toString('base64')],
    ['a byte too many', randomBytes(33).toString('base64')],
    ['a hexadecimal digit too few', key.toString('hex').slice(1)],
    ['two hexadecimal digits too few', key.toString('hex').slice(2)],
    ['hexadecimal digits and one that is none', `g${key.toString('hex').slice(1)}`],
    ['words', 'correct horse battery staple'],
    ['both alphabets of base64', `+_${randomBytes(32).toString('hex').slice(0, 40)}=`],
    ['a space within', `${key.toString('base64').slice(0, 9)} ${key.toString('base64').slice(9)}`],
    ['wrong padding', `${key.toString('base64')}=`],
    ['bits that are none of the key', `${'A'.repeat(42)}B=`],
    ['a quoted key', `"${key.toString('base64')}"`],
  ])('is refused where it is %s, without a word of it', async (_, text) => {
    const error = await refusalOf({ kind: 'env' }, { EPOCHLY_ENCRYPTION_KEY: text });
    expect(error).toMatchObject({ code: 'KEY', reason: 'malformed' });
    expect(error.message).toContain('EPOCHLY_ENCRYPTION_KEY');
    for (let i = 0; i + 6 <= text.length; i++) expect(error.message).not.toContain(text.slice(i, i + 6));
  });

  test("a key source of browsers is none of Node's", async () => {
    expect((await refusalOf({ kind: 'browser' })).message).toContain('browsers');
  });
});

describe('what says of no place where a key is', () => {
  const hidden = 'c0ffee'.repeat(6).slice(0, 32);
  test.each<readonly [string, unknown]>([
    ['the key as text', hidden],
    ['the key as a Buffer', Buffer.from(hidden)],
    ['nothing', undefined],
    ['null', null],
    ['no kind', {}],
    ['the key as a kind', { kind: hidden }],
    ['a kind that objects have', { kind: 'toString' }],
    ['text as bytes', { kind: 'bytes', bytes: hidden }],
    ['numbers as bytes', { kind: 'bytes', bytes: Array.from(Buffer.from(hidden)) }],
    ['no bytes', { kind: 'bytes' }],
    ['other numbers as bytes', { kind: 'bytes', bytes: new Float32Array(32) }],
    ['the key as the name of a variable', { kind: 'env', variable: Buffer.from(hidden).toString('base64') }],
    ['hexadecimal digits as one', { kind: 'env', variable: Buffer.from(hidden).toString('hex').replace(/^./, 'c') }],
    ['a variable that is no text', { kind: 'env', variable: 7 }],
    ['no path', { kind: 'file' }],
    ['a path that is no text', { kind: 'file', path: Buffer.from(hidden) }],
    ['no PIN', { kind: 'hsm', library: '/none.so' }],
    ['a PIN that is no text', { kind: 'hsm', library: '/none.so', pin: 123_456 }],
  ])('is refused: %s', async (_, source) => {
    const error = await refusalOf(source as KeySource);
    expect(error).toMatchObject({ code: 'KEY', reason: 'malformed' });
    for (const form of [hidden, ...(['hex', 'base64'] as const).map((each) => Buffer.from(hidden).toString(each))])
      expect(error.message).not.toContain(form.slice(1, 9));
    expect(error.message).not.toContain('123456');
  });

  test('bytes are taken as they are, and may be overwritten afterwards', async () => {
    const bytes = Buffer.from(key);
    expect((await openKeyring({ kind: 'bytes', bytes }, {})).id).toBe(idOf(key));
    expect(bytes.equals(key)).toBe(true);
  });
});

describe('a key in a file', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'epochly-key-'));
  });
  afterAll(() => rm(folder, { recursive: true }));
  const at = (name: string): string => join(folder, name);
  const keep = async (name: string, text: string, mode = 0o600): Promise<string> => {
    await writeFile(at(name), text);
    await chmod(at(name), mode);
    return at(name);
  };

  test('is read, in any form, also where only reading is allowed', async () => {
    const path = await keep('plain', `${key.toString('hex')}\n`);
    expect((await openKeyring({ kind: 'file', path }, {})).id).toBe(idOf(key));
    await chmod(path, 0o400);
    expect((await openKeyring({ kind: 'file', path, create: true }, {})).id).toBe(idOf(key));
  });

  test.each([0o640, 0o604, 0o660, 0o610, 0o601, 0o777])('is refused with mode %o', async (mode) => {
    const path = await keep('open', key.toString('hex'), mode);
    const error = await refusalOf({ kind: 'file', path });
    expect(error.reason).toBe('exposed');
    expect(error.message).toContain(`chmod 600 ${path}`);
  });

  test('is made once, for its owner alone, and then is the same', async () => {
    const path = at('made');
    expect(await refusalOf({ kind: 'file', path })).toMatchObject({ reason: 'missing' });
    const made = await openKeyring({ kind: 'file', path, create: true }, {});
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(Buffer.from(await readFile(path, 'utf8'), 'base64')).toHaveLength(32);
    for (const create of [false, true])
      expect((await openKeyring({ kind: 'file', path, create }, {})).id).toBe(made.id);
    expect((await readdir(folder)).filter((name) => name.startsWith('made'))).toEqual(['made']);
  });

  test('is made with its folder, for its owner alone', async () => {
    const path = at('.epochly/master.key');
    const made = await openKeyring({ kind: 'file', path, create: true }, {});
    expect((await stat(at('.epochly'))).mode & 0o777).toBe(0o700);
    expect((await openKeyring({ kind: 'file', path }, {})).id).toBe(made.id);
    expect(await refusalOf({ kind: 'file', path: at('.other/master.key') })).toMatchObject({ reason: 'missing' });
    expect(await readdir(folder)).not.toContain('.other');
  });

  test('of several who make it at once, in several processes, all get one', async () => {
    const path = at('race/master.key');
    const program = await createProgram(`
      import { openKeyring } from './platforms/node/keyring/open-keyring.ts';
      const source = { kind: 'file' as const, path: process.argv[2], create: true };
      const found = await Promise.all(Array.from({ length: 8 }, () => openKeyring(source, {})));
      console.log(found.map(({ id }) => id).join('\\n'));`);
    const runs = await Promise.all([1, 2, 3].map(() => program.run([path])));
    const ids = runs.flatMap((output) => output.split('\n'));
    expect(ids).toHaveLength(24);
    expect(new Set(ids).size).toBe(1);
    expect(await readdir(at('race'))).toEqual(['master.key']);
  });

  test('is refused where it is a symbolic link, a folder, too long, or holds no key', async () => {
    await keep('target', key.toString('hex'));
    await symlink(at('target'), at('link'));
    await symlink(at('nowhere'), at('dangling'));
    await mkdir(at('folder'), { mode: 0o700 });
    await keep('long', 'a'.repeat(100_000));
    await keep('empty', '');
    for (const create of [false, true]) {
      expect(await refusalOf({ kind: 'file', path: at('link'), create })).toMatchObject({ reason: 'exposed' });
      expect(await refusalOf({ kind: 'file', path: at('dangling'), create })).toMatchObject({ reason: 'exposed' });
      expect((await refusalOf({ kind: 'file', path: at('folder'), create })).message).toContain('not a file');
      expect(await refusalOf({ kind: 'file', path: at('long'), create })).toMatchObject({ reason: 'malformed' });
      expect(await refusalOf({ kind: 'file', path: at('empty'), create })).toMatchObject({ reason: 'malformed' });
      expect(await refusalOf({ kind: 'file', path: '', create })).toMatchObject({ reason: 'missing' });
    }
    const nowhere = await refusalOf({ kind: 'file', path: at('no/such/folder'), create: true });
    expect(nowhere).toMatchObject({ reason: 'unavailable', cause: { code: 'ENOENT' } });
    expect((await readdir(folder)).filter((name) => name.endsWith('.new'))).toEqual([]);
  });
});
