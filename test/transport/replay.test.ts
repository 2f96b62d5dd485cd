// Linux as the judge: captures between two kernels are played back with our responder in the place of one of them. What it
// answers must be, byte for byte, what rxe answered.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { Access, QpAttrMask, QpState, QpType } from '../../src/core/constants.ts';
import { gidFromAddress } from '../../src/core/gid-text.ts';
import { LocalMemory } from '../../src/core/memory.ts';
import type { MemoryRegion } from '../../src/core/mr.ts';
import * as verbs from '../../src/core/verbs.ts';
import { RecvWr } from '../../src/core/work.ts';
import { Rxe } from '../../src/drivers/rxe/driver.ts';
import { parseAddress } from '../../src/link/address.ts';
import { ArrivalRecord } from '../../src/link/arrival.ts';
import type { Flow, Receive } from '../../src/link/link.ts';
import { LoopbackLink } from '../../src/link/loopback.ts';
import type { SoftQp } from '../../src/transport/qp.ts';
import { BTH_MIG } from '../../src/wire/bth.ts';
import { WireError } from '../../src/wire/error.ts';
import { decodeFrame, type RoceFrame } from '../../src/wire/frame.ts';
import { OPF_ATOMIC_ACK, OPF_READ_RESP, OPF_REQUEST, OPF_RWR, opcodeFlags } from '../../src/wire/opcodes.ts';
import { readCapture } from '../../src/wire/read-capture.ts';

/** A link that is played to, and keeps what is sent. */
class ReplayLink extends LoopbackLink {
  readonly sent: Buffer[] = [];
  readonly incoming: ArrivalRecord[] = [];
  private at = 0;
  private length = 0;

  override reserve(flow: Flow, length: number): number {
    this.at = super.reserve(flow, length);
    this.length = length;
    return this.at;
  }

  override commit(): void {
    this.sent.push(Buffer.from(this.tx.subarray(this.at, this.at + this.length)));
    this.abort();
  }

  override poll(receive: Receive): number {
    const arrivals = this.incoming.splice(0);
    for (const arrival of arrivals) receive(arrival);
    return arrivals.length;
  }
}

function frames(name: string): RoceFrame[] {
  const file = readFileSync(new URL(`../data/captures/${name.includes('.') ? name : `${name}.pcap`}`, import.meta.url));
  return readCapture(file).packets.flatMap(({ data }) => {
    const frame = decodeFrame(Buffer.from(data));
    return frame instanceof WireError ? [] : [frame];
  });
}

const isRequest = (f: RoceFrame): boolean => (opcodeFlags[f.packet.bth.opcode] & OPF_REQUEST) !== 0;
const ipText = (ip: Uint8Array): string => Buffer.from(ip).toString('hex');
const addressText = (ip: Uint8Array): string =>
  ip.length === 4 ? [...ip].join('.') : (ipText(ip).match(/.{4}/g) as string[]).join(':');

/** The host `server` of a capture, played by our device; `expected` is what the kernel in its place sent as responder. */
class Replay {
  readonly link: ReplayLink;
  readonly rxe: Rxe;
  readonly qp: SoftQp;
  readonly expected: Buffer[];
  private readonly requests: RoceFrame[];

  constructor(all: RoceFrame[], server: string, mtu: number) {
    const qp1 = all.filter((f) => f.packet.bth.qpn > 1);
    this.requests = qp1.filter((f) => isRequest(f) && ipText(f.ip.dst) === server);
    const responses = qp1.filter((f) => !isRequest(f) && ipText(f.ip.src) === server);
    this.expected = responses.map((f) => bytesOf(f));
    const [first] = this.requests;
    this.link = new ReplayLink({
      addresses: [parseAddress(addressText(first.ip.dst))],
      mtu: 4200,
      needsChecksum: true,
    });
    this.rxe = new Rxe({ link: this.link, clock: () => 0 });
    const context = verbs.openContext(this.rxe.device, { owner: 'replay' });
    const pd = verbs.allocPd(context);
    const cq = verbs.createCq(context, 4096);
    const cap = { maxSendWr: 1, maxRecvWr: 512, maxSendSge: 1, maxRecvSge: 1, maxInlineData: 0 };
    this.qp = verbs.createQp(pd, { type: QpType.RC, sendCq: cq, recvCq: cq, cap }) as SoftQp;
    this.connect(first, responses[0].packet.bth.qpn, mtu);
    this.prepareMemory(pd, responses);
    const inbox = verbs.regMr(pd, new LocalMemory(Buffer.alloc(1 << 16)), { access: Access.LOCAL_WRITE, iova: 4096 });
    for (const f of this.requests) if (opcodeFlags[f.packet.bth.opcode] & OPF_RWR) this.postRecv(inbox);
  }

  private postRecv(inbox: MemoryRegion): void {
    const wr = new RecvWr();
    wr.sge = [{ addr: 4096, length: 1 << 16, lkey: inbox.lkey }];
    wr.numSge = 1;
    this.rxe.device.ops.postRecv(this.qp, wr);
  }

  /** The queue pair takes the number, the PSN and the peer of the one in the capture. */
  private connect(first: RoceFrame, destQpn: number, mtu: number): void {
    const { engine } = this.rxe;
    engine.qps.delete(this.qp.qpn);
    this.qp.qpn = first.packet.bth.qpn;
    engine.qps.set(this.qp.qpn, this.qp);
    const A = QpAttrMask;
    const peer = { sgidIndex: 0, trafficClass: 0, hopLimit: 64, flowLabel: 0, port: 1, sl: 0, dlid: 0 };
    const av = { ...peer, dgid: gidFromAddress(Uint8Array.from(first.ip.src)) };
    const accessFlags = Access.REMOTE_READ | Access.REMOTE_WRITE | Access.REMOTE_ATOMIC;
    const rtr = {
      av,
      pathMtu: Math.log2(mtu / 128),
      destQpn,
      rqPsn: first.packet.bth.psn,
      maxDestRdAtomic: 16,
      minRnrTimer: 12,
    };
    const { PATH_MTU, DEST_QPN, RQ_PSN, MAX_DEST_RD_ATOMIC, MIN_RNR_TIMER } = A;
    verbs.modifyQp(
      this.qp,
      { state: QpState.INIT, pkeyIndex: 0, port: 1, accessFlags },
      A.STATE | A.PKEY_INDEX | A.PORT | A.ACCESS_FLAGS,
    );
    const mask = A.STATE | A.AV | PATH_MTU | DEST_QPN | RQ_PSN | MAX_DEST_RD_ATOMIC | MIN_RNR_TIMER;
    verbs.modifyQp(this.qp, { ...rtr, state: QpState.RTR }, mask);
  }

  /** A region with the key and the addresses that the requests name, holding what the kernel's answers say it held. */
  private prepareMemory(pd: Parameters<typeof verbs.regMr>[0], responses: RoceFrame[]): void {
    const targets = this.requests.flatMap(({ packet: { reth, atomicEth } }) =>
      reth
        ? [{ rkey: reth.rkey, va: Number(reth.va), size: reth.dmaLen }]
        : atomicEth
          ? [{ rkey: atomicEth.rkey, va: Number(atomicEth.va), size: 8 }]
          : [],
    );
    if (targets.length === 0) return;
    const start = Math.min(...targets.map((t) => t.va));
    const end = Math.max(...targets.map((t) => t.va + t.size));
    const bytes = Buffer.alloc(end - start);
    let at = 0;
    for (const { packet } of responses) {
      const flags = opcodeFlags[packet.bth.opcode];
      if (flags & OPF_ATOMIC_ACK) {
        // The requests of these captures go to as many addresses, so that the answers tell what each held.
        const { va } = this.requests.find((f) => f.packet.bth.psn === packet.bth.psn)!.packet.atomicEth!;
        bytes.writeBigUInt64LE(packet.atomicAckEth!.orig, Number(va) - start);
      } else if (flags & OPF_READ_RESP) {
        // All READs of these captures read the same range.
        Buffer.from(packet.payload).copy(bytes, at);
        at = (at + packet.payload.length) % bytes.length;
      }
    }
    const access = Access.LOCAL_WRITE | Access.REMOTE_WRITE | Access.REMOTE_READ | Access.REMOTE_ATOMIC;
    const mr = verbs.regMr(pd, new LocalMemory(bytes), { access, iova: start });
    const { keys } = this.rxe.device;
    keys.remove(mr.rkey);
    // Keys are drawn at random; this once one is chosen.
    (keys as unknown as { entries: Map<number, MemoryRegion> }).entries.set(targets[0].rkey & ~0xff, mr);
    mr.rkey = targets[0].rkey;
    mr.lkey = targets[0].rkey;
  }

  play(): Buffer[] {
    for (const f of this.requests) {
      const arrival = new ArrivalRecord();
      arrival.buf = Buffer.from(bytesOf(f, true));
      arrival.len = arrival.buf.length;
      arrival.family = f.ip.version;
      arrival.src = Uint8Array.from(f.ip.src);
      arrival.sport = f.udp.sport;
      arrival.dport = f.udp.dport;
      this.link.incoming.push(arrival);
      this.rxe.engine.progress();
      // What it leads to may take a turn each: answers, then an acknowledgement.
      for (let i = 0; i < 4; i++) this.rxe.engine.progress();
    }
    return this.link.sent.map((b) => b.subarray(0, b.length - 4));
  }

  close(): void {
    for (const context of this.rxe.device.contexts) verbs.closeContext(context);
    this.rxe.close();
  }
}

/** BTH to the end of the padding; with the ICRC if asked. */
function bytesOf(f: RoceFrame, withIcrc = false): Buffer {
  const { payload, headerLength, bth } = f.packet;
  const whole = Buffer.from(
    payload.buffer,
    payload.byteOffset - headerLength,
    headerLength + payload.length + bth.pad + 4,
  );
  return withIcrc ? whole : whole.subarray(0, whole.length - 4);
}

/**
 * rxe leaves MigReq 0 in what it answers, though not in what it asks; NICs set it in both, as the migration state "migrated"
 * wants it (IBTA 17.2.8), and so do we.
 */
function comparable(packet: Buffer): string {
  const copy = Buffer.from(packet);
  copy[1] |= BTH_MIG;
  return copy.toString('hex');
}

// Captures with one queue pair on each side, their path MTU, and which of the hosts saw all that arrived at it.
const CASES: [string, number, ('client' | 'server')[]][] = [
  ['rxe-rc-pingpong', 1024, ['server', 'client']],
  ['rxe-rc-pingpong-ip6', 1024, ['server', 'client']],
  ['rxe-rc-write', 1024, ['server']],
  ['rxe-rc-write-lat', 1024, ['server', 'client']],
  ['rxe-rc-read', 1024, ['server']],
  ['rxe-rc-cmpswap', 1024, ['server']],
  ['rxe-rc-fetchadd', 1024, ['server']],
  ['rxe-rc-loss', 1024, ['server']],
  ['rxe-rc-immediate.pcapng', 1024, ['server']],
];

describe('our responder answers as rxe did', () => {
  for (const [name, mtu, roles] of CASES) {
    const all = frames(name);
    const first = all.find((f) => isRequest(f) && f.packet.bth.qpn > 1)!;
    for (const role of roles) {
      it(`${name}, in the place of the ${role}`, () => {
        // The captures were taken on the server, 10.77.0.2 or fd77::2; fd77::2 and 10.77.0.2 end in 2.
        const hosts = [ipText(first.ip.src), ipText(first.ip.dst)];
        const server = hosts.find((h) => h.endsWith('2'))!;
        const replay = new Replay(all, role === 'server' ? server : hosts.find((h) => h !== server)!, mtu);
        const sent = replay.play();
        assert.ok(replay.expected.length > 0);
        assert.deepEqual(sent.map(comparable), replay.expected.map(comparable));
        replay.close();
      });
    }
  }
});
