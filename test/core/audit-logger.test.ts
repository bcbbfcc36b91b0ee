import * as fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { Emitter } from '../../src/events.ts';
import { AuditLogger } from '../../src/privacy/audit-logger.ts';
import type { AuditEntry } from '../../src/privacy/audit-entry.ts';
import type { AuditEvent, AuditSink } from '../../src/privacy/audit-logger.ts';
import { InputRedactor } from '../../src/privacy/input-redactor.ts';
import { createFakeClock } from '../helpers/fake-clock.ts';

const event: AuditEvent = { operation: 'gate', modelId: 1, result: 'allowed' };

describe('entries', () => {
  test('are spelled as the reference spells them, with the time in seconds', () => {
    const logger = new AuditLogger({ clock: createFakeClock(500) });
    logger.logEvent({ ...event, optimizationName: 'batching', details: { p95_ms: 3 } });
    expect(logger.getEntries()).toEqual([
      {
        timestamp: 1_700_000_000.5,
        operation: 'gate',
        model_id: 1,
        optimization_name: 'batching',
        result: 'allowed',
        details: { p95_ms: 3 },
      },
    ]);
    logger.logEvent({ ...event, modelId: 'bert' });
    expect(logger.getEntries()[1]).toMatchObject({ model_id: 'bert', optimization_name: '', details: {} });
    expect(logger.count).toBe(2);
  });

  test('are frozen copies, in a list of the caller’s own', () => {
    const logger = new AuditLogger();
    const details = { list: [{ a: 1 }] };
    logger.logEvent({ ...event, details });
    (details.list[0] as { a: number }).a = 2;
    const entries = logger.getEntries();
    const [entry] = entries as [AuditEntry];
    expect(entry.details).toEqual({ list: [{ a: 1 }] });
    const { list } = entry.details as { list: { a: number }[] };
    expect([entry, entry.details, list, list[0]].every(Object.isFrozen)).toBe(true);
    entries.length = 0;
    expect(logger.getEntries()).toEqual([entry]);
  });

  test('the oldest go when there are too many', () => {
    const logger = new AuditLogger({ maxEntries: 3 });
    const ids = (): (number | string)[] => logger.getEntries().map(({ model_id }) => model_id);
    for (let i = 0; i < 8; i++) {
      logger.logEvent({ ...event, modelId: i });
      expect(ids()).toEqual([i - 2, i - 1, i].filter((id) => id >= 0));
      expect(logger.count).toBe(Math.min(i + 1, 3));
    }
    expect(new AuditLogger({ maxEntries: 1 }).count).toBe(0);
    for (const maxEntries of [0, -1, 1.5, NaN, Infinity])
      expect(() => new AuditLogger({ maxEntries }), String(maxEntries)).toThrow(RangeError);
  });

  test('since a time are those of that time and later, also where the clock was set back', () => {
    let now = 0;
    const logger = new AuditLogger({ clock: { epochNow: () => now } });
    for (now of [10_000, 20_000, 15_000, 30_000]) logger.logEvent({ ...event, modelId: now });
    expect(logger.getEntriesSince(15).map(({ model_id }) => model_id)).toEqual([20_000, 15_000, 30_000]);
    expect(logger.getEntriesSince(15.001)).toHaveLength(2);
    expect(logger.getEntriesSince(31)).toEqual([]);
  });
});

describe('details', () => {
  const detailsOf = (details: unknown): unknown => {
    const logger = new AuditLogger();
    logger.logEvent({ ...event, details: details as Record<string, unknown> });
    return logger.getEntries()[0]?.details;
  };

  test('become plain data, whatever they are', () => {
    class Model {
      readonly weights = 1;
    }
    const given = {
      big: 7n,
      nan: NaN,
      none: null,
      missing: undefined,
      gap: [1, undefined],
      error: new RangeError('x'),
      when: new Date(0),
      tensor: new Float32Array(3),
      model: new Model(),
      callable: () => 1,
      symbol: Symbol('s'),
      map: new Map(),
      yes: true,
    };
    expect(detailsOf(given)).toEqual({
      big: '7',
      nan: 'NaN',
      none: null,
      gap: [1, null],
      error: 'RangeError: x',
      when: '1970-01-01T00:00:00.000Z',
      tensor: '[object Float32Array]',
      model: '[object Object]',
      callable: '[object Function]',
      symbol: 'Symbol(s)',
      map: '[object Map]',
      yes: true,
    });
  });

  test('that cannot be read, or never end, fail nobody and fill no memory', () => {
    const cyclic: Record<string, unknown> = { text: 'x'.repeat(5000) };
    cyclic['self'] = cyclic;
    const unreadable = {
      get a() {
        throw new Error('x');
      },
      b: 1,
    };
    expect(detailsOf(unreadable)).toEqual({ a: 'unreadable', b: 1 });
    expect(JSON.stringify(detailsOf(cyclic)).length).toBeLessThan(20_000);
    expect(JSON.stringify(detailsOf({ wide: Array.from({ length: 100_000 }, () => 'y') })).length).toBeLessThan(10_000);
    const bomb = (depth: number): unknown => (depth === 0 ? 1 : Array.from({ length: 20 }, () => bomb(depth - 1)));
    expect(JSON.stringify(detailsOf({ bomb: bomb(4) })).length).toBeLessThan(50_000);
    const revoked = Proxy.revocable({}, {});
    revoked.revoke();
    expect(detailsOf(revoked.proxy)).toEqual({});
    expect(detailsOf({ revoked: revoked.proxy })).toEqual({ revoked: 'unreadable' });
  });

  test('whatever they are, they survive JSON', () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.string(), fc.anything({ withBigInt: true, withTypedArray: true, withMap: true })),
        (details) => {
          const copy = detailsOf(details);
          expect(Object.isFrozen(copy)).toBe(true);
          const again = JSON.stringify(JSON.parse(JSON.stringify(copy)));
          expect(again).toBe(JSON.stringify(copy));
        },
      ),
    );
  });

  test('are redacted before they are kept or written', () => {
    const written: AuditEntry[] = [];
    const logger = new AuditLogger({
      redactor: new InputRedactor({ builtIns: ['email'] }),
      sink: { write: (entry) => void written.push(entry) },
    });
    logger.logEvent({ ...event, details: { asked: ['by ann@example.com'] } });
    expect(logger.getEntries()[0]?.details).toEqual({ asked: ['by [REDACTED]'] });
    expect(written).toEqual(logger.getEntries());
    expect(Object.isFrozen(written[0]?.details['asked'])).toBe(true);
  });
});

describe('a sink', () => {
  test('is given each entry, in order', async () => {
    const written: AuditEntry[] = [];
    const logger = new AuditLogger({ maxEntries: 1, sink: { write: (entry) => void written.push(entry) } });
    for (let i = 0; i < 3; i++) logger.logEvent({ ...event, modelId: i });
    expect(written.map(({ model_id }) => model_id)).toEqual([0, 1, 2]);
    await logger.flush();
  });

  test('that fails, now or later, fails nobody: it is counted and told', async () => {
    const told: unknown[] = [];
    const later = new Emitter<unknown>();
    const sink: AuditSink = {
      write: vi
        .fn<AuditSink['write']>()
        .mockImplementationOnce(() => {
          throw new Error('at once');
        })
        .mockRejectedValueOnce(new Error('later')),
      onError: later.event,
      flush: () => Promise.reject(new Error('flush')),
      close: () => {
        throw new Error('close');
      },
    };
    const logger = new AuditLogger({ sink });
    logger.onSinkError(({ error }) => told.push((error as Error).message));
    logger.logEvent(event);
    logger.logEvent(event);
    later.emit(new Error('behind'));
    await logger.flush();
    await logger.close();
    expect(told).toEqual(['at once', 'behind', 'later', 'flush', 'flush', 'close']);
    expect(logger.sinkErrors).toBe(6);
    expect(logger.count).toBe(2);
  });

  test('a listener that logs the failure does not begin a circle', () => {
    const logger = new AuditLogger({
      sink: {
        write: () => {
          throw new Error('full');
        },
      },
    });
    logger.onSinkError(() => logger.logEvent({ ...event, operation: 'sink_failed' }));
    logger.logEvent(event);
    expect(logger.count).toBe(2);
    expect(logger.sinkErrors).toBe(2);
  });

  test('is closed once; what is logged later is kept in memory alone', async () => {
    const sink = { write: vi.fn<() => void>(), close: vi.fn<() => void>() };
    const logger = new AuditLogger({ sink });
    await logger.close();
    await logger.close();
    logger.logEvent(event);
    expect(sink.close).toHaveBeenCalledOnce();
    expect(sink.write).not.toHaveBeenCalled();
    expect(logger.count).toBe(1);
  });

  test('flush waits for what is being written', async () => {
    let finish!: () => void;
    const logger = new AuditLogger({ sink: { write: () => new Promise((resolve) => (finish = resolve)) } });
    logger.logEvent(event);
    let flushed = false;
    const flushing = logger.flush().then(() => (flushed = true));
    await Promise.resolve();
    expect(flushed).toBe(false);
    finish();
    await flushing;
  });

  test('what is kept in memory alone cannot be verified', async () => {
    await expect(new AuditLogger().verify()).rejects.toMatchObject({ code: 'UNSUPPORTED_OPERATION' });
    const report = { intact: true, faults: [], chains: [], entries: 0, lostEntries: 0 };
    const sink: AuditSink = { write: () => undefined, verify: () => Promise.resolve(report) };
    await expect(new AuditLogger({ sink }).verify()).resolves.toBe(report);
  });
});
