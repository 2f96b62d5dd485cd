import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  emitReth,
  formatReth,
  parseReth,
  RETH_LEN,
  rethDmaLen,
  rethRkey,
  rethVa,
  rethVaHi,
  rethVaLo,
  writeReth,
  writeRethHiLo,
} from '../../src/wire/reth.ts';
import { assertHeader } from './support.ts';

// From rxe-rping.pcap, as tshark reads it.
const BYTES = '00005600ee94a03000002c6d000000c8';
const RETH = { va: 0x5600ee94a030n, rkey: 0x2c6d, dmaLen: 200 };

test('layout', () => {
  assertHeader(BYTES, RETH, parseReth, emitReth);
  assertHeader(
    'fedcba98765432108000000180000000',
    { va: 0xfedcba9876543210n, rkey: 0x80000001, dmaLen: 0x80000000 },
    parseReth,
    emitReth,
  );
});

test('hot-path writers and getters', () => {
  const buf = Buffer.alloc(RETH_LEN + 2, 0xee);
  writeReth(buf, 1, 0x5600ee94a030, 0x2c6d, 200);
  assert.equal(buf.toString('hex'), `ee${BYTES}ee`);
  assert.equal(rethVa(buf, 1), 0x5600ee94a030);
  assert.equal(rethVaHi(buf, 1), 0x5600);
  assert.equal(rethVaLo(buf, 1), 0xee94a030);
  assert.equal(rethRkey(buf, 1), 0x2c6d);
  assert.equal(rethDmaLen(buf, 1), 200);
  writeRethHiLo(buf, 1, 0xfedcba98, 0x76543210, 0x80000001, 0x80000000);
  assert.equal(buf.toString('hex'), 'eefedcba98765432108000000180000000ee');
  assert.equal(rethVaHi(buf, 1), 0xfedcba98);
  assert.equal(rethVaLo(buf, 1), 0x76543210);
  assert.equal(rethRkey(buf, 1), 0x80000001);
});

test('addresses up to 2^53 are exact', () => {
  const buf = Buffer.alloc(RETH_LEN);
  for (const va of [0, 1, 0xffffffff, 0x100000000, 0x7fffffffffff, 0xffffffffffff, Number.MAX_SAFE_INTEGER]) {
    writeReth(buf, 0, va, 0, 0);
    assert.equal(rethVa(buf, 0), va);
    assert.equal(buf.readBigUInt64BE(0), BigInt(va));
  }
});

test('text', () => {
  assert.equal(formatReth(RETH), 'VA 0x5600ee94a030 RKey 0x2c6d DMALen 200');
});
