import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  ATOMICETH_LEN,
  atomicEthCompareHi,
  atomicEthCompareLo,
  atomicEthRkey,
  atomicEthSwapHi,
  atomicEthSwapLo,
  atomicEthVa,
  atomicEthVaHi,
  atomicEthVaLo,
  emitAtomicEth,
  formatAtomicEth,
  parseAtomicEth,
  writeAtomicEth,
} from '../../src/wire/atomiceth.ts';
import { assertHeader } from './support.ts';

// From rxe-rc-fetchadd.pcap, as tshark reads it.
test('layout', () => {
  assertHeader(
    '000055b7ddf320000000249e00000000000000010000000000000000',
    { va: 0x55b7ddf32000n, rkey: 0x249e, swap: 1n, compare: 0n },
    parseAtomicEth,
    emitAtomicEth,
  );
});

test('hot-path writer and getters', () => {
  const buf = Buffer.alloc(ATOMICETH_LEN + 2, 0xee);
  writeAtomicEth(buf, 1, 0x55b7ddf32000, 0x8000249e, 0x81828384, 0x85868788, 0x91929394, 0x95969798);
  assert.equal(buf.toString('hex'), 'ee000055b7ddf320008000249e81828384858687889192939495969798ee');
  assert.equal(atomicEthVa(buf, 1), 0x55b7ddf32000);
  assert.equal(atomicEthVaHi(buf, 1), 0x55b7);
  assert.equal(atomicEthVaLo(buf, 1), 0xddf32000);
  assert.equal(atomicEthRkey(buf, 1), 0x8000249e);
  assert.equal(atomicEthSwapHi(buf, 1), 0x81828384);
  assert.equal(atomicEthSwapLo(buf, 1), 0x85868788);
  assert.equal(atomicEthCompareHi(buf, 1), 0x91929394);
  assert.equal(atomicEthCompareLo(buf, 1), 0x95969798);
  const text = formatAtomicEth({ va: 16n, rkey: 1, swap: 2n, compare: 3n });
  assert.equal(text, 'VA 0x10 RKey 0x1 Swap/Add 0x2 Compare 0x3');
});
