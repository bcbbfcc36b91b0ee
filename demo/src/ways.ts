/** The ways of running the model that were tried: how long each takes beside the reference, and what came of it. */

import type { LoadedModel, SearchReport, Verdict } from 'epochly';
import { byId } from './dom.ts';

/** The reference's time in the picture, as a share of the width: what is twice as slow fills it. */
const REFERENCE_SHARE = 0.5;
const REFRESH_MS = 500;

let timer: ReturnType<typeof setInterval> | undefined;

/** Shows the search of a model, and what follows, until another model is shown. */
export function showWays(model: LoadedModel): void {
  clearInterval(timer);
  draw(model);
  timer = setInterval(() => draw(model), REFRESH_MS);
}

let drawn = '';

function draw({ backendReport: { search, backend } }: LoadedModel): void {
  byId('ways').hidden = search === undefined;
  const now = JSON.stringify(search);
  if (search === undefined || now === drawn) return;
  drawn = now;
  byId('ways-state').textContent = inWords(search, backend);
  byId('ways-list').replaceChildren(...search.verdicts.map((verdict) => row(verdict, search)));
  byId('ways-scale').hidden = !search.verdicts.some(({ timings }) => timings.length > 0);
}

function inWords({ state, reason, chosen, gate }: SearchReport, reference: string): string {
  if (state === 'waiting')
    return `The reference (${reference}) answers. A search for faster ways begins with the next calls.`;
  if (state === 'searching') return `The reference (${reference}) answers, while other ways are tried beside it.`;
  if (chosen === undefined) return `The reference (${reference}) answers all calls. ${reason ?? ''}`;
  const compared = gate === undefined ? '' : `${gate.compared} of its answers were compared, and right.`;
  return `${chosen} was chosen. ${trustIn(gate, reference)} ${compared}`;
}

/** How far the way that was chosen came. */
function trustIn(gate: SearchReport['gate'], reference: string): string {
  switch (gate?.state) {
    case 'on':
      return `It answers what it was proven on; a sample of its answers is compared with those of the reference (${reference}).`;
    case 'staged':
      return `It answers ${gate.share * 100} % of the calls, and each of its answers is compared.`;
    case 'recovering':
    case 'off':
      return `The reference (${reference}) answers: ${gate.reason}`;
    default:
      return `It is asked beside the reference (${reference}) before it answers anybody.`;
  }
}

function row(verdict: Verdict, { chosen, gate }: SearchReport): HTMLLIElement {
  const { candidate, passed, reason, timings } = verdict;
  const share = shareOf(verdict);
  const outcome = candidate === chosen ? 'chosen' : passed ? 'right' : 'refused';
  const item = document.createElement('li');
  item.className = `way ${outcome}`;
  const name = part('way-name', candidate);
  const bar = part('way-bar', '');
  bar.style.setProperty('--share', `${Math.min(1, (share ?? 0) * REFERENCE_SHARE) * 100}%`);
  const took = timings.map(({ runMs, referenceMs }) => `${round(runMs)} ms beside ${round(referenceMs)} ms`).join('; ');
  const told = {
    chosen: `${gate?.state === 'on' ? 'In use' : 'Chosen'}: ${took}`,
    right: `The same answers, and not fast enough to be worth it: ${took}`,
    refused: `Refused. ${reason ?? ''}`,
  }[outcome];
  item.append(name, bar, part('way-told', told));
  return item;
}

/** Its time as a share of the reference's, over the shapes that were timed; undefined where none was. */
function shareOf({ timings }: Verdict): number | undefined {
  if (timings.length === 0) return undefined;
  const sum = (of: 'runMs' | 'referenceMs'): number => timings.reduce((total, each) => total + each[of], 0);
  return sum('runMs') / sum('referenceMs');
}

function part(className: string, text: string): HTMLSpanElement {
  const element = document.createElement('span');
  element.className = className;
  element.textContent = text;
  return element;
}

function round(ms: number): string {
  return ms.toFixed(ms < 10 ? 1 : 0);
}
