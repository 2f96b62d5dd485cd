// Datagram sockets with names in the abstract namespace of unix(7): there are no files to be left behind, each network namespace has
// names of its own, as it has addresses of its own, and the kernel says who has sent a letter.
import * as C from './constants.ts';
import { check, errno, type Libc, libc } from './libc.ts';
import { addressOf, allocate } from './memory.ts';
import { setOption } from './sockopt.ts';

/** Room for a sockaddr_un: family, and a path of 108 bytes. */
const NAME_BYTES = 112;
const MAX_NAME = 107;
const LETTER_BYTES = 64;
const CONTROL_BYTES = 128;
/** struct cmsghdr: length (8), level, type. */
const CMSG_HEADER = 16;
/** struct ucred: pid, uid, gid. */
const UCRED_UID = 4;

// struct msghdr.
const NAME = 0;
const NAME_LENGTH = 8;
const IOV = 16;
const IOV_COUNT = 24;
const CONTROL = 32;
const CONTROL_LENGTH = 40;
const MSG_BYTES = 56;

/** Where a letter goes: made once for each name. */
export interface Addressee {
  readonly name: string;
  readonly at: number;
  readonly length: number;
  /** Holds what is at `at`. */
  readonly buf: Buffer;
}

export interface Letter {
  readonly data: Buffer;
  /** The sender's name, which no other had when it was sent; empty: it has none. */
  readonly from: string;
  /** The sender's real user id, as the kernel knows it. */
  readonly uid: number;
  /** The descriptor that came with it and is ours to close, or -1. */
  readonly fd: number;
}

export function addressee(name: string): Addressee {
  if (Buffer.byteLength(name) > MAX_NAME) throw new Error(`a name of a socket has at most ${MAX_NAME} bytes: ${name}`);
  const buf = allocate(NAME_BYTES);
  buf.writeUInt16LE(C.AF_UNIX, 0);
  return { name, at: addressOf(buf), length: 3 + buf.write(name, 3), buf };
}

export class Letterbox {
  readonly fd: number;
  readonly #libc: Libc;
  /** struct msghdr, struct iovec, a name, a letter and control messages: one set to send, one to receive. */
  readonly #out = new Message();
  readonly #in = new Message();
  #open = true;

  /** @throws {SysError} EADDRINUSE: the name is another's. */
  constructor(name: string) {
    this.#libc = libc();
    this.fd = check(this.#libc.socket(C.AF_UNIX, C.SOCK_DGRAM | C.SOCK_CLOEXEC | C.SOCK_NONBLOCK, 0), 'socket');
    try {
      setOption(this.fd, C.SOL_SOCKET, C.SO_PASSCRED, 1);
      const own = addressee(name);
      check(this.#libc.bind(this.fd, own.at, own.length), 'bind');
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Sends `data`, and descriptor `fd` with it unless it is -1: 0, or an errno (ECONNREFUSED: nobody has the name; EAGAIN: no room). */
  send(to: Addressee, data: Uint8Array, fd = -1): number {
    if (!this.#open) return C.EBADF;
    const message = this.#out;
    message.to(to);
    message.fill(data, fd);
    return this.#libc.sendmsg(this.fd, message.at, C.MSG_DONTWAIT | C.MSG_NOSIGNAL) === -1 ? errno() : 0;
  }

  /** The next letter, or null. */
  receive(): Letter | null {
    if (!this.#open) return null;
    const message = this.#in;
    message.clear();
    const length = this.#libc.recvmsg(this.fd, message.at, C.MSG_DONTWAIT | C.MSG_CMSG_CLOEXEC);
    return length === -1 ? null : message.read(length);
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#libc.close(this.fd);
  }
}

class Message {
  readonly at: number;
  private readonly buf = allocate(MSG_BYTES + 16 + NAME_BYTES + LETTER_BYTES + CONTROL_BYTES + 8);
  private readonly iov = MSG_BYTES;
  private readonly name = MSG_BYTES + 16;
  private readonly letter = this.name + NAME_BYTES;
  /** At a multiple of 8. */
  private readonly control = this.letter + LETTER_BYTES;

  constructor() {
    this.at = addressOf(this.buf);
    this.pointer(IOV, this.iov);
    this.pointer(this.iov, this.letter);
    this.long(IOV_COUNT, 1);
  }

  to(to: Addressee): void {
    to.buf.copy(this.buf, this.name, 0, to.length);
    this.pointer(NAME, this.name);
    this.long(NAME_LENGTH, to.length);
  }

  fill(data: Uint8Array, fd: number): void {
    this.buf.set(data, this.letter);
    this.long(this.iov + 8, data.length);
    this.pointer(CONTROL, this.control);
    if (fd === -1) {
      this.long(CONTROL_LENGTH, 0);
      return;
    }
    this.long(this.control, CMSG_HEADER + 4);
    this.buf.writeInt32LE(C.SOL_SOCKET, this.control + 8);
    this.buf.writeInt32LE(C.SCM_RIGHTS, this.control + 12);
    this.buf.writeInt32LE(fd, this.control + CMSG_HEADER);
    this.long(CONTROL_LENGTH, CMSG_HEADER + 8);
  }

  clear(): void {
    this.pointer(NAME, this.name);
    this.long(NAME_LENGTH, NAME_BYTES);
    this.long(this.iov + 8, LETTER_BYTES);
    this.pointer(CONTROL, this.control);
    this.long(CONTROL_LENGTH, CONTROL_BYTES);
  }

  read(length: number): Letter {
    const { buf, control } = this;
    const nameLength = buf.readUInt32LE(NAME_LENGTH);
    // An abstract name begins with a zero byte.
    const abstract = nameLength > 3 && buf[this.name + 2] === 0;
    const from = abstract ? buf.toString('utf8', this.name + 3, this.name + nameLength) : '';
    const fds: number[] = [];
    let uid = -1;
    const end = control + buf.readUInt32LE(CONTROL_LENGTH);
    for (let at = control; at + CMSG_HEADER <= end; ) {
      const size = buf.readUInt32LE(at);
      if (size < CMSG_HEADER) break;
      const type = buf.readInt32LE(at + 8) === C.SOL_SOCKET ? buf.readInt32LE(at + 12) : 0;
      const data = at + CMSG_HEADER;
      if (type === C.SCM_CREDENTIALS) uid = buf.readUInt32LE(data + UCRED_UID);
      else if (type === C.SCM_RIGHTS) {
        for (let i = data; i + 4 <= at + size; i += 4) fds.push(buf.readInt32LE(i));
      }
      at += (size + 7) & ~7;
    }
    // Nobody of ours sends more than one.
    for (const fd of fds.slice(1)) libc().close(fd);
    return { data: Buffer.from(buf.subarray(this.letter, this.letter + length)), from, uid, fd: fds[0] ?? -1 };
  }

  private pointer(at: number, offset: number): void {
    this.long(at, this.at + offset);
  }

  private long(at: number, value: number): void {
    this.buf.writeUInt32LE(value % 2 ** 32, at);
    this.buf.writeUInt32LE(Math.floor(value / 2 ** 32), at + 4);
  }
}
