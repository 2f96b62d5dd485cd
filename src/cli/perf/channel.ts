// The TCP connection on which client and server of a measurement agree: one JSON object per line.
import type { Socket } from 'node:net';
import { CliError } from '../errors.ts';
import { connectTcp } from '../tcp.ts';

/** Every message has a type; `error` ends the conversation. */
export interface Message {
  readonly type: string;
}

const MAX_LINE = 4 << 20;

interface Waiting {
  readonly type: string;
  resolve(message: Message): void;
  reject(error: Error): void;
}

/** Both ends use it in the same way: what is expected next is always known. */
export class Channel {
  readonly socket: Socket;
  /** Why nothing more will come, once that is so. */
  failure: CliError | null = null;
  private text = '';
  private readonly inbox: Message[] = [];
  private waiting: Waiting | null = null;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.setNoDelay(true);
    socket.setEncoding('utf8');
    socket.on('data', (chunk) => this.take(chunk as unknown as string));
    socket.on('error', (error) => this.fail(new CliError(`the connection to the other side failed: ${error.message}`)));
    socket.on('close', () => this.fail(new CliError('the other side has closed the connection')));
  }

  /** Connects to a server. */
  static async connect(host: string, port: number): Promise<Channel> {
    return new Channel(await connectTcp(host, port, 'infinitive perf'));
  }

  get localAddress(): string {
    return this.socket.localAddress ?? '';
  }

  get remoteAddress(): string {
    return this.socket.remoteAddress ?? '';
  }

  send(message: Message): void {
    if (this.failure === null) this.socket.write(`${JSON.stringify(message)}\n`);
  }

  /** The next message, which must be of this type. One caller at a time. */
  receive<M extends Message>(type: M['type']): Promise<M> {
    return new Promise<M>((resolve, reject) => {
      this.waiting = { type, resolve: resolve as (message: Message) => void, reject };
      this.deliver();
    });
  }

  /** The next message of any type. */
  next(): Promise<Message> {
    return this.receive('');
  }

  /** Says good-bye: what was sent arrives, nothing more does. */
  end(): void {
    this.failure ??= new CliError('the connection is closed');
    this.socket.end();
  }

  /** Tells the other side what is wrong, and ends. */
  sendError(message: string): void {
    this.send({ type: 'error', message } as Message);
    this.end();
  }

  private take(chunk: string): void {
    const lines = (this.text + chunk).split('\n');
    this.text = lines.pop()!;
    if (this.text.length > MAX_LINE) {
      this.fail(notOurs());
      return;
    }
    for (const line of lines) {
      let message: Message | null = null;
      try {
        message = JSON.parse(line) as Message;
      } catch {}
      if (typeof message?.type !== 'string') {
        this.fail(notOurs());
        return;
      }
      this.inbox.push(message);
    }
    this.deliver();
  }

  private deliver(): void {
    const { waiting } = this;
    if (waiting === null) return;
    const message = this.inbox.shift();
    if (message === undefined) {
      if (this.failure === null) return;
      this.waiting = null;
      waiting.reject(this.failure);
      return;
    }
    this.waiting = null;
    if (message.type === 'error') {
      waiting.reject(new CliError(`the other side says: ${(message as Message & { message: string }).message}`));
    } else if (waiting.type !== '' && message.type !== waiting.type) {
      waiting.reject(new CliError(`the other side sent "${message.type}" where "${waiting.type}" was expected`));
    } else {
      waiting.resolve(message);
    }
  }

  private fail(error: CliError): void {
    this.failure ??= error;
    this.deliver();
    this.socket.destroy();
  }
}

function notOurs(): CliError {
  return new CliError(
    'the other side does not speak the protocol of "infinitive perf" (perhaps it is perftest, or HTTP)',
  );
}
