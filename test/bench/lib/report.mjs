/** Prints a bench's figures as a Markdown table with the machine, the date and each target. */

import { arch, cpus, platform } from 'node:os';

export function machine() {
  return `${cpus().length} × ${cpus()[0]?.model.trim() ?? 'unknown CPU'}, ${platform()} ${arch()}, Node ${process.version}`;
}

/** @param rows { what, measured, target?, met? }[] */
export function report(title, rows) {
  console.log(`\n### ${title}\n\n${machine()}, ${new Date().toISOString().slice(0, 10)}\n`);
  console.log('| what | measured | target | |\n|---|---|---|---|');
  for (const { what, measured, target = '', met } of rows) {
    console.log(`| ${what} | ${measured} | ${target} | ${met === undefined ? '' : met ? 'met' : '**missed**'} |`);
  }
}

export const us = (value) => (value >= 1000 ? `${(value / 1000).toFixed(2)} ms` : `${value.toFixed(1)} µs`);
export const times = (value) => `${value >= 10 ? value.toFixed(0) : value.toFixed(2)}×`;
