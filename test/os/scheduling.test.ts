import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Courtesy } from '../../src/os/scheduling.ts';

/** A CPU whose yields take `takes` milliseconds, and what was done on it. */
class Cpu {
  takes = 0.001;
  time = 1000;
  yields = 0;
  naps = 0;
  readonly giveWay: (() => void) | null;

  constructor(canYield = true) {
    this.giveWay = canYield
      ? () => {
          this.yields++;
          this.time += this.takes;
        }
      : null;
  }

  nap(ms: number): void {
    this.naps++;
    this.time += ms;
  }

  now(): number {
    return this.time;
  }
}

function look(courtesy: Courtesy, times: number, found = false): void {
  for (let i = 0; i < times; i++) courtesy.looked(found);
}

test('who finds nothing yields after 32 looks; who finds something goes on', () => {
  const cpu = new Cpu();
  const courtesy = new Courtesy(cpu);
  look(courtesy, 31);
  look(courtesy, 1, true);
  look(courtesy, 31);
  assert.equal(cpu.yields, 0);
  look(courtesy, 1);
  assert.equal(cpu.yields, 1);
  look(courtesy, 320);
  assert.deepEqual([cpu.yields, cpu.naps], [11, 0]);
});

test('who was kept waiting naps for 10 ms, when nothing has come for 0.1 ms, and then yields again', () => {
  const cpu = new Cpu();
  const courtesy = new Courtesy(cpu);
  cpu.takes = 3;
  look(courtesy, 32);
  assert.equal(cpu.yields, 1);
  look(courtesy, 1, true);
  look(courtesy, 32);
  assert.deepEqual([cpu.yields, cpu.naps], [1, 0], 'something has just come');
  cpu.time += 0.2;
  look(courtesy, 3 * 32);
  assert.deepEqual([cpu.yields, cpu.naps], [1, 3]);
  cpu.time += 10;
  look(courtesy, 32);
  assert.deepEqual([cpu.yields, cpu.naps], [2, 3]);
});

test('without sched_yield there are naps', () => {
  const cpu = new Cpu(false);
  const courtesy = new Courtesy(cpu);
  look(courtesy, 32);
  cpu.time += 0.2;
  look(courtesy, 64);
  assert.equal(cpu.naps, 2);
});

test('this machine has it', () => {
  look(new Courtesy(), 1000);
});
