/** The demo page: a search by meaning, embedded in the browser as one types. */

import { listBackends } from 'epochly';
import type { Backend, CallEvent } from 'epochly';
import { SENTENCES } from '../sentences.ts';
import { openEmbedder } from './embedder.ts';
import type { Embedder } from './embedder.ts';
import { cosine, createProjection } from './geometry.ts';
import { epochly, showKept } from './kept.ts';
import { closeLoad, openLoad } from './load-panel.ts';
import { byId } from './dom.ts';
import { addCall, drawHeatMap, drawMap, drawResults } from './views.ts';
import type { Hit } from './views.ts';
import { showWays } from './ways.ts';

const SHOWN = 8;

let embedder: Embedder | undefined;
let vectors: readonly Float32Array[] = [];
let project: ReturnType<typeof createProjection> | undefined;
let typing = new AbortController();
let inFlight = 0;

epochly.onCall((event) => {
  addCall(kindOf(event), event.durationMs);
  const { hits, misses, l2 } = epochly.cache.getStats();
  const kept = l2?.hits ?? 0;
  byId('cache').textContent = `${hits} from memory, ${kept} kept, ${misses - kept} by the model`;
});

function kindOf({ source, error }: CallEvent): Parameters<typeof addCall>[0] {
  if (source === undefined) return (error as Error | undefined)?.name === 'AbortError' ? 'left' : 'failed';
  if (source === 'l2') return 'kept';
  return source === 'model' ? 'model' : 'cache';
}

async function open(backend: Backend | 'auto'): Promise<void> {
  const input = byId<HTMLInputElement>('query');
  const progress = byId<HTMLProgressElement>('progress');
  input.disabled = true;
  byId('error').hidden = true;
  progress.hidden = false;
  try {
    closeLoad();
    await embedder?.model.close();
    embedder = undefined;
    vectors = [];
    embedder = await openEmbedder(backend, ({ loadedBytes, totalBytes, phase }) => {
      progress.value = totalBytes === undefined ? 0 : loadedBytes / totalBytes;
      status(
        phase === 'read'
          ? `Loading the model: ${megabytes(loadedBytes)} of ${megabytes(totalBytes ?? loadedBytes)}`
          : 'Opening the model',
      );
    });
    showBackend(embedder);
    showWays(embedder.model);
    await embedAll(embedder, progress);
    openLoad(embedder);
    await showKept();
    input.disabled = false;
    status('Ready. Type anything.');
    await search(input.value);
    input.focus();
  } catch (error) {
    byId('pictures').hidden = true;
    byId('error').hidden = false;
    byId('reason').textContent = (error as Error).message;
    status('The model could not be opened.');
  } finally {
    progress.hidden = true;
  }
}

async function embedAll({ embed }: Embedder, progress: HTMLProgressElement): Promise<void> {
  const all: Float32Array[] = [];
  for (const sentence of SENTENCES) {
    all.push(await embed(sentence));
    progress.value = all.length / SENTENCES.length;
    status(`Embedding the sentences: ${all.length} of ${SENTENCES.length}`);
  }
  vectors = all;
  byId('pictures').hidden = false;
  project = createProjection(all);
}

/** A newer search makes an older one give up: results never come out of order. */
async function search(text: string): Promise<void> {
  typing.abort(new DOMException('A newer query came.', 'AbortError'));
  typing = new AbortController();
  const { signal } = typing;
  const query = text.trim();
  const map = project;
  if (embedder === undefined || map === undefined) return;
  if (query === '') return show(undefined, []);
  count(+1);
  try {
    const vector = await embedder.embed(query, signal);
    const hits = SENTENCES.map((sentence, index): Hit => ({
      index,
      sentence,
      similarity: cosine(vector, vectors[index] as Float32Array),
    }));
    hits.sort((a, b) => b.similarity - a.similarity);
    show(vector, hits.slice(0, SHOWN));
    await showKept();
  } catch (error) {
    if (!signal.aborted) {
      byId('error').hidden = false;
      byId('reason').textContent = (error as Error).message;
    }
  } finally {
    count(-1);
  }
}

function show(vector: Float32Array | undefined, hits: readonly Hit[]): void {
  const map = project as NonNullable<typeof project>;
  byId('empty').hidden = hits.length > 0;
  drawResults(hits);
  drawMap(vectors.map(map), SENTENCES, vector && map(vector), hits);
  const shown = hits.map(({ index }) => vectors[index] as Float32Array);
  drawHeatMap(
    hits.map(({ sentence }) => sentence),
    shown.map((a) => shown.map((b) => cosine(a, b))),
  );
}

function showBackend({ model }: Embedder): void {
  const { backend, device, host, isFallbackAdapter, runtime, warnings } = model.backendReport;
  const where = host === 'inline' ? 'on the page’s own thread' : 'in a worker';
  byId('backend').textContent = `${backend}${isFallbackAdapter ? ' (emulated in software)' : ''} ${where}`;
  byId('runtime').textContent = [runtime, device].filter(Boolean).join(', ');
  const list = byId('warnings');
  list.replaceChildren(
    ...warnings.map((warning) => {
      const item = document.createElement('li');
      item.textContent = warning;
      return item;
    }),
  );
}

function count(change: number): void {
  inFlight += change;
  byId('flight').textContent = String(inFlight);
}

function status(text: string): void {
  byId('status').textContent = text;
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

async function offerBackends(select: HTMLSelectElement): Promise<void> {
  const backends = await listBackends();
  for (const { backend, isFallbackAdapter } of backends.filter(
    (each) => each.available && ['webgpu', 'wasm'].includes(each.backend),
  )) {
    select.append(new Option(isFallbackAdapter ? `${backend} (emulated in software: slow)` : backend, backend));
  }
  select.addEventListener('change', () => void open(select.value as Backend | 'auto'));
}

/** `/` goes to the search box; the arrow keys walk through the results. */
function handleKeys(event: KeyboardEvent): void {
  const input = byId('query');
  const items = [input, ...byId('results').children] as HTMLElement[];
  const at = items.indexOf(document.activeElement as HTMLElement);
  if (event.key === '/' && at !== 0) {
    event.preventDefault();
    input.focus();
  } else if ((event.key === 'ArrowDown' || event.key === 'ArrowUp') && at >= 0) {
    const next = items[at + (event.key === 'ArrowDown' ? 1 : -1)];
    if (next === undefined) return;
    event.preventDefault();
    next.focus();
  }
}

byId<HTMLInputElement>('query').addEventListener(
  'input',
  (event) => void search((event.target as HTMLInputElement).value),
);
byId('retry').addEventListener('click', () => void open(byId<HTMLSelectElement>('choose').value as Backend | 'auto'));
document.addEventListener('keydown', handleKeys);
void offerBackends(byId<HTMLSelectElement>('choose'));
void open('auto');
