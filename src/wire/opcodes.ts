// BTH opcodes, IBTA vol. 1 section 9.2.1: the top three bits are the transport, the other five the operation. All that the
// hot path asks of an opcode is in typed arrays indexed by the whole byte; a reserved opcode has flags 0.

export const TRANSPORT_RC = 0;
export const TRANSPORT_UC = 1;
export const TRANSPORT_RD = 2;
export const TRANSPORT_UD = 3;
export const TRANSPORT_CNP = 4;
export const TRANSPORT_XRC = 5;
/** Manufacturers' opcodes, 0xc0 to 0xdf. */
export const TRANSPORT_OWN = 6;
/** What {@link opcodeTransport} holds for a reserved opcode. */
export const TRANSPORT_NONE = 0xff;
export const TRANSPORT_SHIFT = 5;

// The operations, to be combined with a transport: TRANSPORT_XRC << TRANSPORT_SHIFT | OP_SEND_ONLY.
export const OP_SEND_FIRST = 0x00;
export const OP_SEND_MIDDLE = 0x01;
export const OP_SEND_LAST = 0x02;
export const OP_SEND_LAST_WITH_IMM = 0x03;
export const OP_SEND_ONLY = 0x04;
export const OP_SEND_ONLY_WITH_IMM = 0x05;
export const OP_WRITE_FIRST = 0x06;
export const OP_WRITE_MIDDLE = 0x07;
export const OP_WRITE_LAST = 0x08;
export const OP_WRITE_LAST_WITH_IMM = 0x09;
export const OP_WRITE_ONLY = 0x0a;
export const OP_WRITE_ONLY_WITH_IMM = 0x0b;
export const OP_READ_REQUEST = 0x0c;
export const OP_READ_RESP_FIRST = 0x0d;
export const OP_READ_RESP_MIDDLE = 0x0e;
export const OP_READ_RESP_LAST = 0x0f;
export const OP_READ_RESP_ONLY = 0x10;
export const OP_ACKNOWLEDGE = 0x11;
export const OP_ATOMIC_ACKNOWLEDGE = 0x12;
export const OP_COMPARE_SWAP = 0x13;
export const OP_FETCH_ADD = 0x14;
export const OP_RESYNC = 0x15;
export const OP_SEND_LAST_WITH_INV = 0x16;
export const OP_SEND_ONLY_WITH_INV = 0x17;
export const OP_FLUSH = 0x1c;
export const OP_ATOMIC_WRITE = 0x1d;

export const RC_SEND_FIRST = 0x00;
export const RC_SEND_MIDDLE = 0x01;
export const RC_SEND_LAST = 0x02;
export const RC_SEND_LAST_WITH_IMM = 0x03;
export const RC_SEND_ONLY = 0x04;
export const RC_SEND_ONLY_WITH_IMM = 0x05;
export const RC_WRITE_FIRST = 0x06;
export const RC_WRITE_MIDDLE = 0x07;
export const RC_WRITE_LAST = 0x08;
export const RC_WRITE_LAST_WITH_IMM = 0x09;
export const RC_WRITE_ONLY = 0x0a;
export const RC_WRITE_ONLY_WITH_IMM = 0x0b;
export const RC_READ_REQUEST = 0x0c;
export const RC_READ_RESP_FIRST = 0x0d;
export const RC_READ_RESP_MIDDLE = 0x0e;
export const RC_READ_RESP_LAST = 0x0f;
export const RC_READ_RESP_ONLY = 0x10;
export const RC_ACKNOWLEDGE = 0x11;
export const RC_ATOMIC_ACKNOWLEDGE = 0x12;
export const RC_COMPARE_SWAP = 0x13;
export const RC_FETCH_ADD = 0x14;
export const RC_SEND_LAST_WITH_INV = 0x16;
export const RC_SEND_ONLY_WITH_INV = 0x17;
export const RC_FLUSH = 0x1c;
export const RC_ATOMIC_WRITE = 0x1d;

export const UC_SEND_FIRST = 0x20;
export const UC_SEND_MIDDLE = 0x21;
export const UC_SEND_LAST = 0x22;
export const UC_SEND_LAST_WITH_IMM = 0x23;
export const UC_SEND_ONLY = 0x24;
export const UC_SEND_ONLY_WITH_IMM = 0x25;
export const UC_WRITE_FIRST = 0x26;
export const UC_WRITE_MIDDLE = 0x27;
export const UC_WRITE_LAST = 0x28;
export const UC_WRITE_LAST_WITH_IMM = 0x29;
export const UC_WRITE_ONLY = 0x2a;
export const UC_WRITE_ONLY_WITH_IMM = 0x2b;

export const UD_SEND_ONLY = 0x64;
export const UD_SEND_ONLY_WITH_IMM = 0x65;

/** RoCEv2 Congestion Notification Packet. */
export const CNP = 0x81;

// Our own, see probe.ts.
export const PROBE = 0xc8;
export const ECHO = 0xc9;

// Bits of opcodeFlags.
/** First packet of its message. */
export const OPF_START = 1 << 0;
export const OPF_MIDDLE = 1 << 1;
/** Last packet of its message; an "only" packet has OPF_START and OPF_END. */
export const OPF_END = 1 << 2;
export const OPF_SEND = 1 << 3;
export const OPF_WRITE = 1 << 4;
export const OPF_READ_REQ = 1 << 5;
export const OPF_READ_RESP = 1 << 6;
/** Acknowledge (not ATOMIC Acknowledge). */
export const OPF_ACK = 1 << 7;
/** CmpSwap or FetchAdd. */
export const OPF_ATOMIC = 1 << 8;
export const OPF_ATOMIC_ACK = 1 << 9;
export const OPF_ATOMIC_WRITE = 1 << 10;
export const OPF_FLUSH = 1 << 11;
/** Headers carried. */
export const OPF_RDETH = 1 << 12;
export const OPF_XRCETH = 1 << 13;
export const OPF_DETH = 1 << 14;
export const OPF_FETH = 1 << 15;
export const OPF_RETH = 1 << 16;
export const OPF_ATOMICETH = 1 << 17;
export const OPF_AETH = 1 << 18;
export const OPF_ATOMICACKETH = 1 << 19;
export const OPF_IMM = 1 << 20;
export const OPF_IETH = 1 << 21;
/** May carry payload (of length zero, too). */
export const OPF_PAYLOAD = 1 << 22;
export const OPF_REQUEST = 1 << 23;
export const OPF_RESPONSE = 1 << 24;
/** Takes a receive WQE when it arrives: starts of SENDs, and WRITEs' ends with immediate data. */
export const OPF_RWR = 1 << 25;
/** Completes a receive WQE: ends of SENDs, and WRITEs' ends with immediate data. */
export const OPF_RECV_END = 1 << 26;
export const OPF_CNP = 1 << 27;
/** Ours: see probe.ts. */
export const OPF_PROBE = 1 << 28;

/** TRANSPORT_* of each opcode, TRANSPORT_NONE when reserved. */
export const opcodeTransport: Uint8Array = new Uint8Array(256).fill(TRANSPORT_NONE);
/** OPF_* bits of each opcode, 0 when reserved. */
export const opcodeFlags: Int32Array = new Int32Array(256);
/** Bytes of BTH and extension headers of each opcode, i.e. where the payload starts; 0 when reserved. */
export const opcodeHeaderLen: Uint8Array = new Uint8Array(256);

// Offset of each extension header from the start of the BTH, 0 when the opcode has none.
export const opcodeRdEthOff: Uint8Array = new Uint8Array(256);
export const opcodeXrcEthOff: Uint8Array = new Uint8Array(256);
export const opcodeDethOff: Uint8Array = new Uint8Array(256);
export const opcodeFethOff: Uint8Array = new Uint8Array(256);
export const opcodeRethOff: Uint8Array = new Uint8Array(256);
export const opcodeAtomicEthOff: Uint8Array = new Uint8Array(256);
export const opcodeAethOff: Uint8Array = new Uint8Array(256);
export const opcodeAtomicAckEthOff: Uint8Array = new Uint8Array(256);
export const opcodeImmOff: Uint8Array = new Uint8Array(256);
export const opcodeIethOff: Uint8Array = new Uint8Array(256);

const names: string[] = Array.from({ length: 256 }, (_, op) => `reserved opcode 0x${op.toString(16).padStart(2, '0')}`);

/** What tshark calls the opcode, the transport's name shortened: "RC SEND Only with Immediate". */
export function opcodeName(opcode: number): string {
  return names[opcode & 0xff];
}

export function isKnownOpcode(opcode: number): boolean {
  return opcodeFlags[opcode] !== 0;
}

/** All opcodes that the IBTA defines, ascending. */
export function knownOpcodes(): number[] {
  return Array.from({ length: TRANSPORT_OWN << TRANSPORT_SHIFT }, (_, op) => op).filter(isKnownOpcode);
}

/** Extension headers in the order in which they stand in a packet (IBTA vol. 1 section 5.2; FETH: annex A19), with lengths. */
const EXTENSIONS: readonly [flag: number, length: number, offsets: Uint8Array][] = [
  [OPF_RDETH, 4, opcodeRdEthOff],
  [OPF_XRCETH, 4, opcodeXrcEthOff],
  [OPF_DETH, 8, opcodeDethOff],
  [OPF_FETH, 4, opcodeFethOff],
  [OPF_RETH, 16, opcodeRethOff],
  [OPF_ATOMICETH, 28, opcodeAtomicEthOff],
  [OPF_AETH, 4, opcodeAethOff],
  [OPF_ATOMICACKETH, 8, opcodeAtomicAckEthOff],
  [OPF_IMM, 4, opcodeImmOff],
  [OPF_IETH, 4, opcodeIethOff],
];

function define(transport: number, name: string, op: number, flags: number): void {
  const opcode = (transport << TRANSPORT_SHIFT) | op;
  let length = 12;
  for (const [flag, size, offsets] of EXTENSIONS) {
    if ((flags & flag) === 0) continue;
    offsets[opcode] = length;
    length += size;
  }
  opcodeTransport[opcode] = transport;
  opcodeFlags[opcode] = flags;
  opcodeHeaderLen[opcode] = flags & (OPF_CNP | OPF_PROBE) ? length + 16 : length;
  names[opcode] = name;
}

const REQ = OPF_REQUEST;
const RESP = OPF_RESPONSE;
const ONLY = OPF_START | OPF_END;
const SEND = REQ | OPF_SEND | OPF_PAYLOAD;
const WRITE = REQ | OPF_WRITE | OPF_PAYLOAD;
const READ_RESP = RESP | OPF_READ_RESP | OPF_PAYLOAD;
const IMM_END = OPF_END | OPF_IMM | OPF_RECV_END;

const OPERATIONS: readonly [op: number, name: string, flags: number][] = [
  [OP_SEND_FIRST, 'SEND First', SEND | OPF_START | OPF_RWR],
  [OP_SEND_MIDDLE, 'SEND Middle', SEND | OPF_MIDDLE],
  [OP_SEND_LAST, 'SEND Last', SEND | OPF_END | OPF_RECV_END],
  [OP_SEND_LAST_WITH_IMM, 'SEND Last with Immediate', SEND | IMM_END],
  [OP_SEND_ONLY, 'SEND Only', SEND | ONLY | OPF_RWR | OPF_RECV_END],
  [OP_SEND_ONLY_WITH_IMM, 'SEND Only with Immediate', SEND | OPF_START | OPF_RWR | IMM_END],
  [OP_WRITE_FIRST, 'RDMA WRITE First', WRITE | OPF_START | OPF_RETH],
  [OP_WRITE_MIDDLE, 'RDMA WRITE Middle', WRITE | OPF_MIDDLE],
  [OP_WRITE_LAST, 'RDMA WRITE Last', WRITE | OPF_END],
  [OP_WRITE_LAST_WITH_IMM, 'RDMA WRITE Last with Immediate', WRITE | OPF_RWR | IMM_END],
  [OP_WRITE_ONLY, 'RDMA WRITE Only', WRITE | ONLY | OPF_RETH],
  [OP_WRITE_ONLY_WITH_IMM, 'RDMA WRITE Only with Immediate', WRITE | OPF_START | OPF_RETH | OPF_RWR | IMM_END],
  [OP_READ_REQUEST, 'RDMA READ Request', REQ | OPF_READ_REQ | ONLY | OPF_RETH],
  [OP_READ_RESP_FIRST, 'RDMA READ response First', READ_RESP | OPF_START | OPF_AETH],
  [OP_READ_RESP_MIDDLE, 'RDMA READ response Middle', READ_RESP | OPF_MIDDLE],
  [OP_READ_RESP_LAST, 'RDMA READ response Last', READ_RESP | OPF_END | OPF_AETH],
  [OP_READ_RESP_ONLY, 'RDMA READ response Only', READ_RESP | ONLY | OPF_AETH],
  [OP_ACKNOWLEDGE, 'Acknowledge', RESP | OPF_ACK | ONLY | OPF_AETH],
  [OP_ATOMIC_ACKNOWLEDGE, 'ATOMIC Acknowledge', RESP | OPF_ATOMIC_ACK | ONLY | OPF_AETH | OPF_ATOMICACKETH],
  [OP_COMPARE_SWAP, 'CmpSwap', REQ | OPF_ATOMIC | ONLY | OPF_ATOMICETH],
  [OP_FETCH_ADD, 'FetchAdd', REQ | OPF_ATOMIC | ONLY | OPF_ATOMICETH],
  [OP_SEND_LAST_WITH_INV, 'SEND Last with Invalidate', SEND | OPF_END | OPF_RECV_END | OPF_IETH],
  [OP_SEND_ONLY_WITH_INV, 'SEND Only with Invalidate', SEND | ONLY | OPF_RWR | OPF_RECV_END | OPF_IETH],
];

for (const [op, name, flags] of OPERATIONS) {
  const request = (flags & OPF_REQUEST) !== 0;
  const classic = op <= OP_FETCH_ADD;
  define(TRANSPORT_RC, `RC ${name}`, op, flags);
  if (op <= OP_WRITE_ONLY_WITH_IMM) define(TRANSPORT_UC, `UC ${name}`, op, flags);
  if (classic) define(TRANSPORT_RD, `RD ${name}`, op, flags | OPF_RDETH | (request ? OPF_DETH : 0));
  define(TRANSPORT_XRC, `XRC ${name}`, op, flags | (request ? OPF_XRCETH : 0));
}
define(TRANSPORT_RC, 'RC FLUSH', OP_FLUSH, REQ | OPF_FLUSH | ONLY | OPF_FETH | OPF_RETH);
define(TRANSPORT_RC, 'RC ATOMIC WRITE', OP_ATOMIC_WRITE, REQ | OPF_ATOMIC_WRITE | ONLY | OPF_RETH | OPF_PAYLOAD);
define(TRANSPORT_RD, 'RD RESYNC', OP_RESYNC, REQ | ONLY | OPF_RDETH | OPF_DETH);
const UD_SEND = SEND | ONLY | OPF_DETH | OPF_RWR | OPF_RECV_END;
define(TRANSPORT_UD, 'UD SEND only', OP_SEND_ONLY, UD_SEND);
define(TRANSPORT_UD, 'UD SEND only with Immediate', OP_SEND_ONLY_WITH_IMM, UD_SEND | OPF_IMM);
define(TRANSPORT_CNP, 'CNP', CNP & 0x1f, OPF_CNP);
define(TRANSPORT_OWN, 'Infinitive PROBE', PROBE & 0x1f, OPF_PROBE);
define(TRANSPORT_OWN, 'Infinitive ECHO', ECHO & 0x1f, OPF_PROBE);
