import { expect, test } from 'vitest';
import { DeviceShare } from '../../src/batching/device-share.ts';
import type { DeviceMember } from '../../src/batching/device-share.ts';
import { DynamicMicroBatcher } from '../../src/batching/dynamic-micro-batcher.ts';
import { createFakeClock } from '../helpers/fake-clock.ts';
import { simulatedAdapter, simulatedModel } from '../helpers/simulated-model.ts';

const member = (): DeviceMember => ({ usedMs: 0, pump: () => undefined });

test('a run that has the device to itself costs what it takes', () => {
  const [device, model] = [new DeviceShare(), member()];
  const begun = device.begin(model, 100);
  expect(device.finish(model, begun, 130)).toBe(30);
  expect(model.usedMs).toBe(30);
});

test('runs that share it cost what is theirs of the time, and together what it was', () => {
  const [device, model] = [new DeviceShare(), member()];
  const first = device.begin(model, 0);
  const second = device.begin(model, 10);
  const costs = [device.finish(model, first, 30), device.finish(model, second, 40)];
  expect(costs).toEqual([10 + 20 / 2, 20 / 2 + 10]);
  expect(costs[0]! + costs[1]!).toBe(40);
});

test('one model’s runs may overlap, unless another waits; two models’ never', () => {
  const [device, one, other] = [new DeviceShare(), member(), member()];
  device.wait(one);
  const begun = device.begin(one, 0);
  expect([device.hasRoomFor(one), device.hasRoomFor(other)]).toEqual([true, false]);
  device.wait(other);
  expect(device.hasRoomFor(one)).toBe(false);
  device.finish(one, begun, 5);
  expect([device.hasRoomFor(one), device.hasRoomFor(other)]).toEqual([true, true]);
});

test('two models on one device get the same time of it, however much one of them asks', async () => {
  const clock = createFakeClock(0);
  const device = new DeviceShare();
  const servedOf = async (name: string, costMs: number, callers: number) => {
    const model = simulatedModel(clock, (rows) => costMs * rows);
    const batcher = new DynamicMicroBatcher({ model, adapter: simulatedAdapter(), clock, device });
    await batcher.start();
    const served = { name, usedMs: 0 };
    for (let i = 0; i < callers; i++) {
      void (async () => {
        while (clock.now() < 10_000) {
          await batcher.infer([i]);
          if (clock.now() < 10_000) served.usedMs += costMs;
        }
      })();
    }
    return served;
  };
  const heavy = await servedOf('heavy', 20, 30);
  const light = await servedOf('light', 5, 4);
  await clock.run(15_000);
  expect(heavy.usedMs + light.usedMs).toBeGreaterThan(9500);
  expect(light.usedMs / heavy.usedMs).toBeGreaterThan(0.9);
  expect(light.usedMs / heavy.usedMs).toBeLessThan(1.1);
});

test('who has waited for nothing has saved nothing up', () => {
  const [device, busy, late] = [new DeviceShare(), member(), member()];
  busy.usedMs = 5000;
  device.wait(busy);
  device.wait(late);
  expect(late.usedMs).toBe(5000);
});

test('nor has one that comes while the others’ requests all run, and none of them waits', async () => {
  const clock = createFakeClock(0);
  const device = new DeviceShare();
  const open = async (costMs: number) => {
    const model = simulatedModel(clock, (rows) => costMs + rows);
    const batcher = new DynamicMicroBatcher({ model, adapter: simulatedAdapter(), clock, device });
    await batcher.start();
    let served = 0;
    const callers = (count: number, untilMs: number): void => {
      for (let i = 0; i < count; i++) {
        void (async () => {
          while (clock.now() < untilMs) {
            await batcher.infer([i]);
            served++;
          }
        })();
      }
    };
    return { callers, served: () => served };
  };
  const [first, second] = [await open(20), await open(20)];
  first.callers(4, 20_000);
  await clock.run(10_000);
  const before = first.served();
  second.callers(40, 20_000);
  await clock.run(2000);
  expect(first.served() - before).toBeGreaterThan(100);
  await clock.run(10_000);
});

test('a model that waited for company does not begin while another has the device', async () => {
  const clock = createFakeClock(0);
  const device = new DeviceShare();
  let running = 0;
  let most = 0;
  const open = async (cost: (rows: number) => number) => {
    const model = simulatedModel(clock, cost);
    const adapter = simulatedAdapter();
    const counted = {
      ...adapter,
      async runInference(_model: unknown, [rows]: readonly unknown[]) {
        most = Math.max(most, ++running);
        try {
          return await model(rows as readonly number[]);
        } finally {
          running--;
        }
      },
    };
    const batcher = new DynamicMicroBatcher({ model, adapter: counted, clock, device });
    await batcher.start();
    return batcher;
  };
  const [one, other] = [await open((rows) => 30 + rows), await open(() => 25)];
  const callers = (batcher: DynamicMicroBatcher, count: number, pauseMs: (i: number) => number): void => {
    for (let i = 0; i < count; i++) {
      void (async () => {
        for (let round = 0; clock.now() < 20_000; round++) {
          await batcher.infer([i]);
          await new Promise<void>((resolve) => clock.after(pauseMs(i + round), resolve));
        }
      })();
    }
  };
  // Now and then one of them does not come back in time: the others have waited for it in vain.
  callers(one, 4, (i) => (i % 9 === 0 ? 50 : 4 + (i % 3)));
  callers(other, 1, (i) => 10 + (i % 40));
  await clock.run(25_000);
  expect(most).toBe(1);
});
