/** A project that uses the package as npm would install it: copied, so that no tool sees where it really is. */

import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { onTestFinished } from 'vitest';
import { root } from './static-server.ts';

export interface Consumer {
  readonly folder: string;
  write(path: string, content: string): void;
}

/** `public/model.onnx` is the sentence encoder. The folder is deleted when the test is over. */
export function consumer(files: Readonly<Record<string, string>>): Consumer {
  const folder = mkdtempSync(join(tmpdir(), 'epochly-consumer-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const { dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    readonly dependencies: Readonly<Record<string, string>>;
  };
  for (const path of ['package.json', 'dist']) copy(path, join(folder, 'node_modules/epochly', path));
  for (const name of Object.keys(dependencies)) copy(join('node_modules', name), join(folder, 'node_modules', name));
  copy('demo/models/use-lite/model_fp32.onnx', join(folder, 'public/model.onnx'));
  const project: Consumer = {
    folder,
    write(path, content) {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), content);
    },
  };
  project.write(
    'package.json',
    JSON.stringify({ name: 'consumer', private: true, type: 'module', dependencies: { epochly: '*' } }),
  );
  for (const [path, content] of Object.entries(files)) project.write(path, content);
  return project;
}

function copy(from: string, to: string): void {
  cpSync(join(root, from), to, { recursive: true });
}
