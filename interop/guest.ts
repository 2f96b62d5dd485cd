// A guest: QEMU with an emulated CPU, Debian's kernel and rdma_rxe, and an agent that runs commands in it.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Image } from './image/build.ts';
import { type CpioEntry, cpioArchive, S_IFREG } from './image/cpio.ts';
import { addTaps, controlOf, setHostMtu } from './namespace.ts';

const AGENT_PORT = 2323;
const BOOT_SECONDS = 120;
const LINK_MTU = { 1024: 1500, 4096: 4200 } as const;
export type PathMtu = keyof typeof LINK_MTU;

export interface Ran {
  readonly status: number;
  /** Standard output and error. */
  readonly output: string;
}

export interface Hardware {
  readonly cpus: number;
  /** MB. */
  readonly memory: number;
  /** Programs beyond those of the image: a cpio archive. */
  readonly extra?: Buffer;
}

const HARDWARE: Hardware = { cpus: 1, memory: 512 };

/** Our own programs for the guest, compiled, and its init: an archive to be put behind the image's. */
export function ownPrograms(folder: string): Buffer {
  const source = (name: string): string => new URL(`guest/${name}`, import.meta.url).pathname;
  const entry = (path: string, file: string): CpioEntry => ({ path, mode: S_IFREG | 0o755, data: readFileSync(file) });
  const compiled = [['agent'], ['forge'], ['peer', '-libverbs']].map(([name, ...libraries]) => {
    const file = join(folder, name);
    execFileSync('gcc', ['-O2', '-Wall', '-Werror', '-o', file, source(`${name}.c`), ...libraries]);
    return entry(`usr/bin/${name}`, file);
  });
  return cpioArchive([entry('init', source('init.sh')), ...compiled]);
}

/** The peer that was compiled for guest 1; it runs on this machine, too. */
export const compiledPeer = (folder: string): string => join(folder, 'guest1', 'peer');

export class Guest {
  readonly n: number;
  private readonly process: ChildProcess;
  private readonly console: string;
  private mtu: PathMtu = 1024;

  private constructor(n: number, process: ChildProcess, console: string) {
    this.n = n;
    this.process = process;
    this.console = console;
  }

  /** Boots guest `n`, 1 or 2; `folder` is for its console's output and the like. */
  static async boot(n: number, image: Image, folder: string, hardware = HARDWARE): Promise<Guest> {
    const own = join(folder, `guest${n}`);
    mkdirSync(own, { recursive: true });
    const initrd = join(own, 'initrd');
    writeFileSync(
      initrd,
      Buffer.concat([readFileSync(image.initrd), ownPrograms(own), hardware.extra ?? Buffer.alloc(0)]),
    );
    addTaps(n);
    const console = join(own, 'console.log');
    const nic = (kind: string, mac: number): string[] => [
      ...['-netdev', `tap,id=${kind},ifname=${kind}-${n},script=no,downscript=no`],
      // Without offloads what tcpdump shows is what a cable would carry.
      '-device',
      `virtio-net-pci,netdev=${kind},romfile=,mac=52:54:00:77:0${mac}:0${n},csum=off,guest_csum=off,gso=off,mrg_rxbuf=on`,
    ];
    const append = [
      'console=ttyS0 quiet mitigations=off nokaslr no_timer_check tsc=reliable panic=-1 net.ifnames=0 rdinit=/init',
      `interop.n=${n} interop.mtu=${LINK_MTU[1024]}`,
    ].join(' ');
    const log = openSync(join(own, 'qemu.log'), 'w');
    const args = [
      ...['-M', 'q35', '-accel', 'tcg', '-cpu', 'max', '-nodefaults', '-no-user-config'],
      ...['-smp', String(hardware.cpus), '-m', String(hardware.memory)],
      ...['-display', 'none', '-no-reboot', '-serial', `file:${console}`],
      ...['-kernel', image.kernel, '-initrd', initrd, '-append', append],
      ...nic('data', 0),
      ...nic('control', 1),
      ...['-device', 'virtio-rng-pci'],
    ];
    // The programs under test and others on the machine come first.
    const qemu = spawn('nice', ['-n', '10', 'qemu-system-x86_64', ...args], { stdio: ['ignore', log, log] });
    closeSync(log);
    const guest = new Guest(n, qemu, console);
    try {
      await guest.ready();
    } catch (error) {
      await guest.stop();
      throw error;
    }
    return guest;
  }

  private async ready(): Promise<void> {
    const end = performance.now() + BOOT_SECONDS * 1000;
    for (;;) {
      if (this.process.exitCode !== null || performance.now() > end) {
        throw new Error(`guest ${this.n} did not boot: ${this.log().slice(-2000)}`);
      }
      try {
        // The last of the GIDs (link-local, IPv4, IPv6) comes a little after the device.
        const { output } = await this.exec('cat /sys/class/infiniband/rxe0/ports/1/gids/2', 20);
        if (output.startsWith('fd77:')) return;
      } catch {
        // It does not listen yet.
      }
      await sleep(100);
    }
  }

  get alive(): boolean {
    return this.process.exitCode === null && this.process.signalCode === null;
  }

  /** What it wrote on its console, the kernel's messages among it. */
  log(): string {
    try {
      return readFileSync(this.console, 'utf8');
    } catch {
      return '';
    }
  }

  /** A connection that is the standard input and output of a command. */
  async spawn(command: string): Promise<Socket> {
    const socket = connect({ host: controlOf(this.n), port: AGENT_PORT, noDelay: true });
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
      socket.setTimeout(5000, () => socket.destroy(new Error(`guest ${this.n} does not answer`)));
    });
    socket.setTimeout(0);
    socket.write(`${command.replaceAll('\n', ' ')}\n`);
    return socket;
  }

  /** Runs a command to its end; it is killed after `seconds`, and its status is then 143. */
  async exec(command: string, seconds = 30): Promise<Ran> {
    const quoted = `'${command.replaceAll("'", "'\\''")}'`;
    const socket = await this.spawn(`timeout ${seconds} sh -c ${quoted} </dev/null 2>&1; echo "status=$?"`);
    const output = await text(socket);
    const match = /status=(\d+)\n$/.exec(output);
    if (match === null) throw new Error(`guest ${this.n} broke off "${command}": ${output}`);
    return { status: Number(match[1]), output: output.slice(0, match.index) };
  }

  /** Like exec; a failure is an error. */
  async must(command: string, seconds?: number): Promise<string> {
    const { status, output } = await this.exec(command, seconds);
    if (status !== 0) throw new Error(`guest ${this.n}: "${command}" ended with ${status}: ${output}`);
    return output;
  }

  /** Gives all guests and the host the link MTU of a path MTU. */
  static async setMtu(guests: readonly Guest[], mtu: PathMtu): Promise<void> {
    if (guests.every((guest) => guest.mtu === mtu)) return;
    setHostMtu(
      guests.map(({ n }) => n),
      LINK_MTU[mtu],
    );
    for (const guest of guests) {
      await guest.must(`/usr/bin/ip link set eth0 mtu ${LINK_MTU[mtu]}`);
      guest.mtu = mtu;
    }
  }

  /** `rdma statistic` of rxe0. */
  async statistics(): Promise<Record<string, number>> {
    const output = await this.must('cd /sys/class/infiniband/rxe0/ports/1/hw_counters && grep . *');
    return Object.fromEntries(
      [...output.matchAll(/^(\w+):(\d+)$/gm)].map(([, name, value]) => [name, Number(value)] as const),
    );
  }

  async stop(): Promise<void> {
    if (!this.alive) return;
    const ended = new Promise((resolve) => this.process.once('exit', resolve));
    this.process.kill('SIGKILL');
    await ended;
  }
}
