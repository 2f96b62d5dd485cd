// What a cell works with: the guests, the cable, and peers that are gone when the cell is over.
import type { OpenOptions } from '../src/api/index.ts';
import type { Cable } from './cable.ts';
import { compiledPeer, type Guest, type PathMtu } from './guest.ts';
import { address4, address6, HOST4, HOST6 } from './namespace.ts';
import { Peer } from './peer/peer.ts';
import { infinitive } from './programs.ts';
import type { End } from './scenarios/end.ts';

export interface Setting {
  readonly family: 4 | 6;
  readonly mtu: PathMtu;
  /** GSO and GRO on our side. */
  readonly offload: boolean;
}

export class Lab {
  readonly guests: readonly Guest[];
  readonly cable: Cable;
  /** Where consoles, captures and logs go. */
  readonly folder: string;
  private peers: Peer[] = [];
  private log: string[] = [];

  constructor(guests: readonly Guest[], cable: Cable, folder: string) {
    this.guests = guests;
    this.cable = cable;
    this.folder = folder;
  }

  get guest(): Guest {
    return this.guests[0];
  }

  /** Our side, as a program of the TypeScript API. */
  async ours({ family, offload }: Setting, options: OpenOptions = {}): Promise<End> {
    const peer = await Peer.ours({ address: [HOST4, HOST6], offload, ...options });
    return this.end(peer, family === 4 ? `::ffff:${HOST4}` : HOST6);
  }

  /** Our side, as the C program under `infinitive run`. */
  async underRun({ family }: Setting): Promise<End> {
    const program = compiledPeer(this.folder);
    const [command, ...args] = infinitive('run', '--ip', HOST4, '--ip', HOST6, '--', program, 'rxe0');
    const peer = await Peer.process('run', command, args);
    return this.end(peer, family === 4 ? `::ffff:${HOST4}` : HOST6);
  }

  /** The C program in guest `n`. */
  async linux({ family }: Setting, n = 1): Promise<End> {
    const guest = this.guests[n - 1];
    const peer = await Peer.linux(guest, this.guests.length > 1 ? `linux${n}` : 'linux');
    return this.end(peer, family === 4 ? `::ffff:${address4(n)}` : address6(n));
  }

  private async end(peer: Peer, gid: string): Promise<End> {
    this.peers.push(peer);
    peer.log = this.log;
    const { gids } = await peer.do<{ gids: string[] }>('gids');
    const sgid = gids.indexOf(gid);
    if (sgid < 0) throw new Error(`${peer.name} has no GID ${gid}, but ${gids.join(', ')}`);
    return { peer, gid, sgid };
  }

  /** For the log of a cell that fails. */
  note(text: string): void {
    this.log.push(text);
  }

  /** What was said and done since the last time, one text; peers are let go. */
  finish(): string {
    const text = this.log.join('\n');
    for (const peer of this.peers) peer.close();
    this.peers = [];
    this.log = [];
    return text;
  }
}
