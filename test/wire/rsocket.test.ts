import assert from 'node:assert/strict';
import { test } from 'node:test';
import { IP_CM_LEN } from '../../src/wire/cm-ip.ts';
import { parseCm } from '../../src/wire/cm-message.ts';
import { WireError } from '../../src/wire/error.ts';
import { decodeFrame } from '../../src/wire/frame.ts';
import {
  emitRsConn,
  parseRsConn,
  RS_CONN_LEN,
  readTarget,
  rsData,
  rsMessage,
  rsOp,
  writeTarget,
} from '../../src/wire/rsocket.ts';
import { madFrames } from './cm-support.ts';
import { loadCapture, ok } from './support.ts';

test('rxe-rstream.pcap: what the two rsockets told each other, made again byte for byte', () => {
  const [req, rep] = madFrames('rxe-rstream.pcap').map((f) => ok(parseCm(f.packet.payload)));
  for (const [data, off] of [
    [req.body.privateData, IP_CM_LEN],
    [rep.body.privateData, 0],
  ] as const) {
    const conn = ok(parseRsConn(data, off));
    assert.deepEqual([conn.credits, conn.targetSgl.length], [384, 2]);
    assert.equal(conn.dataBuf.length, 0x80000);
    const again = new Uint8Array(RS_CONN_LEN);
    emitRsConn(again, 0, conn);
    assert.deepEqual(Buffer.from(again), Buffer.from(data.subarray(off, off + RS_CONN_LEN)));
  }
  // The first packet of data: written to the buffer that was told, its length in the immediate data.
  const conn = ok(parseRsConn(rep.body.privateData, 0));
  const writes = loadCapture('rxe-rstream.pcap').map(({ data }) => ok(decodeFrame(data)).packet);
  const first = writes.find((p) => p.reth?.rkey === conn.dataBuf.key && p.immDt !== undefined)!;
  assert.equal(Number(first.reth!.va), conn.dataBuf.addr);
  assert.deepEqual([rsOp(first.immDt!.imm), rsData(first.immDt!.imm)], [0, first.payload.length]);
});

test('immediate data and target lists', () => {
  assert.equal(rsMessage(7, 2), 0xe0000002);
  assert.deepEqual([rsOp(0xe0000002), rsData(0xe0000002)], [7, 2]);
  const sge = { addr: 0x7f0a0de2a000, key: 0x35bf, length: 0x80000 };
  const buf = Buffer.alloc(16);
  writeTarget(buf, 0, sge, false);
  assert.equal(buf.toString('hex'), '00a0e20d0a7f0000bf35000000000800');
  assert.deepEqual(readTarget(buf, 0), sge);
  writeTarget(buf, 0, sge, true);
  assert.equal(buf.toString('hex'), '00007f0a0de2a000000035bf00080000');
  assert.ok(parseRsConn(new Uint8Array(40), 0) instanceof WireError);
  assert.ok(parseRsConn(new Uint8Array(39), 0) instanceof WireError);
});
