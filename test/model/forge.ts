// Changes packets of a simulated network on their way, with an ICRC that is right again.
import type { Parcel } from '../../src/link/parcel.ts';
import type { Simulation } from '../../src/link/sim.ts';
import { bthOpcode } from '../../src/wire/bth.ts';
import { ICRC_LEN, icrcLen6, icrcSeed6, icrcWrite } from '../../src/wire/icrc.ts';
import { UDP_LEN } from '../../src/wire/udp.ts';
import { tap } from './tap.ts';

/** Lets `change` alter the IPv6 packets that have `opcode`; it may make them shorter by setting `len`. */
export function forge(sim: Simulation, opcode: number, change: (parcel: Parcel) => void): void {
  tap(sim, (_, parcel) => {
    if (bthOpcode(parcel.buf, 0) !== opcode) return;
    change(parcel);
    const flow = parcel.flow!;
    const length = parcel.len - ICRC_LEN;
    const seed = icrcSeed6(flow.src, flow.dst, flow.sport, flow.dport) ^ icrcLen6(UDP_LEN + parcel.len);
    icrcWrite(seed, parcel.buf, 0, length);
  });
}
