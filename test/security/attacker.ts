// A host of the simulated network that keeps to no rule: it sends what it likes, from whatever address it likes.
import type { Link } from '../../src/link/link.ts';
import type { SoftQp } from '../../src/transport/qp.ts';
import { writeBth } from '../../src/wire/bth.ts';
import { ICRC_LEN, icrcLen6, icrcSeed6, icrcWrite } from '../../src/wire/icrc.ts';
import { opcodeHeaderLen } from '../../src/wire/opcodes.ts';
import { UDP_LEN } from '../../src/wire/udp.ts';
import type { Fabric, Node } from '../transport/fabric.ts';

const ROCE = 4791;

export class Attacker {
  private readonly link: Link;

  constructor(fabric: Fabric, address = 'fd00::bad') {
    this.link = fabric.sim.node(address);
  }

  /** Sends a packet to `to`; `as` is the host whose address it bears, its own when null. The ICRC is right. */
  send(to: Node, packet: Buffer, as: Node | null): void {
    const flow = this.link.flow({ local: 0, dst: to.link.addresses[0].bytes, dport: ROCE });
    const src = as === null ? this.link.addresses[0].bytes : as.link.addresses[0].bytes;
    (flow as { src: Uint8Array }).src = src;
    const at = this.link.reserve(flow, packet.length + ICRC_LEN);
    packet.copy(this.link.tx, at);
    const seed = icrcSeed6(src, flow.dst, flow.sport, flow.dport) ^ icrcLen6(UDP_LEN + packet.length + ICRC_LEN);
    icrcWrite(seed, this.link.tx, at, packet.length);
    this.link.commit();
    this.link.flush();
  }
}

/** A packet of `opcode` to a queue pair; its extension headers are zeros, to be filled in. */
export function packet(opcode: number, qp: SoftQp, psn: number, payload = 0, pkey = 0xffff): Buffer {
  const buf = Buffer.alloc(opcodeHeaderLen[opcode] + payload);
  writeBth(buf, 0, opcode, 0x40, pkey, qp.qpn, true, psn & 0xffffff);
  return buf;
}
