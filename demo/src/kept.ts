/** What the page keeps: answers, sealed in this browser, which survive a reload; and a button that forgets them. */

import { createEpochly } from 'epochly';
import { byId } from './dom.ts';

export const epochly = createEpochly({ config: { privacy: { mode: 'persisted_encrypted' } } });

/** Says how much is kept. */
export async function showKept(): Promise<void> {
  await epochly.cache.flush();
  const { l2 } = await epochly.cache.getUsage();
  byId('kept').textContent =
    l2 === undefined
      ? 'nothing: this browser has no place for it here'
      : `${l2.entries} answers, ${kilobytes(l2.bytes)}, sealed`;
  byId('forget').hidden = l2 === undefined;
  byId<HTMLButtonElement>('forget').disabled = l2?.entries === 0;
}

async function forget(): Promise<void> {
  byId<HTMLButtonElement>('forget').disabled = true;
  try {
    await epochly.cache.invalidateTenant('default');
    await showKept();
  } catch (error) {
    byId('kept').textContent = `could not be forgotten: ${(error as Error).message}`;
    byId<HTMLButtonElement>('forget').disabled = false;
  }
}

function kilobytes(bytes: number): string {
  return bytes < 1000 ? `${bytes} bytes` : `${(bytes / 1000).toFixed(0)} kB`;
}

byId('forget').addEventListener('click', () => void forget());
