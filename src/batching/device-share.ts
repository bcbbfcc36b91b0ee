/** @module Models that share a device take turns: the one that has used the least of it goes first. */

/** A model that runs on the device. */
export interface DeviceMember {
  /** Milliseconds of the device that it has used, as far as that counts against those who wait beside it. */
  usedMs: number;
  /** Starts what is ready, as far as the device has room. */
  pump(): void;
}

/** Counts the runs on a device, and shares its time out: also to each run what is its own of time that several shared. */
export class DeviceShare {
  /** Whether models of several batchers run on it. */
  readonly isShared: boolean;
  readonly #waiting = new Set<DeviceMember>();
  /** How many runs each model has on it. */
  readonly #runs = new Map<DeviceMember, number>();
  /** Milliseconds of the device, as a run would count them that has been there from the beginning. */
  #sharedMs = 0;
  #at = 0;
  #inFlight = 0;
  /** What the model had used whose run began last: where those stand who take turns. */
  #turnMs = 0;

  constructor({ isShared = false }: { readonly isShared?: boolean | undefined } = {}) {
    this.isShared = isShared;
  }

  /** Whether a model may run: runs of two models at once would be counted against each other, and hold each other up. */
  hasRoomFor(member: DeviceMember): boolean {
    if (this.#inFlight === 0) return true;
    if (this.#runs.get(member) !== this.#inFlight) return false;
    return this.#waiting.size === 0 || (this.#waiting.size === 1 && this.#waiting.has(member));
  }

  /** Requests of a model wait. Who comes anew has saved nothing up: it begins where those stand who take turns. */
  wait(member: DeviceMember): void {
    if (this.#waiting.has(member)) return;
    let least = Infinity;
    for (const { usedMs } of this.#waiting) least = Math.min(least, usedMs);
    member.usedMs = Math.max(member.usedMs, Number.isFinite(least) ? least : this.#turnMs);
    this.#waiting.add(member);
  }

  /** None of its requests waits any more. */
  leave(member: DeviceMember): void {
    this.#waiting.delete(member);
  }

  /** A run begins. Returns what `finish` needs to know of it. */
  begin(member: DeviceMember, now: number): number {
    this.#advance(now);
    this.#inFlight++;
    this.#turnMs = Math.max(this.#turnMs, member.usedMs);
    this.#runs.set(member, (this.#runs.get(member) ?? 0) + 1);
    return this.#sharedMs;
  }

  /** A run ends. Returns its cost in milliseconds: the time it took, each moment divided by the runs that shared it. */
  finish(member: DeviceMember, begunAt: number, now: number): number {
    this.#advance(now);
    this.#inFlight--;
    const left = (this.#runs.get(member) ?? 1) - 1;
    if (left === 0) this.#runs.delete(member);
    else this.#runs.set(member, left);
    const costMs = this.#sharedMs - begunAt;
    member.usedMs += costMs;
    return costMs;
  }

  /** Lets those who wait start, who used least first. */
  next(): void {
    const waiting = [...this.#waiting];
    if (waiting.length > 1) waiting.sort((a, b) => a.usedMs - b.usedMs);
    for (const member of waiting) member.pump();
  }

  #advance(now: number): void {
    if (this.#inFlight > 0) this.#sharedMs += Math.max(0, now - this.#at) / this.#inFlight;
    this.#at = now;
  }
}
