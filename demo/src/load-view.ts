/** What the page shows of many callers at once: the two ways beside each other, and what a batch costs. */

import type { BatchQueueStats } from 'epochly';
import { byId, svg } from './dom.ts';
import type { Turn, Way } from './load.ts';

const WIDTH = 320;
const HEIGHT = 180;
const LEFT = 46;
const BOTTOM = 26;
const TOP = 12;
const RIGHT = 10;
/** Turns that the pictures go back. */
const KEPT = 30;
const WAYS: readonly Way[] = ['on', 'off'];

const history: Record<Way, Turn[]> = { on: [], off: [] };

type Point = readonly [x: number, y: number];

/** Forgets the turns of another model. */
export function clearTurns(): void {
  for (const way of WAYS) history[way] = [];
  byId('load-results').hidden = true;
}

export function addTurn(way: Way, turn: Turn): void {
  history[way] = [...history[way].slice(1 - KEPT), turn];
  byId('load-results').hidden = false;
  byId(`${way}-rate`).textContent = turn.perSecond.toFixed(turn.perSecond < 10 ? 1 : 0);
  byId(`${way}-p95`).textContent = `${turn.p95Ms.toFixed(turn.p95Ms < 10 ? 1 : 0)} ms`;
  drawTurns('rates', 'Answers a second', '', ({ perSecond }) => perSecond);
  drawTurns('latencies', '95th percentile of the latency', ' ms', ({ p95Ms }) => p95Ms);
}

/** What the batcher does, in words. */
export function tellOfQueue(queue: BatchQueueStats | undefined): void {
  if (queue === undefined) return;
  const { refusal, meanBatchSize, largestBatch, waitP50Ms = 0, paddingWaste, bestSize } = queue;
  byId('on-size').textContent = meanBatchSize.toFixed(1);
  byId('batching').textContent =
    refusal !== undefined
      ? `Not batched: ${refusal.replaceAll('_', ' ')}. The calls run one by one, and nobody waits for company.`
      : bestSize === 1
        ? `Here a batch serves no more than single runs do, so the calls run one by one.`
        : `Batches of ${meanBatchSize.toFixed(1)} on average, ${largestBatch} at most; half of the callers wait less than ${waitP50Ms.toFixed(1)} ms for their turn; ${(paddingWaste * 100).toFixed(0)} % of the tokens are padding.`;
  drawCosts(queue);
}

function drawTurns(id: string, name: string, unit: string, valueOf: (turn: Turn) => number): void {
  const most = niceAbove(Math.max(...WAYS.flatMap((way) => history[way].map(valueOf))));
  const picture = chart(id, most, unit);
  const [x, y] = [scaleX(0, KEPT - 1), scaleY(most)];
  for (const way of WAYS) {
    const values = history[way].map(valueOf);
    picture.append(
      line(
        values.map((value, i) => [x(KEPT - values.length + i), y(value)]),
        way,
      ),
    );
    const last = values.at(-1);
    if (last !== undefined) picture.append(svg('circle', { cx: x(KEPT - 1), cy: y(last), r: 3.5, class: way }));
  }
  const told = WAYS.map(
    (way) =>
      `batching ${way}: ${history[way].at(-1) === undefined ? 'none yet' : `${valueOf(history[way].at(-1) as Turn).toFixed(0)}${unit}`}`,
  );
  picture.setAttribute('aria-label', `${name}, second by second. Now ${told.join('; ')}.`);
}

/** t(b) as measured, and what as many single runs would cost. */
function drawCosts({ costs, bestSize }: BatchQueueStats): void {
  const [one] = costs;
  const last = costs.at(-1);
  if (one === undefined || last === undefined) return;
  const alone = one.costMs / one.size;
  const mostRows = Math.max(2, last.size);
  const most = niceAbove(Math.max(...costs.map(({ costMs }) => costMs), alone * mostRows));
  const picture = chart('costs', most, ' ms');
  const [x, y] = [scaleX(0, mostRows), scaleY(most)];
  picture.append(
    line(
      [
        [x(0), y(0)],
        [x(mostRows), y(alone * mostRows)],
      ],
      'single',
    ),
    line(
      costs.map(({ size, costMs }): Point => [x(size), y(costMs)]),
      'on',
    ),
  );
  for (const { size, costMs, batches } of costs) {
    const best = size === bestSize;
    const dot = svg('circle', { cx: x(size), cy: y(costMs), r: best ? 5.5 : 3, class: best ? 'on best' : 'on' });
    dot.append(svg('title', {}, `${size} at once: ${costMs.toFixed(1)} ms, of ${batches} runs`));
    picture.append(dot);
  }
  picture.append(
    svg('text', { x: x(0), y: HEIGHT - 6, 'text-anchor': 'middle' }, '0'),
    svg('text', { x: x(mostRows), y: HEIGHT - 6, 'text-anchor': 'end' }, `${mostRows} at once`),
  );
  const told = costs.map(({ size, costMs }) => `${size} in ${costMs.toFixed(1)} ms`).join(', ');
  picture.setAttribute('aria-label', `What a batch costs, as measured: ${told}. The best size is ${bestSize}.`);
}

/** An empty picture with its vertical axis. */
function chart(id: string, most: number, unit: string): HTMLElement {
  const picture = byId(id);
  picture.replaceChildren();
  const y = scaleY(most);
  for (const value of [0, most / 2, most]) {
    picture.append(
      svg('line', { x1: LEFT, x2: WIDTH - RIGHT, y1: y(value), y2: y(value), class: 'axis' }),
      svg('text', { x: LEFT - 6, y: y(value) + 4, 'text-anchor': 'end' }, `${round(value)}${unit}`),
    );
  }
  return picture;
}

function line(points: readonly Point[], kind: string): SVGElement {
  return svg('polyline', { points: points.map((point) => point.join()).join(' '), class: `line ${kind}` });
}

function scaleX(low: number, high: number): (value: number) => number {
  return (value) => LEFT + ((value - low) / (high - low)) * (WIDTH - LEFT - RIGHT);
}

function scaleY(most: number): (value: number) => number {
  return (value) => HEIGHT - BOTTOM - (value / most) * (HEIGHT - BOTTOM - TOP);
}

/** The next of 1, 2, 4, 6, 8 times a power of ten: its half is round too. */
function niceAbove(value: number): number {
  const power = 10 ** Math.floor(Math.log10(Math.max(value, 1e-3)));
  return ([1, 2, 4, 6, 8, 10].find((each) => each * power >= value) as number) * power;
}

function round(value: number): string {
  return String(Number(value.toPrecision(2)));
}
