// How the ibv_*_pingpong programs of rdma-core tell each other their queue pairs: over TCP, client first, one text per queue
// pair, then "done" from the client. Texts end with NUL.
import { createServer, type Socket } from 'node:net';
import type { QpEndpoint } from '../../api/index.ts';
import { addressBytes, addressText } from '../../os/addresses.ts';
import { CliError } from '../errors.ts';
import { connectTcp, listenTcp } from '../tcp.ts';

/** What is exchanged of a queue pair. LIDs mean nothing on RoCE. */
export interface Destination {
  readonly lid: number;
  readonly qpn: number;
  readonly psn: number;
  /** As text; `::` when the other side gave none. */
  readonly gid: string;
}

const FORM = /^([0-9a-f]{4}):([0-9a-f]{6}):([0-9a-f]{6}):([0-9a-f]{32})$/i;
/** Bytes of one text with its NUL. */
const LENGTH = '0000:000000:000000:'.length + 32 + 1;
const DONE = 'done\0';

export const destinationOf = ({ qpn, psn, gid }: QpEndpoint): Destination => ({ lid: 0, qpn, psn, gid });

/** `LID:QPN:PSN:GID` in hexadecimal, as on the wire, without the NUL. */
export function encode({ lid, qpn, psn, gid }: Destination): string {
  const hex = (value: number, digits: number): string => value.toString(16).padStart(digits, '0');
  const bytes = addressBytes(gid);
  return `${hex(lid, 4)}:${hex(qpn, 6)}:${hex(psn, 6)}:${Buffer.from(bytes).toString('hex')}`;
}

export function decode(text: string): Destination {
  const match = FORM.exec(text);
  if (match === null) {
    throw new CliError(`the other side sent ${JSON.stringify(text)}: it is not one of the ibv_*_pingpong family`);
  }
  const [lid, qpn, psn] = match.slice(1, 4).map((field) => Number.parseInt(field, 16));
  return { lid, qpn, psn, gid: addressText(Buffer.from(match[4], 'hex')) };
}

/** The TCP connection, read by the byte. */
export class Exchange {
  readonly socket: Socket;
  private bytes = Buffer.alloc(0);
  private ended = false;
  private arrived: (() => void) | null = null;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (chunk: Buffer) => {
      this.bytes = Buffer.concat([this.bytes, chunk]);
      this.arrived?.();
    });
    const end = (): void => {
      this.ended = true;
      this.arrived?.();
    };
    socket.on('error', end);
    socket.on('close', end);
  }

  send(destinations: readonly Destination[]): void {
    this.socket.write(destinations.map((d) => `${encode(d)}\0`).join(''));
  }

  sendDone(): void {
    this.socket.end(DONE);
  }

  async receive(count: number): Promise<Destination[]> {
    const text = await this.take(count * LENGTH);
    const texts = text.split('\0').slice(0, count);
    return texts.map(decode);
  }

  async receiveDone(): Promise<void> {
    await this.take(DONE.length);
    this.socket.end();
  }

  private async take(length: number): Promise<string> {
    while (this.bytes.length < length) {
      if (this.ended)
        throw new CliError(
          'the other side closed the connection: both need the same type (-t), and ibv_*_pingpong a GID index (-g)',
        );
      await new Promise<void>((resolve) => {
        this.arrived = resolve;
      });
    }
    const text = this.bytes.toString('latin1', 0, length);
    this.bytes = this.bytes.subarray(length);
    return text;
  }

  close(): void {
    this.socket.destroy();
  }
}

export async function connectExchange(host: string, port: number): Promise<Exchange> {
  return new Exchange(await connectTcp(host, port, 'infinitive pingpong'));
}

/** Waits for one client. */
export async function acceptExchange(port: number, onListening: (port: number) => void): Promise<Exchange> {
  const server = createServer({ noDelay: true });
  const connected = new Promise<Exchange>((resolve) => {
    server.once('connection', (socket) => {
      server.close();
      resolve(new Exchange(socket));
    });
  });
  onListening(await listenTcp(server, port));
  return connected;
}
