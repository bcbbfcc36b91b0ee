import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { readConfigFile } from '../../platforms/node/config-file.ts';

let folder: string;
/** Two folders further down. */
let below: string;
const write = (path: string, content: string): void => writeFileSync(join(folder, path), content);

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'epochly-config-'));
  below = join(folder, 'a/b');
  mkdirSync(below, { recursive: true });
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

test('the configuration file is found from below, and goes before package.json', () => {
  write('package.json', JSON.stringify({ epochly: { max_level: 1 } }));
  expect(readConfigFile(below)).toEqual({ max_level: 1 });
  write('epochly.config.json', '{"max_level": 2}');
  expect(readConfigFile(below)).toEqual({ max_level: 2 });
});

test('the nearest is taken, be it that of a package in a monorepo or of its root', () => {
  write('package.json', JSON.stringify({ workspaces: ['a/*'], epochly: { max_level: 1 } }));
  write('a/b/package.json', JSON.stringify({ name: 'inner' }));
  expect(readConfigFile(below)).toEqual({ max_level: 1 });
  write('a/b/package.json', JSON.stringify({ name: 'inner', epochly: { max_level: 3 } }));
  expect(readConfigFile(below)).toEqual({ max_level: 3 });
  write('a/epochly.config.json', '{}');
  write('a/b/package.json', JSON.stringify({ name: 'inner' }));
  expect(readConfigFile(below)).toEqual({});
});

test.each([
  ['comments', '{ "name": "x", // the name\n "dependencies": { "epochly": "^1.0.0" } }'],
  ['nothing in it', ''],
  ['a list', '[1]'],
  ['null', 'null'],
])('a package.json of others, with %s, is passed over', (_what, content) => {
  write('package.json', JSON.stringify({ epochly: { max_level: 1 } }));
  write('a/package.json', content);
  expect(readConfigFile(below)).toEqual({ max_level: 1 });
});

test('a byte order mark is none of the content', () => {
  write('package.json', `\uFEFF${JSON.stringify({ epochly: { max_level: 1 } })}`);
  expect(readConfigFile(below)).toEqual({ max_level: 1 });
});

test.each([
  ['epochly.config.json', '{', /is not valid JSON/],
  ['epochly.config.json', '[]', /is an object/],
  ['package.json', '{ "epochly": { "max_level": 1 }, // on the way\n }', /is not valid JSON/],
  ['package.json', '{ "epochly": 1 }', /is an object/],
  ['package.json', '{ "epochly": "fast" }', /is an object/],
])('what is wrong in %s (%s) is told with the name of the file', (name, content, message) => {
  write(`a/${name}`, content);
  expect(() => readConfigFile(below)).toThrow(
    expect.objectContaining({
      code: 'CONFIG',
      field: join(folder, 'a', name),
      message: expect.stringMatching(message),
    }),
  );
});
