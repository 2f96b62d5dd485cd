// Every packet that two Linux kernels exchanged decodes, has the ICRC we compute, and is made again byte for byte.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WireError } from '../../src/wire/error.ts';
import { parseEthernet } from '../../src/wire/ethernet.ts';
import { buildFrame, decodeFrame, frameHeaderLength } from '../../src/wire/frame.ts';
import {
  icrcCompute,
  icrcId,
  icrcLen4,
  icrcLen6,
  icrcMatches,
  icrcRead,
  icrcSeed4,
  icrcSeed6,
  icrcWrite,
} from '../../src/wire/icrc.ts';
import { icrcSolveId, icrcSolveIdDf } from '../../src/wire/icrc-id.ts';
import { encodeRoce } from '../../src/wire/packet.ts';
import { CAPTURES, loadCapture, ok, plainIcrc } from './support.ts';

const RXE = CAPTURES.filter((name) => name.startsWith('rxe-'));

test('all captures are here', () => {
  assert.equal(CAPTURES.length, 34);
  assert.equal(RXE.length, 28);
});

for (const name of RXE) {
  test(`${name}: decodes, re-encodes, ICRC, ID`, () => {
    let count = 0;
    for (const { data } of loadCapture(name)) {
      const bytes = Buffer.from(data);
      const frame = ok(decodeFrame(bytes));
      count++;
      const { ip, udp, roceOffset, roceLength, packet } = frame;
      const body = roceLength - 4;
      assert.ok(frame.icrcOk);
      assert.deepEqual(ok(encodeRoce(packet)), bytes.subarray(roceOffset, roceOffset + roceLength));
      assert.equal(plainIcrc(bytes), packet.icrc);
      const df = (ip.fragment & 0x4000) !== 0;
      const flow =
        ip.version === 4
          ? icrcSeed4(ip.src, ip.dst, udp.sport, udp.dport, df) ^ icrcLen4(udp.length)
          : icrcSeed6(ip.src, ip.dst, udp.sport, udp.dport) ^ icrcLen6(udp.length);
      const seed = ip.version === 4 ? flow ^ icrcId(ip.id) : flow;
      assert.equal(icrcCompute(seed, bytes, roceOffset, body), packet.icrc);
      assert.ok(icrcMatches(seed, bytes, roceOffset, body));
      assert.ok(!icrcMatches(seed ^ 1, bytes, roceOffset, body));
      if (ip.version === 4) {
        const diff = icrcCompute(flow, bytes, roceOffset, body) ^ icrcRead(bytes, roceOffset + body);
        assert.equal(icrcSolveId(diff, body), ip.id);
        assert.equal(icrcSolveIdDf(diff, body), ip.id);
      }
      const copy = Buffer.from(bytes);
      copy.fill(0, roceOffset + body);
      icrcWrite(seed, copy, roceOffset, body);
      assert.deepEqual(copy, bytes);
    }
    assert.ok(count > 0);
  });

  test(`${name}: frames are built again byte for byte`, () => {
    for (const { data } of loadCapture(name)) {
      const bytes = Buffer.from(data);
      const { ip, udp, roceOffset, roceLength } = ok(decodeFrame(bytes));
      const eth = ok(parseEthernet(bytes, 0));
      const addresses = {
        srcMac: eth.src,
        dstMac: eth.dst,
        srcIp: ip.src,
        dstIp: ip.dst,
        sport: udp.sport,
        dport: udp.dport,
        tos: ip.tos,
        ttl: ip.ttl,
      };
      const made = Buffer.alloc(bytes.length + 8, 0xee);
      assert.equal(frameHeaderLength(addresses), roceOffset);
      const length = buildFrame(made, 5, addresses, ip.id, (ip.fragment & 0x4000) !== 0, bytes, roceOffset, roceLength);
      assert.equal(length, bytes.length);
      assert.deepEqual(made.subarray(0, 5), Buffer.alloc(5, 0xee));
      assert.deepEqual(made.subarray(5, 5 + length), bytes);
      assert.deepEqual(made.subarray(5 + length), Buffer.alloc(3, 0xee));
    }
  });
}

test('host-garbage.pcap: the runt and the zeros with a wrong ICRC and the UD datagram with a wrong ICRC', () => {
  const [runt, zeros, badIcrc] = loadCapture('host-garbage.pcap').map(({ data }) => decodeFrame(data));
  assert.ok(runt instanceof WireError);
  assert.equal(runt.code, 'truncated');
  assert.equal(ok(zeros).packet.name, 'RC SEND First');
  assert.equal(ok(zeros).icrcOk, false);
  assert.equal(ok(badIcrc).packet.name, 'UD SEND only');
  assert.equal(ok(badIcrc).packet.icrc, 0xefbeadde | 0);
  assert.equal(ok(badIcrc).icrcOk, false);
});

test('host-garbage.pcap: no IPv4 ID explains its ICRCs', () => {
  for (const { data } of loadCapture('host-garbage.pcap').slice(1)) {
    const { ip, udp, roceOffset, roceLength, packet } = ok(decodeFrame(data));
    const flow = icrcSeed4(ip.src, ip.dst, udp.sport, udp.dport, true) ^ icrcLen4(udp.length);
    const body = roceLength - 4;
    assert.equal(icrcSolveIdDf(icrcCompute(flow, data, roceOffset, body) ^ packet.icrc, body), -1);
  }
});

test('siw-*.pcap: TCP is not RoCE', () => {
  for (const name of CAPTURES.filter((n) => n.startsWith('siw-'))) {
    for (const { data } of loadCapture(name)) assert.equal((decodeFrame(data) as WireError).code, 'not-roce');
  }
});
