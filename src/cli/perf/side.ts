// Which roles the two ends of a measurement play, and how a role is run.
import { Duplex, Receiver, Sender } from './bandwidth.ts';
import type { Channel } from './channel.ts';
import { drive } from './drive.ts';
import { Ping, Pong, RoundTrip } from './latency.ts';
import { Passive, type Role, Until } from './role.ts';
import type { Station } from './station.ts';

/** An end's parts; those it does not play are null. */
export interface Parts {
  readonly role: Role;
  readonly sender: Sender | null;
  readonly receiver: Receiver | null;
  readonly ping: Ping | RoundTrip | null;
  /** Pong or Passive. */
  readonly answerer: Pong | Passive | null;
}

const NOTHING = { sender: null, receiver: null, ping: null, answerer: null };

export function clientParts(station: Station, size: number, iters: number): Parts {
  const { lat, op, bidirectional } = station.params;
  if (lat) {
    const ping = op === 'send' || op === 'write' ? new Ping(station, size, iters) : new RoundTrip(station, size, iters);
    return { ...NOTHING, role: ping, ping };
  }
  const sender = new Sender(station, size, iters);
  if (!bidirectional || op !== 'send') return { ...NOTHING, role: sender, sender };
  const receiver = new Receiver(station);
  return { ...NOTHING, role: new Duplex(sender, receiver), sender, receiver };
}

export function serverParts(station: Station, size: number, iters: number): Parts {
  const { lat, op, bidirectional } = station.params;
  if (lat) {
    const answerer = op === 'send' || op === 'write' ? new Pong(station, size) : new Passive(station.device);
    return { ...NOTHING, role: answerer, answerer };
  }
  const sender = bidirectional ? new Sender(station, size, iters) : null;
  if (op === 'send') {
    const receiver = new Receiver(station);
    return { ...NOTHING, role: sender === null ? receiver : new Duplex(sender, receiver), sender, receiver };
  }
  const answerer = new Passive(station.device);
  return { ...NOTHING, role: sender === null ? answerer : new Duplex(sender, answerer), sender, answerer };
}

export interface SideOptions {
  readonly channel: Channel;
  readonly station: Station;
  /** The link receives in the event loop. */
  readonly eager: boolean;
}

/** Plays `role` until `done`. With `patient` nothing needs to happen meanwhile. */
export function play(role: Role, side: SideOptions, done: () => boolean, patient = false): Promise<void> {
  const { channel, station, eager } = side;
  const { cq, params } = station;
  return drive(new Until(role, done), {
    cq,
    fault: () => channel.failure,
    events: params.events,
    eager,
    patient,
  });
}
