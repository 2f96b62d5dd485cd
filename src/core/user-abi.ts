// The driver's part of the kernel's user ABI: what a program's provider library is told besides the common answers.
// uverbs brings the rest, and knows no driver.
import type { AddressHandle } from './ah.ts';
import type { CompletionQueue } from './cq.ts';
import type { QueuePair } from './qp.ts';
import type { SharedReceiveQueue } from './srq.ts';

/** Where a queue's memory lies in the file that the program maps. */
export interface MappedQueue {
  readonly offset: number;
  /** Bytes, whole pages. */
  readonly size: number;
}

/** Finds it; the memory is one that the context's `queueMemory` gave. */
export type MapOf = (memory: Buffer) => MappedQueue;

/** An object that has queues in memory shared with its program. */
export type QueueOwner = CompletionQueue | QueuePair | SharedReceiveQueue;

export interface UserAbi {
  /** `enum rdma_driver_id` */
  readonly driverId: number;
  /** Of the provider's part (`abi_version` in sysfs). */
  readonly abiVersion: number;
  /** Bytes that a program must have room for in the driver's answer to each verb (EINVAL, as Linux drivers have it). */
  readonly answerBytes: {
    readonly createCq: number;
    readonly resizeCq: number;
    readonly createQp: number;
    readonly createSrq: number;
    readonly createAh: number;
  };

  createCq(cq: CompletionQueue, mapOf: MapOf): Buffer;
  resizeCq(cq: CompletionQueue, mapOf: MapOf): Buffer;
  createQp(qp: QueuePair, mapOf: MapOf): Buffer;
  createSrq(srq: SharedReceiveQueue, mapOf: MapOf): Buffer;
  createAh(ah: AddressHandle): Buffer;
  /** Before a shared receive queue is resized: the address where the program wants the answer, from what it gave. */
  modifySrqAnswerAt(input: Buffer): number;
  modifySrq(srq: SharedReceiveQueue, mapOf: MapOf): Buffer;

  /** The memory of the object's queues now. */
  queuesOf(owner: QueueOwner): readonly Buffer[];
  /** The program has posted to the send queue. */
  doorbell(qp: QueuePair): void;
  /** Receive requests may have been posted to a queue pair in the error state, which tells nobody: they are flushed. True if there were any. */
  flushReceives(qp: QueuePair): boolean;

  /** Counters of the port, by the names under which sysfs has them in `hw_counters` and in `counters`. */
  hwCounters(): Readonly<Record<string, number>>;
  portCounters(): Readonly<Record<string, number>>;
}
