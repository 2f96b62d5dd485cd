// Writes what passes a link to a pcapng file, as Ethernet frames that Wireshark and tshark read.
import { closeSync, openSync, writeSync } from 'node:fs';
import { indexOfAddress } from '../link/address.ts';
import type { Tap } from '../link/capture.ts';
import type { Arrival, Flow, Link } from '../link/link.ts';
import { buildFrame, type FrameAddresses, frameHeaderLength } from '../wire/frame.ts';
import { ICRC_LEN, icrcCompute, icrcLen4, icrcRead, icrcSeed4 } from '../wire/icrc.ts';
import { ICRC_OTHER_DF, icrcSolveIdDf } from '../wire/icrc-id.ts';
import { LINKTYPE_ETHERNET } from '../wire/linktype.ts';
import { PcapngWriter } from '../wire/pcapng-writer.ts';
import { UDP_LEN } from '../wire/udp.ts';

const FLUSH_BYTES = 1 << 20;
const DEFAULT_TTL = 64;

/** A capture file that is being written. What it holds is written out when a MiB has come together, when the device is idle, and on {@link close}. */
export class CaptureFile implements Tap {
  private readonly fd: number;
  private readonly writer: PcapngWriter;
  private readonly icrcHoldsId: boolean;
  private frame = Buffer.alloc(2048);

  /** `icrcHoldsId`: the packets end with an ICRC that covers the IPv4 header, as RoCEv2's do. */
  constructor(path: string, interfaceName: string, icrcHoldsId: boolean) {
    this.icrcHoldsId = icrcHoldsId;
    this.fd = openSync(path, 'w');
    this.writer = new PcapngWriter({ linkType: LINKTYPE_ETHERNET, interfaceName, application: 'infinitive' });
  }

  sent(flow: Flow, buf: Buffer, offset: number, length: number, id: number): void {
    const { src, dst, sport, dport, tos, ttl } = flow;
    this.write({ ...macs(src, dst), srcIp: src, dstIp: dst, sport, dport, tos, ttl }, buf, offset, length, id, true);
  }

  received(a: Arrival, link: Link): void {
    // What a device sends to itself was seen when it was sent.
    if (indexOfAddress(link.addresses, a.src) >= 0) return;
    const dst = a.group ?? link.addresses[a.local].bytes;
    let id = 0;
    let df = true;
    if (this.icrcHoldsId && a.family === 4 && a.len >= ICRC_LEN) {
      // A socket does not show the identification; the ICRC covers it, and tells.
      const length = a.len - ICRC_LEN;
      const seed = icrcSeed4(a.src, dst, a.sport, a.dport, true) ^ icrcLen4(UDP_LEN + a.len);
      const solved = icrcSolveIdDf(icrcCompute(seed, a.buf, a.off, length) ^ icrcRead(a.buf, a.off + length), length);
      if (solved >= 0) {
        id = solved & 0xffff;
        df = (solved & ICRC_OTHER_DF) === 0;
      }
    }
    const { src, sport, dport } = a;
    const addresses = {
      ...macs(src, dst),
      srcIp: src,
      dstIp: dst,
      sport,
      dport,
      tos: Math.max(0, a.tos),
      ttl: DEFAULT_TTL,
    };
    this.write(addresses, a.buf, a.off, a.len, id, df);
  }

  private write(addresses: FrameAddresses, buf: Buffer, offset: number, length: number, id: number, df: boolean): void {
    const total = frameHeaderLength(addresses) + length;
    if (this.frame.length < total) this.frame = Buffer.alloc(2 * total);
    const n = buildFrame(this.frame, 0, addresses, id, df, buf, offset, length);
    const now = performance.timeOrigin + performance.now();
    const seconds = Math.floor(now / 1000);
    this.writer.writePacket(seconds, Math.floor((now - seconds * 1000) * 1e6), this.frame, 0, n);
    if (this.writer.pending >= FLUSH_BYTES) this.flush();
  }

  /** Writes out what has come together. */
  flush(): void {
    if (this.writer.pending === 0) return;
    for (const chunk of this.writer.take()) writeSync(this.fd, chunk);
  }

  close(): void {
    this.flush();
    closeSync(this.fd);
  }
}

/** Sockets know no MAC addresses: locally administered ones, made of the IP addresses, stand for them. */
function macs(src: Uint8Array, dst: Uint8Array): { srcMac: Uint8Array; dstMac: Uint8Array } {
  return { srcMac: macOf(src), dstMac: macOf(dst) };
}

const macOf = (ip: Uint8Array): Uint8Array => Uint8Array.of(0x02, 0, ...ip.subarray(ip.length - 4));
