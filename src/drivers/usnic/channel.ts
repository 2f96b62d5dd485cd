// A reliable, ordered channel over unreliable datagrams: a sliding window with cumulative acknowledgements (go-back-N). What
// usNIC's users build on it; nothing that the device claims.
import type { Endpoint } from './endpoint.ts';

export interface ChannelOptions {
  readonly address: string;
  readonly port: number;
  /** Microseconds that only go forward. */
  readonly clock: () => number;
  /** Messages on their way at most. Default 16. */
  readonly window?: number;
  /** Microseconds without an acknowledgement until all that is on its way is sent again. Default 2000. */
  readonly timeoutUs?: number;
}

// Header: kind, three bytes of nothing, sequence number; an acknowledgement's is that of the message expected next.
const HEADER = 8;
const DATA = 0xd1;
const ACK = 0xa1;
const HALF = 0x80000000;

/** How far `a` is ahead of `b`, in 32 bits that wrap. */
const ahead = (a: number, b: number): number => (a - b) >>> 0;

/** One end; both ends make one, each with the other's address and port. */
export class ReliableChannel {
  /** Messages that were sent again. */
  retransmitted = 0;
  private readonly endpoint: Endpoint;
  private readonly address: string;
  private readonly port: number;
  private readonly clock: () => number;
  private readonly window: number;
  private readonly timeoutUs: number;
  /** Sent or to be sent, and not acknowledged; the first has sequence number `first`. */
  private readonly queue: Buffer[] = [];
  private first = 0;
  /** How many of the queue were sent since it was last begun with. */
  private sentCount = 0;
  private deadline = Number.POSITIVE_INFINITY;
  private expected = 0;
  private readonly arrived: Buffer[] = [];
  private ackDue = false;
  private readonly ack = Buffer.alloc(HEADER);

  constructor(endpoint: Endpoint, options: ChannelOptions) {
    this.endpoint = endpoint;
    this.address = options.address;
    this.port = options.port;
    this.clock = options.clock;
    this.window = options.window ?? 16;
    this.timeoutUs = options.timeoutUs ?? 2000;
    this.ack[0] = ACK;
  }

  /** Longest message. */
  get maxMessage(): number {
    return this.endpoint.mtu - HEADER;
  }

  /** Messages not acknowledged yet. */
  get pending(): number {
    return this.queue.length;
  }

  send(message: Uint8Array): void {
    if (message.length > this.maxMessage)
      throw new RangeError(`${message.length} bytes; ${this.maxMessage} are allowed`);
    const datagram = Buffer.alloc(HEADER + message.length);
    datagram[0] = DATA;
    datagram.writeUInt32BE((this.first + this.queue.length) >>> 0, 4);
    datagram.set(message, HEADER);
    this.queue.push(datagram);
    this.progress();
  }

  /** The next message, in the order they were sent; null when it has not come. */
  receive(): Buffer | null {
    this.progress();
    return this.arrived.shift() ?? null;
  }

  /** Takes in what arrived, acknowledges it, sends what the window allows, and again what has waited too long. */
  progress(): void {
    for (let d = this.endpoint.receive(); d !== null; d = this.endpoint.receive()) {
      if (d.port === this.port && d.address === this.address && d.data.length >= HEADER) this.take(d.data);
    }
    if (this.ackDue) {
      this.ack.writeUInt32BE(this.expected, 4);
      this.ackDue = !this.endpoint.send(this.ack, this.address, this.port);
    }
    const now = this.clock();
    if (now >= this.deadline) {
      this.retransmitted += this.sentCount;
      this.sentCount = 0;
    }
    const before = this.sentCount;
    while (this.sentCount < Math.min(this.window, this.queue.length)) {
      if (!this.endpoint.send(this.queue[this.sentCount], this.address, this.port)) break;
      this.sentCount++;
    }
    if (this.sentCount > before && (before === 0 || this.deadline === Number.POSITIVE_INFINITY)) {
      this.deadline = now + this.timeoutUs;
    }
  }

  private take(data: Buffer): void {
    const number = data.readUInt32BE(4);
    if (data[0] === DATA) {
      // What is not the next one is a duplicate, or came too early: either way the peer is told what is expected.
      this.ackDue = true;
      if (number !== this.expected) return;
      this.expected = (this.expected + 1) >>> 0;
      this.arrived.push(Buffer.from(data.subarray(HEADER)));
      return;
    }
    const acknowledged = ahead(number, this.first);
    if (data[0] !== ACK || acknowledged === 0 || acknowledged >= HALF || acknowledged > this.queue.length) return;
    this.queue.splice(0, acknowledged);
    this.first = number;
    this.sentCount = Math.max(0, this.sentCount - acknowledged);
    this.deadline = this.sentCount > 0 ? this.clock() + this.timeoutUs : Number.POSITIVE_INFINITY;
  }
}
