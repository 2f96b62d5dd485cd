// rxe's part of the user ABI: <rdma/rdma_user_rxe.h>.
import type { AddressHandle } from '../../core/ah.ts';
import type { CompletionQueue } from '../../core/cq.ts';
import { VerbsError } from '../../core/errors.ts';
import type { QueuePair } from '../../core/qp.ts';
import type { SharedReceiveQueue } from '../../core/srq.ts';
import type { MapOf, QueueOwner, UserAbi } from '../../core/user-abi.ts';
import type { Link } from '../../link/link.ts';
import type { SoftAh } from '../../transport/ah.ts';
import type { SoftCq } from '../../transport/cq.ts';
import type { Engine } from '../../transport/engine.ts';
import type { SoftQp } from '../../transport/qp.ts';
import type { SoftSrq } from '../../transport/recv-queue.ts';

/** What an rxe device is made of (`Rxe`). */
export interface RxeParts {
  readonly engine: Engine;
  readonly port: { readonly icrcErrors: number };
  readonly link: Pick<Link, 'stats'>;
}

/** `RDMA_DRIVER_RXE` */
const DRIVER_RXE = 14;
/** `RXE_UVERBS_ABI_VERSION` */
const ABI_VERSION = 2;
/** sizeof(struct mminfo) */
const MMINFO = 16;

class RxeUserAbi implements UserAbi {
  readonly driverId = DRIVER_RXE;
  readonly abiVersion = ABI_VERSION;
  readonly answerBytes = {
    createCq: MMINFO,
    resizeCq: MMINFO,
    createQp: 2 * MMINFO,
    createSrq: MMINFO + 8,
    createAh: 8,
  };
  private readonly engine: Engine;
  private readonly parts: RxeParts;

  constructor(parts: RxeParts) {
    this.engine = parts.engine;
    this.parts = parts;
  }

  createCq(cq: CompletionQueue, mapOf: MapOf): Buffer {
    return mminfo((cq as SoftCq).ring.bytes, mapOf);
  }

  resizeCq(cq: CompletionQueue, mapOf: MapOf): Buffer {
    return mminfo((cq as SoftCq).ring.bytes, mapOf);
  }

  createQp(qp: QueuePair, mapOf: MapOf): Buffer {
    const { rq, sq } = qp as SoftQp;
    return Buffer.concat([rq === null ? Buffer.alloc(MMINFO) : mminfo(rq.bytes, mapOf), mminfo(sq.bytes, mapOf)]);
  }

  createSrq(srq: SharedReceiveQueue, mapOf: MapOf): Buffer {
    const answer = Buffer.alloc(this.answerBytes.createSrq);
    mminfo((srq as SoftSrq).ring.bytes, mapOf).copy(answer);
    answer.writeUInt32LE(srq.handle, MMINFO);
    return answer;
  }

  createAh(ah: AddressHandle): Buffer {
    const answer = Buffer.alloc(this.answerBytes.createAh);
    answer.writeUInt32LE((ah as SoftAh).number);
    return answer;
  }

  modifySrqAnswerAt(input: Buffer): number {
    if (input.length < 8) throw new VerbsError('modifySrq', 'EINVAL', 'mmap_info_addr is not given');
    return Number(input.readBigUInt64LE());
  }

  modifySrq(srq: SharedReceiveQueue, mapOf: MapOf): Buffer {
    return mminfo((srq as SoftSrq).ring.bytes, mapOf);
  }

  queuesOf(owner: QueueOwner): readonly Buffer[] {
    if (owner.kind !== 'qp') return [(owner as SoftCq | SoftSrq).ring.bytes];
    const { rq, sq } = owner as SoftQp;
    return rq === null ? [sq.bytes] : [rq.bytes, sq.bytes];
  }

  doorbell(qp: QueuePair): void {
    this.engine.doorbell(qp as SoftQp);
  }

  flushReceives(qp: QueuePair): boolean {
    const { rq } = qp as SoftQp;
    if (rq === null || rq.count === 0) return false;
    this.engine.recvPosted(qp as SoftQp);
    return true;
  }

  hwCounters(): Readonly<Record<string, number>> {
    return { ...this.engine.counters, icrc_errors: this.parts.port.icrcErrors };
  }

  // As InfiniBand counts them: data in words of four bytes (PortXmitData, IBTA 16.1.4).
  portCounters(): Readonly<Record<string, number>> {
    const { sent_pkts, rcvd_pkts } = this.engine.counters;
    const { txBytes, rxBytes } = this.parts.link.stats;
    return {
      port_xmit_packets: sent_pkts,
      port_rcv_packets: rcvd_pkts,
      port_xmit_data: Math.floor(txBytes / 4),
      port_rcv_data: Math.floor(rxBytes / 4),
    };
  }
}

function mminfo(memory: Buffer, mapOf: MapOf): Buffer {
  const { offset, size } = mapOf(memory);
  const info = Buffer.alloc(MMINFO);
  info.writeBigUInt64LE(BigInt(offset));
  info.writeUInt32LE(size, 8);
  return info;
}

/** The user ABI of an rxe device. */
export function rxeUserAbi(rxe: RxeParts): UserAbi {
  return new RxeUserAbi(rxe);
}
