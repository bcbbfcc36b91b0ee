/** @module Failures that come again and again, written to the console: the first at once, then one a minute at most. */

import type { Clock } from '../platform.ts';

const QUIET_MS = 60_000;

export class RareWarnings {
  readonly #clock: Pick<Clock, 'now'>;
  readonly #subjects = new Map<string, { readonly quietUntil: number; held: number }>();

  constructor(clock: Pick<Clock, 'now'>) {
    this.#clock = clock;
  }

  /** `subject`: what failed, one of few; each is quiet for itself. */
  warn(subject: string, message: string): void {
    const now = this.#clock.now();
    const last = this.#subjects.get(subject);
    if (last !== undefined && now < last.quietUntil) {
      last.held++;
      return;
    }
    const more = last === undefined || last.held === 0 ? '' : ` (And ${last.held} times since it was last said.)`;
    this.#subjects.set(subject, { quietUntil: now + QUIET_MS, held: 0 });
    console.warn(`epochly: ${message}${more}`);
  }
}

/** What an error says, without what a URL says of who may enter. */
export function reasonOf(error: unknown, url = ''): string {
  let reason = error instanceof Error ? error.message : String(error);
  for (const secret of secretsOf(url)) reason = reason.replaceAll(secret, '…');
  return reason.replace(/\/\/\S*@/g, '//…@');
}

/** The password as it stands in the URL, and as it is sent. */
function secretsOf(url: string): readonly string[] {
  const user = /^[^:]*:\/\/([^/?#]*)@/.exec(url)?.[1] ?? '';
  const password = user.includes(':') ? user.slice(user.indexOf(':') + 1) : '';
  if (password === '') return [];
  try {
    return [password, decodeURIComponent(password)];
  } catch {
    return [password];
  }
}
