/** What is done before a process ends by itself. */

import { expect, test } from 'vitest';
import { onEnding } from '../../platforms/node/on-ending.ts';
import { createProgram } from '../helpers/run-program.ts';

test('many share one listener of the process, which goes with the last of them', () => {
  const before = process.listenerCount('beforeExit');
  const finish = async (): Promise<void> => undefined;
  const all = Array.from({ length: 50 }, () => onEnding(finish));
  expect(process.listenerCount('beforeExit')).toBe(before + 1);
  for (const each of all) each[Symbol.dispose]();
  expect(process.listenerCount('beforeExit')).toBe(before);
  all[0]?.[Symbol.dispose]();
  onEnding(finish)[Symbol.dispose]();
  expect(process.listenerCount('beforeExit')).toBe(before);
});

test('each is called once and waited for, whatever others do; those that were left are not', async () => {
  const program = await createProgram(`
    import { onEnding } from './platforms/node/on-ending.ts';
    process.on('warning', ({ name }) => console.log(name));
    const say = (text) => async () => {
      await new Promise((resolve) => setTimeout(resolve, 1));
      console.log(text);
    };
    onEnding(say('a'));
    onEnding(async () => { throw new Error('not seen'); });
    onEnding(say('left'))[Symbol.dispose]();
    for (let i = 0; i < 12; i++) onEnding(say('b'));
    onEnding(async () => void onEnding(say('c')));`);
  expect(await program.run()).toBe(['a', ...Array(12).fill('b'), 'c'].join('\n'));
});
