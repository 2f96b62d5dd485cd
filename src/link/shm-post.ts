// How devices of one host find each other, to send through memory: each has a letterbox for each of its addresses, named after it.
import { randomInt } from 'node:crypto';
import { addressText } from '../os/addresses.ts';
import { type Addressee, addressee, type Letter, Letterbox } from '../os/letterbox.ts';
import { libc } from '../os/libc.ts';
import { parseAddress } from './address.ts';
import type { LinkAddress } from './link.ts';

/** What letters say: this byte, then the writer's token, then whether it takes jumbos. */
export const Say = {
  /** Is there anybody? Not answered: that it can be sent is the answer. */
  KNOCK: 0,
  /** What I send you from now on is in this ring (a descriptor comes with it). */
  OPEN: 1,
  /** I read your ring. */
  ACCEPT: 2,
  /** Look into my ring: you have said that you sleep. */
  WAKE: 3,
  /** I read no ring of yours. */
  UNKNOWN: 4,
  /** I go: nothing more will be in my ring, and I read yours no more. */
  BYE: 5,
} as const;

/** Part of the names, so that devices that would not understand each other do not meet. */
const VERSION = 1;
const LETTER = 6;
const NAME = new RegExp(`^infinitive/${VERSION}/([^/]+):\\d+$`);
/** Letters that are read at once: who floods us with them shall not keep us from all else. */
const MOST_LETTERS = 64;

export interface Delivery {
  readonly say: number;
  /** Which life of the sender's. */
  readonly token: number;
  /** May datagrams to the sender be jumbos (jumbo.ts)? */
  readonly jumbo: boolean;
  readonly src: Uint8Array;
  /** What came with OPEN, and is ours to close. */
  readonly fd: number;
}

/** The name of a device's letterbox; that of a link-local address says on which interface. */
const nameOf = (bytes: Uint8Array, scope: number, port: number): string =>
  `infinitive/${VERSION}/${addressText(bytes)}${scope === 0 ? '' : `%${scope}`}:${port}`;

/** The letterbox of one own address. */
export class Post {
  private readonly box: Letterbox;
  private readonly own: LinkAddress;
  private readonly port: number;
  private readonly uid: number;
  private readonly data: Buffer;
  /** May datagrams to its owner be jumbos? */
  readonly jumbo: boolean;

  /** @throws {SysError} EADDRINUSE: somebody has the name. */
  constructor(own: LinkAddress, port: number, jumbo: boolean) {
    this.own = own;
    this.port = port;
    this.uid = process.getuid!();
    // A program with more rights than its user has none of the user's other programs to trust.
    if (this.uid !== process.geteuid!()) throw new Error('a set-user-ID program');
    this.data = Buffer.alloc(LETTER);
    this.data.writeUInt32LE(randomInt(2 ** 32), 1);
    this.jumbo = jumbo;
    this.data[5] = Number(jumbo);
    this.box = new Letterbox(nameOf(own.bytes, own.scope, port));
  }

  get fd(): number {
    return this.box.fd;
  }

  /** To the device with this address; on the interface of ours, if it is link-local. */
  to(dst: Uint8Array): Addressee {
    return addressee(nameOf(dst, this.own.scope, this.port));
  }

  send(to: Addressee, say: number, fd = -1): number {
    this.data[0] = say;
    return this.box.send(to, this.data, fd);
  }

  /** Hands over letters of devices of the same user, a limited number of them; others, and those not taken, are thrown away. */
  receive(take: (delivery: Delivery) => boolean): void {
    for (let n = 0; n < MOST_LETTERS; n++) {
      const letter = this.box.receive();
      if (letter === null) return;
      const delivery = this.read(letter);
      const taken = delivery !== null && take(delivery);
      if (!taken && letter.fd !== -1) libc().close(letter.fd);
    }
  }

  private read({ data, from, uid, fd }: Letter): Delivery | null {
    if (uid !== this.uid || data.length !== LETTER) return null;
    const say = data[0];
    const src = bytesOf(NAME.exec(from)?.[1] ?? '');
    if (src?.length !== this.own.bytes.length || (say === Say.OPEN) !== (fd !== -1)) return null;
    // Not another spelling of a name that another has, nor an address of another interface or port.
    if (from !== nameOf(src, this.own.scope, this.port)) return null;
    return { say, token: data.readUInt32LE(1), jumbo: data[5] === 1, src, fd };
  }

  close(): void {
    this.box.close();
  }
}

function bytesOf(address: string): Uint8Array | null {
  try {
    return parseAddress(address).bytes;
  } catch {
    return null;
  }
}
