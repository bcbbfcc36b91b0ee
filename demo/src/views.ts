/** What the page shows: each function draws one part of it from data. */

import { byId, svg } from './dom.ts';

export interface Hit {
  readonly index: number;
  readonly sentence: string;
  readonly similarity: number;
}

export function drawResults(hits: readonly Hit[]): void {
  const list = byId('results');
  // Who walks through the results while they change stays at the same place in them.
  const focused = [...list.children].indexOf(document.activeElement as HTMLElement);
  list.replaceChildren(
    ...hits.map(({ sentence, similarity }) => {
      const item = document.createElement('li');
      item.tabIndex = -1;
      const text = document.createElement('span');
      text.textContent = sentence;
      const bar = document.createElement('meter');
      Object.assign(bar, { min: 0, max: 1, value: Math.max(0, similarity) });
      bar.setAttribute('aria-label', 'Similarity');
      const number = document.createElement('span');
      number.className = 'number';
      number.textContent = similarity.toFixed(2);
      item.append(text, bar, number);
      return item;
    }),
  );
  (list.children[focused] as HTMLElement | undefined)?.focus();
}

const SIDE = 320;
const MARGIN = 14;
type Place = readonly [x: number, y: number];

/** All sentences by likeness: those found are filled, and joined to the query. */
export function drawMap(
  places: readonly Place[],
  sentences: readonly string[],
  query: Place | undefined,
  hits: readonly Hit[],
): void {
  const all = query === undefined ? places : [...places, query];
  const [xs, ys] = [all.map(([x]) => x), all.map(([, y]) => y)];
  const scale = (value: number, values: readonly number[]): number => {
    const [low, high] = [Math.min(...values), Math.max(...values)];
    return MARGIN + ((value - low) / (high - low || 1)) * (SIDE - 2 * MARGIN);
  };
  const at = ([x, y]: Place): { x: number; y: number } => ({ x: scale(x, xs), y: scale(y, ys) });
  const found = new Set(hits.map(({ index }) => index));
  const picture = byId('map');
  picture.replaceChildren();
  picture.setAttribute(
    'aria-label',
    hits.length === 0
      ? `Map of ${sentences.length} sentences: the closer two points, the more alike.`
      : `Map of the sentences. Nearest to the query: ${hits
          .slice(0, 3)
          .map((hit) => hit.sentence)
          .join(' ')}`,
  );
  if (query !== undefined) {
    const from = at(query);
    for (const { index } of hits) {
      const to = at(places[index] as Place);
      picture.append(svg('line', { x1: from.x, y1: from.y, x2: to.x, y2: to.y, class: 'ray' }));
    }
  }
  places.forEach((place, i) => {
    const { x, y } = at(place);
    const dot = svg('circle', { cx: x, cy: y, r: found.has(i) ? 5 : 3.5, class: found.has(i) ? 'dot found' : 'dot' });
    dot.append(svg('title', {}, sentences[i] as string));
    picture.append(dot);
  });
  if (query !== undefined) {
    const { x, y } = at(query);
    picture.append(svg('circle', { cx: x, cy: y, r: 7, class: 'query' }));
  }
}

/** Similarity of each of the found sentences to each other, darker where they are more alike. */
export function drawHeatMap(names: readonly string[], similarities: readonly (readonly number[])[]): void {
  const table = byId('heat');
  const head = document.createElement('tr');
  head.append(document.createElement('td'), ...names.map((name, i) => headerCell(String(i + 1), name, 'col')));
  const rows = similarities.map((row, i) => {
    const line = document.createElement('tr');
    line.append(headerCell(`${i + 1}`, names[i] as string, 'row'), ...row.map(heatCell));
    return line;
  });
  table.replaceChildren(...(names.length === 0 ? [] : [head, ...rows]));
}

function headerCell(text: string, title: string, scope: string): HTMLTableCellElement {
  const cell = document.createElement('th');
  Object.assign(cell, { textContent: text, title, scope });
  return cell;
}

function heatCell(value: number): HTMLTableCellElement {
  const cell = document.createElement('td');
  cell.style.setProperty('--heat', `${Math.round(Math.max(0, value) * 100)}%`);
  cell.className = value > 0.6 ? 'heat high' : 'heat';
  cell.textContent = value.toFixed(2).replace('0.', '.');
  return cell;
}

export type CallKind = 'model' | 'cache' | 'kept' | 'left' | 'failed';

const MAX_BARS = 48;

/** One bar for each call: its height is its time (logarithmic), its colour who answered. */
export function addCall(kind: CallKind, durationMs: number): void {
  const strip = byId('calls');
  const bar = document.createElement('li');
  bar.className = `call ${kind}`;
  const words = {
    model: 'the model',
    cache: 'the cache in memory',
    kept: 'what was kept',
    left: 'nobody: typed on',
    failed: 'nobody: failed',
  }[kind];
  const text = `${durationMs.toFixed(durationMs < 1 ? 2 : 1)} ms, answered by ${words}`;
  bar.title = text;
  bar.style.setProperty('--height', `${Math.min(100, 12 + 24 * Math.log10(1 + durationMs * 10))}%`);
  const label = document.createElement('span');
  label.className = 'hidden';
  label.textContent = text;
  bar.append(label);
  strip.append(bar);
  while (strip.childElementCount > MAX_BARS) strip.firstElementChild?.remove();
}
