import type { Arrival } from './link.ts';

const NONE = Buffer.alloc(0);

/** The arrival object that a link fills again and again. All links use this class, so that receivers see one shape. */
export class ArrivalRecord implements Arrival {
  buf: Buffer = NONE;
  off = 0;
  len = 0;
  body: Buffer | null = null;
  bodyOff = 0;
  family: 4 | 6 = 4;
  src: Uint8Array = NONE;
  sport = 0;
  local = 0;
  group: Uint8Array | null = null;
  dport = 0;
  tos = -1;
  idGuess = 0;
  trusted = false;
  jumbo = false;
  lasting = false;

  /** Becomes like `other`, sharing its bytes. */
  assign(other: Arrival): void {
    this.buf = other.buf;
    this.off = other.off;
    this.len = other.len;
    this.body = other.body;
    this.bodyOff = other.bodyOff;
    this.family = other.family;
    this.src = other.src;
    this.sport = other.sport;
    this.local = other.local;
    this.group = other.group;
    this.dport = other.dport;
    this.tos = other.tos;
    this.idGuess = other.idGuess;
    this.trusted = other.trusted;
    this.jumbo = other.jumbo;
    this.lasting = other.lasting;
  }
}
