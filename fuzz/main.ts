// npm run fuzz: packets of all kinds for a device in all states. The same seed makes the same run.
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command, InvalidArgumentError } from 'commander';
import { Coverage, coverageTable } from './coverage.ts';
import { EPOCH_INPUTS, type Failure, run } from './run.ts';
import { savePackets, shrink } from './shrink.ts';

const number = (text: string): number => {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0) throw new InvalidArgumentError('a whole number is wanted');
  return value;
};

interface Flags {
  readonly inputs: number;
  readonly seed: number;
  readonly seconds?: number;
  readonly epoch: number;
  readonly keepGoing: boolean;
  readonly coverage: boolean;
  readonly shrink: number;
}

const flags = new Command('fuzz')
  .description('Gives a device packets, requests and state changes of all kinds, and checks what must always be true.')
  .option('--inputs <n>', 'how many', number, 1_000_000)
  .option('--seed <n>', 'what all chance comes from (default: of the clock)', number, Date.now() % 1_000_000)
  .option('--seconds <n>', 'stop after so long', number)
  .option('--epoch <n>', `begin with this epoch, of ${EPOCH_INPUTS} inputs each`, number, 0)
  .option('--keep-going', 'go on after a failure with the next epoch', false)
  .option('--coverage', 'say which lines of src/transport were reached', false)
  .option('--shrink <seconds>', 'time for making a failing history short', number, 20)
  .parse()
  .opts<Flags>();

const coverage = flags.coverage ? new Coverage() : null;
console.log(`seed ${flags.seed}`);
let shown = 0;
let heapBefore = 0;
const { gc } = globalThis as { gc?: () => void };
const result = run({
  ...flags,
  onProgress: (inputs, seconds) => {
    if (seconds - shown < 10) return;
    shown = seconds;
    console.log(`${inputs} inputs, ${Math.round(inputs / seconds)} a second`);
  },
  onEpoch: (epoch) => {
    // The first epochs warm up; from then on the heap must not grow.
    if (gc === undefined || epoch !== flags.epoch + 9) return;
    gc();
    heapBefore = process.memoryUsage().heapUsed;
  },
});
const { inputs, seconds, slowest, sentPackets, failures } = result;
console.log(
  `${inputs} inputs in ${seconds.toFixed(1)} s (${Math.round(inputs / seconds)} a second); ${sentPackets} packets sent by the device; slowest input ${slowest.toFixed(1)} ms`,
);
if (gc !== undefined && heapBefore > 0) {
  gc();
  console.log(`heap after 10 epochs ${mib(heapBefore)} MiB, now ${mib(process.memoryUsage().heapUsed)} MiB`);
}
if (coverage !== null) console.log(coverageTable(coverage.take('/src/transport/')));
for (const failure of failures) show(failure);
if (failures.length > 0) process.exitCode = 1;

function mib(bytes: number): string {
  return (bytes / 2 ** 20).toFixed(1);
}

function show(failure: Failure): void {
  const { seed, epoch, input, count, error } = failure;
  console.log(`\nFAILED (${count} times): seed ${seed}, epoch ${epoch}, input ${input}\n${error.stack}`);
  if (flags.shrink === 0) return;
  const small = shrink(failure, flags.shrink);
  const file = join(tmpdir(), `fuzz-${seed}-${epoch}-${input}.pcapng`);
  savePackets(file, failure, small.packets);
  console.log(`${small.inputs.length} inputs show it; packets in ${file} (infinitive capture show); the last of them:`);
  console.log(small.log.slice(-40).join('\n'));
  console.log(`again: npm run fuzz -- --seed ${seed} --epoch ${epoch} --inputs ${EPOCH_INPUTS}`);
}
