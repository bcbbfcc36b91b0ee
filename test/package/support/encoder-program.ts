/** A program of a consumer in Node: runs the sentence encoder in each way that the package has, and without the package. */

import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

const IMPORTS = {
  mjs: `
    import { load, tensor, wrap } from 'epochly';
    import ort from 'onnxruntime-node';`,
  cjs: `
    const { load, tensor, wrap } = require('epochly');
    const ort = require('onnxruntime-node');`,
};

const BODY = `
  async function main(model) {
    const ids = [4, 17, 98, 250];
    const inputs = (make) => ({ input_ids: make('int64', ids, [1, 4]), attention_mask: make('int64', [1, 1, 1, 1], [1, 4]) });
    const ortInputs = inputs((type, data, dims) => new ort.Tensor(type, BigInt64Array.from(data, BigInt), dims));
    const answers = {};

    const session = await ort.InferenceSession.create(model);
    answers.raw = await session.run(ortInputs);
    const wrapped = wrap(session);
    answers.wrapped = await wrapped.run(ortInputs);
    answers.again = await wrapped.run(ortInputs);
    for (const host of ['worker', 'process', 'inline']) {
      const loaded = await load(model, { host });
      answers[host] = await loaded.run(inputs(tensor));
      await loaded.close();
    }
    const plain = ({ sentence_embedding: { type, dims, data } }) => ({ type, dims, data: Array.from(data) });
    const { node } = process.versions;
    const entries = Object.entries(answers).map(([name, answer]) => [name, plain(answer)]);
    console.log(JSON.stringify({ node, instance: wrapped instanceof ort.InferenceSession, ...Object.fromEntries(entries) }));
  }
  void main(process.argv[2]);`;

/** Writes the program into a consumer's folder and gives its path. */
export function encoderProgram(folder: string, kind: keyof typeof IMPORTS): string {
  const path = join(folder, `main.${kind}`);
  writeFileSync(path, IMPORTS[kind] + BODY);
  return path;
}

/** What a program printed to both streams. It must end by itself. */
export async function runNode(
  node: string,
  args: readonly string[],
  cwd: string,
): Promise<{ readonly printed: unknown; readonly stderr: string }> {
  const { stdout, stderr } = await promisify(execFile)(node, [...args], { cwd, timeout: 120_000 });
  return { printed: JSON.parse(stdout) as unknown, stderr };
}
