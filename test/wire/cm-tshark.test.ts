// Wireshark's dissector reads the same fields from the same CM MADs, from the captures and from random ones.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { type CmMessage, type CmType, encodeCm, parseCm } from '../../src/wire/cm-message.ts';
import { buildFrame } from '../../src/wire/frame.ts';
import { encodeRoce } from '../../src/wire/packet.ts';
import { PcapngWriter } from '../../src/wire/pcapng-writer.ts';
import { requireProgram } from '../helpers/debian.ts';
import { anyCm, CM_CAPTURES, madFrames } from './cm-support.ts';
import { capturePath, ok } from './support.ts';

// Our names and tshark's. Not compared, because tshark 4.0 has no dissector for them or reads the wrong bits: MRA, SIDR, LAP
// and APR; the flow labels and packet rates of REQ (it takes three bytes for four); the QPN of DREQ has a REQ's name.
const NAMES: Partial<Record<CmType, Record<string, string>>> = {
  REQ: {
    localCaGuid: 'req.localcaguid',
    localQkey: 'req.localqkey',
    localQpn: 'req.localqpn',
    responderResources: 'req.responderres',
    localEecn: 'req.localeecn',
    initiatorDepth: 'req.initdepth',
    remoteEecn: 'req.remoteeecn',
    remoteCmResponseTimeout: 'req.remoteresptout',
    transportType: 'req.transpsvctype',
    flowControl: 'req.e2eflowctrl',
    startingPsn: 'req.startpsn',
    localCmResponseTimeout: 'req.localresptout',
    retryCount: 'req.retrcount',
    pkey: 'req.pkey',
    pathMtu: 'req.pppmtu',
    rdcExists: 'req.rdcexist',
    rnrRetryCount: 'req.rnrretrcount',
    maxCmRetries: 'req.maxcmretr',
    srq: 'req.srq',
    extendedTransport: 'req.ext_transport',
    primaryLocalLid: 'req.prim_locallid',
    primaryRemoteLid: 'req.prim_remotelid',
    primaryTrafficClass: 'req.prim_tfcclass',
    primaryHopLimit: 'req.prim_hoplim',
    primarySl: 'req.prim_sl',
    primarySubnetLocal: 'req.prim_subnetlocal',
    primaryAckTimeout: 'req.prim_localacktout',
    alternateLocalLid: 'req.alt_locallid',
    alternateRemoteLid: 'req.alt_remotelid',
    alternateTrafficClass: 'req.alt_tfcclass',
    alternateHopLimit: 'req.alt_hoplim',
    alternateSl: 'req.alt_sl',
    alternateSubnetLocal: 'req.alt_subnetlocal',
    alternateAckTimeout: 'req.alt_localacktout',
  },
  REP: {
    remoteCommId: 'rep.remotecommid',
    localQkey: 'rep.localqkey',
    localQpn: 'rep.localqpn',
    localEecn: 'rep.localeecn',
    startingPsn: 'rep.startpsn',
    responderResources: 'rep.respres',
    initiatorDepth: 'rep.initdepth',
    targetAckDelay: 'rep.tgtackdelay',
    failoverAccepted: 'rep.failoveracc',
    flowControl: 'rep.e2eflowctrl',
    rnrRetryCount: 'rep.rnrretrcount',
    srq: 'rep.srq',
    localCaGuid: 'rep.localcaguid',
  },
  RTU: { localCommId: 'rtu.localcommid', remoteCommId: 'rtu.remotecommid' },
  REJ: {
    localCommId: 'rej.localcommid',
    remoteCommId: 'rej.remotecommid',
    rejected: 'rej.msgrej',
    infoLength: 'rej.rejinfolen',
    reason: 'rej.reason',
  },
  DREQ: { localCommId: 'dreq.localcommid', remoteCommId: 'dreq.remotecommid' },
  DREP: { localCommId: 'drsp.localcommid', remoteCommId: 'drsp.remotecommid' },
};
const COLUMNS = [...new Set(Object.values(NAMES).flatMap((names) => Object.values(names)))];

function tshark(files: string[]): Map<string, string>[] {
  const fields = COLUMNS.map((f) => `-e infiniband.cm.${f}`).join(' ');
  const command = `mergecap -a -w - "$@" | tshark -r - -n -Y infiniband.bth.destqp==1 -T fields -E separator='|' -E occurrence=f ${fields}`;
  const out = execFileSync('sh', ['-c', command, 'sh', ...files], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
    maxBuffer: 1 << 26,
  });
  return out
    .replace(/\n$/, '')
    .split('\n')
    .map((line) => new Map(line.split('|').map((value, i) => [COLUMNS[i], value])));
}

function frameOf(message: CmMessage): Buffer {
  const packet = ok(
    encodeRoce({
      bth: {
        opcode: 0x64,
        se: false,
        mig: false,
        pad: 0,
        tver: 0,
        pkey: 0xffff,
        fecn: false,
        becn: false,
        resv6: 0,
        qpn: 1,
        ackReq: true,
        resv7: 0,
        psn: 1,
      },
      deth: { qkey: 0x80010000, resv8: 0, sqpn: 1 },
      payload: encodeCm(message),
    }),
  );
  const mac = new Uint8Array(6);
  const ip = Uint8Array.of(10, 0, 0, 1);
  const out = Buffer.alloc(packet.length + 64);
  const addresses = { srcMac: mac, dstMac: mac, srcIp: ip, dstIp: ip, sport: 4791, dport: 4791, tos: 0, ttl: 64 };
  return out.subarray(0, buildFrame(out, 0, addresses, 0, true, packet, 0, packet.length));
}

test('tshark reads what we read', (t) => {
  if (!requireProgram(t, 'tshark', 'tshark') || !requireProgram(t, 'mergecap', 'wireshark-common')) return;
  const dir = mkdtempSync(join(tmpdir(), 'infinitive-cm-'));
  t.after(() => rmSync(dir, { recursive: true }));
  const random = fc.sample(anyCm(...(Object.keys(NAMES) as CmType[])), { seed: 5, numRuns: 120 });
  const writer = new PcapngWriter({ linkType: 1, interfaceName: 'x', application: 'test' });
  for (const message of random) {
    const frame = frameOf(message);
    writer.writePacket(1, 0, frame, 0, frame.length);
  }
  const file = join(dir, 'random.pcapng');
  writeFileSync(file, Buffer.concat(writer.take()));
  const messages = [
    ...CM_CAPTURES.flatMap((name) => madFrames(name).map((f) => ok(parseCm(f.packet.payload)))),
    ...random,
  ];
  const rows = tshark([...CM_CAPTURES.map(capturePath), file]);
  assert.equal(rows.length, messages.length);
  messages.forEach(({ type, body }, i) => {
    for (const [name, column] of Object.entries(NAMES[type] ?? {})) {
      const ours = (body as unknown as Record<string, number | Uint8Array>)[name];
      const text = rows[i].get(column)!;
      const theirs = ours instanceof Uint8Array ? text.replace(/^0x/, '').padStart(2 * ours.length, '0') : Number(text);
      assert.equal(
        theirs,
        ours instanceof Uint8Array ? Buffer.from(ours).toString('hex') : ours,
        `${type}.${name} of message ${i}`,
      );
    }
  });
});
