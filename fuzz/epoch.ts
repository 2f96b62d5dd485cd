// One life of a world: a number of inputs from a seed, then all is stopped and nothing may be left.
import { VerbsError } from '../src/core/errors.ts';
import { checkEngine, checkNotStuck, checkQp, checkWork, insides } from './oracles.ts';
import { Packets } from './packets.ts';
import { Program } from './program.ts';
import { States } from './states.ts';
import { violated } from './violation.ts';
import { World } from './world.ts';

const CONNECT_FIRST = 40;

export class Epoch {
  readonly world: World;
  private readonly program: Program;
  private readonly states: States;
  private readonly seed: number;
  private readonly number: number;
  /** Each kind of input, and how likely it is in an ordinary, a calm and a hostile epoch. */
  private readonly inputs: readonly (readonly [weights: readonly number[], run: () => string])[];
  private readonly weights: readonly number[];

  constructor(seed: number, number: number, corpus: readonly Buffer[]) {
    this.seed = seed;
    this.number = number;
    this.world = new World(corpus);
    const { world } = this;
    world.rxe.engine.announceCredits = number % 2 === 1;
    const packets = new Packets(world);
    const program = new Program(world);
    const states = new States(world);
    this.program = program;
    this.states = states;
    this.inputs = [
      [[350, 600, 300], () => packets.returnOwn()],
      [[150, 40, 200], () => packets.mutated()],
      [[250, 50, 350], () => packets.shaped()],
      [[30, 5, 40], () => packets.noise()],
      [[140, 220, 120], () => program.postSend()],
      [[50, 70, 40], () => program.postRecv()],
      [[25, 25, 25], () => program.pollOne()],
      [[10, 20, 5], () => program.pollAll()],
      [[8, 4, 8], () => program.memory()],
      [[4, 0, 20], () => program.scribble()],
      [[3, 2, 3], () => program.rarely()],
      [[15, 15, 15], () => this.wait()],
      [[10, 10, 10], () => this.congest()],
      [[10, 3, 10], () => states.step()],
      [[2, 1, 2], () => states.connect()],
      [[5, 3, 5], () => states.drain()],
      [[35, 20, 35], () => states.revive()],
      [[1, 1, 1], () => states.replaceAny()],
    ];
    this.weights = this.inputs.map(([weights]) => weights[number % weights.length]);
  }

  /** Input `index` of this epoch; throws what went wrong. */
  step(index: number): void {
    const { world } = this;
    const { dice } = world;
    dice.seed(this.seed, this.number, index);
    const kind = index < CONNECT_FIRST ? 14 : dice.weighted(this.weights);
    let what = '';
    try {
      what = this.inputs[kind][1]();
    } catch (error) {
      if (!(error instanceof VerbsError)) throw error;
      what = `refused: ${error.message}`;
    }
    world.log?.push(`${index} at ${world.now}: ${what}`);
    world.rxe.engine.progress();
    checkWork(world);
    const { slots } = world;
    checkQp(slots[index % slots.length]);
    checkNotStuck(slots[index % slots.length]);
    if ((index & 15) === 0) this.checkAll();
  }

  private checkAll(): void {
    const { world } = this;
    for (const slot of world.slots) checkQp(slot);
    checkEngine(world);
    world.arena.check();
  }

  private wait(): string {
    const { world } = this;
    const { dice } = world;
    const due = world.rxe.engine.nextDeadline;
    const step = dice.pick([0, 1, 5, 50, 1000, 100000]);
    world.now += due !== Number.POSITIVE_INFINITY && dice.chance(0.4) ? Math.max(0, due - world.now) : step;
    return 'wait';
  }

  private congest(): string {
    const { dice, link } = this.world;
    if (dice.chance(0.5)) link.room = dice.below(8);
    else link.stuck = dice.range(1, 4);
    return 'congestion';
  }

  /** Stops everything. */
  finish(): void {
    const { world } = this;
    const { engine } = world.rxe;
    world.link.stuck = 0;
    world.link.room = Number.POSITIVE_INFINITY;
    this.checkAll();
    this.states.stopAll();
    for (let i = 0; i < 4; i++) engine.progress();
    this.checkAll();
    const { active, acks, timers } = insides(engine);
    if (active.length + acks.length + timers.heap.length > 0)
      violated('not idle when all queue pairs are in ERR', `${active.length} ${acks.length} ${timers.heap.length}`);
    if (!engine.idle || engine.nextDeadline !== Number.POSITIVE_INFINITY) violated('not idle', 'at the end');
    for (let i = 0; i < 4; i++) this.program.pollAll();
    const { device } = world.rxe;
    world.close();
    if (engine.qps.size > 0 || engine.ahs.size > 0)
      violated('left behind', `${engine.qps.size} QPs, ${engine.ahs.size} AHs`);
    if (device.keys.size > 0) violated('left behind', `${device.keys.size} keys`);
    for (const [kind, count] of Object.entries(device.counts))
      if (count !== 0) violated('left behind', `${count} ${kind}`);
    if (world.link.groups.length > 0) violated('left behind', `groups ${world.link.groups}`);
  }
}
