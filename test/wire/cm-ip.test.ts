import assert from 'node:assert/strict';
import { test } from 'node:test';
import { emitIpCm, IP_CM_LEN, PortSpace, parseIpCm, portOfServiceId, serviceIdOf } from '../../src/wire/cm-ip.ts';
import { parseCm } from '../../src/wire/cm-message.ts';
import type { WireError } from '../../src/wire/error.ts';
import { madFrames } from './cm-support.ts';
import { ok } from './support.ts';

test('the IP addresses and ports of the captures', () => {
  // As tshark reads them: infiniband.cm.req.ip_cm.*; addresses are those of the packets themselves.
  const ports: Record<string, number> = { 'rxe-rping': 0xbe94, 'rxe-rping-ip6': 0x94fd, 'rxe-ucmatose': 0x9a25 };
  for (const [name, port] of Object.entries(ports)) {
    const [frame] = madFrames(`${name}.pcap`);
    const message = ok(parseCm(frame.packet.payload));
    const header = ok(parseIpCm(message.body.privateData, 0));
    assert.deepEqual(header, {
      version: 0,
      srcIp: Uint8Array.from(frame.ip.src),
      dstIp: Uint8Array.from(frame.ip.dst),
      srcPort: port,
    });
    const again = new Uint8Array(IP_CM_LEN).fill(0xee);
    emitIpCm(again, 0, header);
    assert.deepEqual(again, message.body.privateData.subarray(0, IP_CM_LEN));
  }
});

test('other bytes are refused', () => {
  const bytes = new Uint8Array(IP_CM_LEN);
  assert.equal((parseIpCm(bytes, 0) as WireError).code, 'bad-value');
  bytes[0] = 0x10;
  assert.equal((parseIpCm(bytes, 0) as WireError).code, 'unsupported');
  assert.equal((parseIpCm(bytes, 1) as WireError).code, 'truncated');
});

test('service ids by port space', () => {
  assert.equal(serviceIdOf(PortSpace.TCP, 7174), 0x0000000001061c06n);
  assert.equal(serviceIdOf(PortSpace.UDP, 7174), 0x0000000001111c06n);
  assert.equal(serviceIdOf(PortSpace.IB, 1), 0x00000000013f0001n);
  assert.deepEqual(portOfServiceId(0x1061c06n), { portSpace: PortSpace.TCP, port: 7174 });
  assert.equal(portOfServiceId(0x1000000001061c06n), null);
  assert.equal(portOfServiceId(0x1071c06n), null);
});
