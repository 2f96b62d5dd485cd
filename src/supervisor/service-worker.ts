// The service thread: the device, its engine, and the answers to the programs' calls.
import { writeSync } from 'node:fs';
import { parentPort } from 'node:worker_threads';
import { type AssembleOptions, assemble } from '../api/assemble.ts';
import { listResources, type ResourceEntry } from '../core/resources.ts';
import { monotonic } from '../link/clock.ts';
import { Epoll } from '../os/epoll.ts';
import { EventFd } from '../os/eventfd.ts';
import { askForShortTurns } from '../os/scheduling.ts';
import { SeccompListener } from '../os/seccomp.ts';
import { leaveSignalsToOthers } from '../os/signals.ts';
import { syscallTable } from '../os/syscalls.ts';
import { makeDevices } from './devices.ts';
import { messageOf } from './errors.ts';
import type { FdRange } from './fd-range.ts';
import { OpenFiles } from './open-files.ts';
import { Programs } from './programs.ts';
import { ProgramWatch, Service } from './service.ts';
import { Traps } from './traps.ts';

export interface ServiceData {
  readonly device: AssembleOptions;
  /** An empty directory, for the tree of files. */
  readonly root: string;
  readonly trace: boolean;
}

/** What a run tells about itself when asked; control.ts adds what the main thread knows. */
export interface ServiceSnapshot {
  readonly device: string;
  readonly netdev: string;
  readonly addresses: readonly string[];
  readonly contexts: readonly { readonly id: number; readonly pid: number; readonly command: string }[];
  readonly resources: readonly ResourceEntry[];
  readonly counters: Readonly<Record<string, number>>;
}

export type ServiceRequest =
  /** The first. */
  | { readonly kind: 'open'; readonly data: ServiceData }
  | { readonly kind: 'listen'; readonly listener: number; readonly range: FdRange }
  | { readonly kind: 'snapshot'; readonly id: number }
  /** The time of a timed event of the fail rules has come, by its index. */
  | { readonly kind: 'raise'; readonly index: number }
  | { readonly kind: 'stop' };

/** `ready`: the device is there, and events shall be raised after so many seconds; requests may follow, and after each the control descriptor is signalled. */
export type ServiceMessage =
  | { readonly kind: 'ready'; readonly control: number; readonly events: readonly number[] }
  | { readonly kind: 'failed'; readonly message: string }
  | { readonly kind: 'serving' }
  | { readonly kind: 'snapshot'; readonly id: number; readonly snapshot: ServiceSnapshot }
  | { readonly kind: 'stopped' };

const tell = (message: ServiceMessage): void => parentPort!.postMessage(message);
// Not process.stderr: this thread's goes through the event loop of the main thread, and late.
const say = (text: string): void => {
  try {
    writeSync(2, `infinitive run: ${text}\n`);
  } catch {
    // Nobody reads it (EPIPE), or not now (EAGAIN): the programs shall not suffer from that.
  }
};

// A program that polls keeps a CPU busy: this thread must get one soon when it is woken.
askForShortTurns(100_000);
// A signal would interrupt an answer half-way: a descriptor that is given away and not yet taken (seccomp_notify_addfd).
leaveSignalsToOthers();

/** Opens the device; what requests are answered by from then on. */
async function open(data: ServiceData): Promise<(request: ServiceRequest) => void> {
  const { rxe, capture, injector } = await assemble(data.device);
  const timed = injector?.timedEvents(rxe.device) ?? [];
  const { nodes, tree, turn, close } = makeDevices(rxe, data.root, data.trace ? say : null);
  const control = new EventFd();
  const files = new OpenFiles();
  let service: Service | null = null;

  const listen = (fd: number, range: FdRange): void => {
    const listener = new SeccompListener(fd);
    const watch = new ProgramWatch(new Epoll());
    const programs = new Programs(watch);
    const traps = new Traps({
      listener,
      table: syscallTable(),
      range,
      space: { root: data.root, tree, nodes },
      files,
      programs,
      say,
      trace: data.trace,
    });
    service = new Service(
      {
        engine: rxe.engine,
        link: rxe.link,
        listener,
        files,
        control,
        serve: () => traps.serve(),
        turn: () => Math.min(turn(), traps.turn(monotonic())),
        onSleep: capture === null ? null : () => capture.flush(),
      },
      watch,
      programs,
    );
    void service.run().then(() => {
      files.closeAll();
      traps.close();
      close();
      rxe.close();
      capture?.close();
      listener.close();
      tell({ kind: 'stopped' });
      parentPort!.close();
    });
    tell({ kind: 'serving' });
  };

  const snapshot = (): ServiceSnapshot => ({
    device: rxe.device.name,
    netdev: rxe.link.netdev,
    addresses: rxe.link.addresses.map(({ text }) => text),
    contexts: files.list
      .filter(({ node }) => node === nodes[0])
      .map(({ file }) => ({ id: file.id, pid: file.owner.pid, command: file.owner.command })),
    resources: listResources(rxe.device),
    counters: { ...rxe.engine.counters, ...rxe.link.stats },
  });

  const answer = (request: ServiceRequest): void => {
    if (request.kind === 'listen') listen(request.listener, request.range);
    else if (request.kind === 'raise') timed[request.index].raise();
    else if (request.kind === 'snapshot') tell({ kind: 'snapshot', id: request.id, snapshot: snapshot() });
    else if (service !== null) service.stop();
    else {
      rxe.close();
      capture?.close();
      tell({ kind: 'stopped' });
      parentPort!.close();
    }
  };
  tell({ kind: 'ready', control: control.fd, events: timed.map(({ seconds }) => seconds) });
  return answer;
}

let opening: Promise<(request: ServiceRequest) => void> | undefined;
parentPort!.on('message', (request: ServiceRequest) => {
  if (request.kind === 'open') {
    opening = open(request.data);
    opening.catch((error: unknown) => {
      tell({ kind: 'failed', message: messageOf(error) });
      parentPort!.close();
    });
  } else {
    // Without a device there is nothing to answer.
    opening?.then(
      (answer) => answer(request),
      () => {},
    );
  }
});
