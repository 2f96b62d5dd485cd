import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as op from '../../src/wire/opcodes.ts';

/** Extension headers by opcode, written out by hand from IBTA vol. 1 section 9.2.1 (table of opcodes) and annexes A14, A19. */
const HEADERS: Record<string, string> = {
  'RC SEND Middle': '',
  'RC SEND Last with Immediate': 'ImmDt',
  'RC SEND Only with Invalidate': 'IETH',
  'RC RDMA WRITE First': 'RETH',
  'RC RDMA WRITE Middle': '',
  'RC RDMA WRITE Last with Immediate': 'ImmDt',
  'RC RDMA WRITE Only with Immediate': 'RETH ImmDt',
  'RC RDMA READ Request': 'RETH',
  'RC RDMA READ response First': 'AETH',
  'RC RDMA READ response Middle': '',
  'RC RDMA READ response Last': 'AETH',
  'RC RDMA READ response Only': 'AETH',
  'RC Acknowledge': 'AETH',
  'RC ATOMIC Acknowledge': 'AETH AtomicAckETH',
  'RC CmpSwap': 'AtomicETH',
  'RC FetchAdd': 'AtomicETH',
  'RC FLUSH': 'FETH RETH',
  'RC ATOMIC WRITE': 'RETH',
  'UC SEND Only with Immediate': 'ImmDt',
  'UC RDMA WRITE Only with Immediate': 'RETH ImmDt',
  'UD SEND only': 'DETH',
  'UD SEND only with Immediate': 'DETH ImmDt',
  'RD SEND Only': 'RDETH DETH',
  'RD RDMA WRITE Only with Immediate': 'RDETH DETH RETH ImmDt',
  'RD Acknowledge': 'RDETH AETH',
  'RD RESYNC': 'RDETH DETH',
  'XRC SEND Only': 'XRCETH',
  'XRC SEND Only with Invalidate': 'XRCETH IETH',
  'XRC RDMA WRITE Only with Immediate': 'XRCETH RETH ImmDt',
  'XRC RDMA READ Request': 'XRCETH RETH',
  'XRC RDMA READ response Only': 'AETH',
  'XRC Acknowledge': 'AETH',
  'XRC CmpSwap': 'XRCETH AtomicETH',
};

const TABLES: [name: string, length: number, offsets: Uint8Array][] = [
  ['RDETH', 4, op.opcodeRdEthOff],
  ['XRCETH', 4, op.opcodeXrcEthOff],
  ['DETH', 8, op.opcodeDethOff],
  ['FETH', 4, op.opcodeFethOff],
  ['RETH', 16, op.opcodeRethOff],
  ['AtomicETH', 28, op.opcodeAtomicEthOff],
  ['AETH', 4, op.opcodeAethOff],
  ['AtomicAckETH', 8, op.opcodeAtomicAckEthOff],
  ['ImmDt', 4, op.opcodeImmOff],
  ['IETH', 4, op.opcodeIethOff],
];

test('extension headers, their order and offsets', () => {
  for (const [name, list] of Object.entries(HEADERS)) {
    const opcode = op.knownOpcodes().find((o) => op.opcodeName(o) === name);
    assert.ok(opcode !== undefined, name);
    const there = TABLES.filter(([, , offsets]) => offsets[opcode] !== 0).sort((a, b) => a[2][opcode] - b[2][opcode]);
    assert.equal(there.map(([header]) => header).join(' '), list, name);
    let at = 12;
    for (const [header, length, offsets] of there) {
      assert.equal(offsets[opcode], at, `${name}: ${header}`);
      at += length;
    }
    assert.equal(op.opcodeHeaderLen[opcode], at, name);
  }
  assert.equal(op.opcodeHeaderLen[op.CNP], 28);
});

test('how many opcodes each transport has', () => {
  const count = (transport: number): number =>
    op.knownOpcodes().filter((o) => op.opcodeTransport[o] === transport).length;
  assert.deepEqual(
    [op.TRANSPORT_RC, op.TRANSPORT_UC, op.TRANSPORT_RD, op.TRANSPORT_UD, op.TRANSPORT_CNP, op.TRANSPORT_XRC].map(count),
    [25, 12, 22, 2, 1, 23],
  );
  assert.equal(op.opcodeTransport[0xff], op.TRANSPORT_NONE);
});

test('the constants name the opcodes they should', () => {
  const spoken: Record<string, string> = { IMM: 'Immediate', INV: 'Invalidate', RESP: 'response', CNP: 'CNP' };
  for (const [key, value] of Object.entries(op)) {
    if (!/^(RC|UC|UD)_/.test(key) || typeof value !== 'number') continue;
    const name = op
      .opcodeName(value)
      .replace('RDMA ', '')
      .replace('CmpSwap', 'COMPARE SWAP')
      .replace('FetchAdd', 'FETCH ADD');
    const words = key.split('_').map((word) => spoken[word] ?? word);
    assert.equal(name.toUpperCase(), words.join(' ').toUpperCase());
  }
});

test('flags are consistent', () => {
  for (const opcode of op.knownOpcodes()) {
    const flags = op.opcodeFlags[opcode];
    const name = op.opcodeName(opcode);
    const has = (flag: number): boolean => (flags & flag) !== 0;
    if (opcode === op.CNP) continue;
    assert.notEqual(has(op.OPF_REQUEST), has(op.OPF_RESPONSE), name);
    assert.equal(has(op.OPF_MIDDLE), !has(op.OPF_START) && !has(op.OPF_END), name);
    assert.equal(
      has(op.OPF_START),
      /First|Only|only|Request|cknowledge|Cmp|Fetch|FLUSH|ATOMIC WRITE|RESYNC/.test(name),
      name,
    );
    assert.equal(has(op.OPF_RECV_END), has(op.OPF_REQUEST) && /SEND (Last|Only|only)|Immediate/.test(name), name);
    assert.equal(has(op.OPF_RWR), /SEND (First|Only|only)|WRITE .*Immediate/.test(name), name);
    assert.equal(has(op.OPF_IMM), name.includes('Immediate'), name);
    assert.equal(has(op.OPF_IETH), name.includes('Invalidate'), name);
    assert.equal(has(op.OPF_PAYLOAD), /SEND|WRITE|READ response/.test(name), name);
    assert.equal(has(op.OPF_RETH), op.opcodeRethOff[opcode] !== 0, name);
  }
});
