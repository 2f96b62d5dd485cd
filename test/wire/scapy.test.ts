// Scapy's RoCE layer, which computes the ICRC on its own, agrees on packets of every opcode that our encoder makes.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import fc from 'fast-check';
import { buildFrame } from '../../src/wire/frame.ts';
import { icrcId, icrcLen4, icrcSeed4, icrcWrite } from '../../src/wire/icrc.ts';
import { knownOpcodes } from '../../src/wire/opcodes.ts';
import { encodeRoce } from '../../src/wire/packet.ts';
import { missing, requireProgram } from '../helpers/debian.ts';
import { contentOf, ok } from './support.ts';

/** Debian's interpreter: another python3 in PATH would not see the packaged scapy. */
const PYTHON = '/usr/bin/python3';

/** For each frame in hexadecimal: blanks the ICRC, has scapy compute it, prints it with the BTH fields that scapy read. */
const SCRIPT = `
import sys
from scapy.all import Ether, UDP
from scapy.contrib.roce import BTH
for line in sys.stdin:
    frame = bytes.fromhex(line)
    packet = Ether(frame)
    bth = packet[BTH]
    icrc = bth.compute_icrc(bytes(packet[UDP].payload))
    print(icrc.hex(), bth.opcode, bth.padcount, bth.dqpn, bth.psn, bth.pkey, int(bth.becn))
`;

const address = fc.uint8Array({ minLength: 4, maxLength: 4 }).map((a) => Buffer.from(a));
const port = fc.nat(0xffff);

test('ICRCs of random packets of every opcode are those that scapy computes', (t) => {
  if (!requireProgram(t, PYTHON, 'python3')) return;
  if (spawnSync(PYTHON, ['-c', 'import scapy.contrib.roce']).status !== 0) {
    missing(t, 'needs scapy.contrib.roce: apt-get install python3-scapy');
    return;
  }
  const input: string[] = [];
  const expected: string[] = [];
  for (const opcode of knownOpcodes()) {
    const one = fc.tuple(contentOf(opcode), address, address, port, port, fc.boolean(), fc.nat(255));
    for (const [content, srcIp, dstIp, sport, id, df, tos] of fc.sample(one, { seed: 100 + opcode, numRuns: 6 })) {
      const body = ok(encodeRoce(content));
      const seed = icrcSeed4(srcIp, dstIp, sport, 4791, df) ^ icrcLen4(body.length + 8) ^ icrcId(id);
      icrcWrite(seed, body, 0, body.length - 4);
      const frame = Buffer.alloc(42 + body.length);
      const mac = Buffer.from('020000000001', 'hex');
      const addresses = { srcMac: mac, dstMac: mac, srcIp, dstIp, sport, dport: 4791, tos, ttl: 64 };
      buildFrame(frame, 0, addresses, id, df, body, 0, body.length);
      const { bth } = content;
      input.push(frame.toString('hex'));
      expected.push(
        [body.toString('hex', body.length - 4), bth.opcode, bth.pad, bth.qpn, bth.psn, bth.pkey, Number(bth.becn)].join(
          ' ',
        ),
      );
    }
  }
  const run = spawnSync(PYTHON, ['-c', SCRIPT], { input: input.join('\n'), encoding: 'utf8' });
  assert.equal(run.status, 0, run.stderr);
  assert.deepEqual(run.stdout.trim().split('\n'), expected);
});
