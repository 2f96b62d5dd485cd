// The receiving half of a UdpLink: buffers that recvmmsg fills, and the datagrams in them handed over one by one.
import * as C from '../os/constants.ts';
import { type Libc, libc } from '../os/libc.ts';
import { addressOf, allocate } from '../os/memory.ts';
import { ArrivalRecord } from './arrival.ts';
import type { LinkStats, Receive } from './link.ts';
import type { UdpSocket } from './udp-socket.ts';

const SLOTS = 8;
/** With GRO a message is as large as an IP packet can be. */
const SLOT_BYTES = 65536;
const MSG_WORDS = 16;
const NAME_BYTES = 32;
const CONTROL_BYTES = 64;
const NAME_LENGTH = 2;
const IOV_LOW = 4;
const IOV_COUNT = 6;
const CONTROL_LOW = 8;
const CONTROL_LENGTH = 10;
const RECEIVED_LENGTH = 14;
const IOV_WORDS = 4;

/** Receives from any of a link's sockets. */
export class UdpRx {
  readonly #libc: Libc;
  readonly #stats: LinkStats;
  readonly #buf: Buffer;
  readonly #words: Uint32Array;
  readonly #bytes: Buffer;
  readonly #msgAt: number;
  readonly #nameBase: number;
  readonly #controlBase: number;
  /** The source address of each slot, as it lies in its sockaddr_in or sockaddr_in6. */
  readonly #src4: Uint8Array[];
  readonly #src6: Uint8Array[];
  readonly #arrival: ArrivalRecord;
  /** Slots whose lengths the kernel has overwritten. */
  #used: number;
  /** Datagrams that one message of the last call held. */
  #perMessage: number;
  /** Messages to ask for: 1 until a call has more waiting behind it, so that a ping-pong pays for one. */
  #ask: number;
  #segmentSize: number;

  constructor(stats: LinkStats, port: number) {
    this.#libc = libc();
    this.#stats = stats;
    this.#buf = allocate(SLOTS * SLOT_BYTES);
    const iovBase = SLOTS * MSG_WORDS;
    this.#nameBase = (iovBase + SLOTS * IOV_WORDS) * 4;
    this.#controlBase = this.#nameBase + SLOTS * NAME_BYTES;
    this.#bytes = allocate(this.#controlBase + SLOTS * CONTROL_BYTES);
    this.#words = new Uint32Array(this.#bytes.buffer);
    this.#msgAt = addressOf(this.#bytes);
    this.#src4 = [];
    this.#src6 = [];
    const bufAt = addressOf(this.#buf);
    for (let i = 0; i < SLOTS; i++) {
      const name = this.#nameBase + i * NAME_BYTES;
      const iov = iovBase + i * IOV_WORDS;
      const msg = i * MSG_WORDS;
      setAddress(this.#words, msg, this.#msgAt + name);
      setAddress(this.#words, msg + IOV_LOW, this.#msgAt + iov * 4);
      this.#words[msg + IOV_COUNT] = 1;
      setAddress(this.#words, msg + CONTROL_LOW, this.#msgAt + this.#controlBase + i * CONTROL_BYTES);
      setAddress(this.#words, iov, bufAt + i * SLOT_BYTES);
      this.#words[iov + 2] = SLOT_BYTES;
      this.#src4.push(new Uint8Array(this.#bytes.buffer, name + 4, 4));
      this.#src6.push(new Uint8Array(this.#bytes.buffer, name + 8, 16));
    }
    this.#arrival = new ArrivalRecord();
    this.#arrival.buf = this.#buf;
    this.#arrival.lasting = true;
    this.#arrival.dport = port;
    this.#used = SLOTS;
    this.#perMessage = 1;
    this.#ask = 1;
    this.#segmentSize = 0;
  }

  /**
   * Hands over what has arrived at `socket`, at most about `budget` datagrams, in one system call; returns how many. They lie where
   * those of the last call lay.
   */
  poll(socket: UdpSocket, receive: Receive, budget: number): number {
    const words = this.#words;
    for (let i = 0; i < this.#used; i++) {
      words[i * MSG_WORDS + NAME_LENGTH] = NAME_BYTES;
      words[i * MSG_WORDS + CONTROL_LENGTH] = CONTROL_BYTES;
    }
    this.#used = 0;
    let ask = this.#ask;
    if (ask !== 1 && ask * this.#perMessage > budget) ask = Math.max(1, Math.floor(budget / this.#perMessage));
    const messages = this.#libc.recvmmsg(socket.fd, this.#msgAt, ask, C.MSG_DONTWAIT, 0);
    this.#stats.rxSyscalls++;
    if (messages <= 0) {
      this.#ask = 1;
      return 0;
    }
    this.#used = messages;
    this.#ask = messages === ask ? Math.min(SLOTS, ask * 2) : 1;
    const arrival = this.#arrival;
    arrival.family = socket.family;
    arrival.local = socket.local;
    arrival.group = socket.group;
    let count = 0;
    for (let i = 0; i < messages; i++) count += this.#message(i, arrival, receive);
    this.#perMessage = Math.ceil(count / messages);
    this.#stats.rxPackets += count;
    return count;
  }

  #message(i: number, arrival: ArrivalRecord, receive: Receive): number {
    const length = this.#words[i * MSG_WORDS + RECEIVED_LENGTH];
    arrival.src = arrival.family === 4 ? this.#src4[i] : this.#src6[i];
    const port = this.#nameBase + i * NAME_BYTES + 2;
    arrival.sport = (this.#bytes[port] << 8) | this.#bytes[port + 1];
    this.#control(i, arrival);
    this.#stats.rxBytes += length;
    let off = i * SLOT_BYTES;
    const end = off + length;
    // A datagram of no bytes arrives too.
    const size = this.#segmentSize === 0 ? length : this.#segmentSize;
    let segment = 0;
    do {
      arrival.off = off;
      arrival.len = off + size > end ? end - off : size;
      arrival.idGuess = segment++;
      receive(arrival);
      off += size;
    } while (off < end);
    return segment;
  }

  /** Reads the control messages of slot `i`: the segment size (0 when it is one datagram) and the TOS. */
  #control(i: number, arrival: ArrivalRecord): void {
    const words = this.#words;
    let at = (this.#controlBase + i * CONTROL_BYTES) >> 2;
    const end = at + (words[i * MSG_WORDS + CONTROL_LENGTH] >> 2);
    this.#segmentSize = 0;
    arrival.tos = -1;
    while (at + 4 < end) {
      const length = words[at];
      const level = words[at + 2];
      const type = words[at + 3];
      if (level === C.SOL_UDP && type === C.UDP_GRO) this.#segmentSize = words[at + 4];
      else if ((level === C.SOL_IP && type === C.IP_TOS) || (level === C.SOL_IPV6 && type === C.IPV6_TCLASS)) {
        arrival.tos = words[at + 4] & 255;
      }
      at += ((length + 7) & ~7) >> 2;
    }
  }
}

function setAddress(words: Uint32Array, at: number, address: number): void {
  const low = address >>> 0;
  words[at] = low;
  words[at + 1] = (address - low) / 2 ** 32;
}
