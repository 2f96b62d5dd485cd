// What passes between two devices of this process: every IB packet that either sends, and packets that neither would send.
import type { Path, Port } from '../transport/port.ts';
import { aethMsn, aethSyndrome } from '../wire/aeth.ts';
import { bthOpcode, bthPkey, bthPsn, bthQpn } from '../wire/bth.ts';
import { opcodeAethOff } from '../wire/opcodes.ts';
import type { Machine } from './machine.ts';
import { vector } from './plain.ts';
import type { Av } from './side.ts';

export interface Seen {
  readonly from: 'a' | 'b';
  readonly opcode: number;
  readonly qpn: number;
  readonly pkey: number;
  readonly psn: number;
  /** Of the AETH; -1 where there is none. */
  readonly syndrome: number;
  readonly msn: number;
  /** Microseconds. */
  readonly at: number;
  /** BTH to the end of the padding. */
  readonly packet: Buffer;
}

export interface Wire {
  /** Packets sent since it was last cleared, in order. */
  readonly seen: Seen[];
  /** Puts packets (BTH to padding) on the wire, together, as if the end had sent them. */
  inject(from: 'a' | 'b', to: Av, packets: readonly Buffer[]): void;
}

/** Null when the devices' packets cannot be seen. */
export function watch(machines: readonly Machine[], clock: () => number): Wire | null {
  const ports = machines.map(({ engine }) => engine.port);
  const seen: Seen[] = [];
  for (const [i, port] of ports.entries()) {
    if (port === undefined) return null;
    const from = i === 0 ? 'a' : 'b';
    listen(port, (packet) => {
      const aeth = opcodeAethOff[bthOpcode(packet, 0)];
      seen.push({
        from,
        opcode: bthOpcode(packet, 0),
        qpn: bthQpn(packet, 0),
        pkey: bthPkey(packet, 0),
        psn: bthPsn(packet, 0),
        syndrome: aeth === 0 ? -1 : aethSyndrome(packet, aeth),
        msn: aeth === 0 ? -1 : aethMsn(packet, aeth),
        at: clock(),
        packet,
      });
    });
  }
  return {
    seen,
    inject(from, to, packets): void {
      const port = ports[from === 'a' ? 0 : 1]!;
      for (const packet of packets) {
        const at = port.begin(port.pathTo(vector(to)), packet.length);
        packet.copy(port.buf, at);
        port.end();
      }
      port.flush();
    },
  };
}

/** Between a port and its engine: own properties hide the class's methods, and the engine knows no difference. */
function listen(port: Port, see: (packet: Buffer) => void): void {
  const [begin, end] = [port.begin.bind(port), port.end.bind(port)];
  let at = -1;
  let length = 0;
  port.begin = (path: Path, bytes: number): number => {
    at = begin(path, bytes);
    length = bytes;
    return at;
  };
  port.end = (): void => {
    see(Buffer.from(port.buf.subarray(at, at + length)));
    end();
  };
}
