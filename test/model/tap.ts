// Sees every packet that leaves a node of a simulation.
import type { Parcel } from '../../src/link/parcel.ts';
import type { Simulation } from '../../src/link/sim.ts';
import type { SimLink } from '../../src/link/sim-link.ts';

export function tap(sim: Simulation, see: (from: SimLink, parcel: Parcel, departed: number) => void): void {
  const transmit = sim.transmit.bind(sim);
  sim.transmit = (from, parcel, departed) => {
    see(from, parcel, departed);
    transmit(from, parcel, departed);
  };
}
