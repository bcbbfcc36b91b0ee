import { expect, test } from 'vitest';
import { Emitter } from '../../src/events.ts';
import { HangWatch } from '../../src/host/hang-watch.ts';
import type { HostClient, HostTurn } from '../../src/host/host-client.ts';
import type { HostError } from '../../src/model-errors.ts';
import { createFakeClock } from '../helpers/fake-clock.ts';

/** A host, seen from outside: its caller has left the run that it is at. */
function createLeft() {
  const clock = createFakeClock();
  const held = { ms: 0 };
  const turns = new Emitter<HostTurn>();
  const failures: HostError[] = [];
  const client = {
    channel: { killable: true },
    onTurn: turns.event,
    abandoned: 1,
    fail: (e: HostError) => failures.push(e),
  };
  new HangWatch({ ...clock, now: () => clock.now() + held.ms }).watch(client as unknown as HostClient);
  turns.emit({});
  return { clock, held, failures };
}

test('a run that its caller left long ago hangs', () => {
  const { clock, failures } = createLeft();
  clock.advance(9999);
  expect(failures).toHaveLength(0);
  clock.advance(1);
  expect(failures).toHaveLength(1);
});

test('but not one that stood still with the machine', () => {
  const { clock, held, failures } = createLeft();
  held.ms = 3_600_000;
  clock.advance(19_999);
  expect(failures).toHaveLength(0);
  clock.advance(1);
  expect(failures).toHaveLength(1);
});
