// One of the two programs of hosts.test.ts: an ordinary program that uses the public API.
import assert from 'node:assert/strict';
import { createInterface } from 'node:readline';
import { openDevice, type QpEndpoint, type RemoteBuffer } from '../../src/api/index.ts';
import { pattern } from '../api/fixture.ts';

export interface PeerOptions {
  readonly active: boolean;
  readonly addresses: readonly string[];
  readonly link: 'udp' | 'dgram';
  readonly offload: boolean;
  readonly groups: readonly string[];
}

/** What each tells the other: a queue pair and a buffer for each address, and of UD the QPN. */
export interface Told {
  readonly endpoints: readonly QpEndpoint[];
  readonly buffers: readonly RemoteBuffer[];
}

const BYTES = 150_000;
const QKEY = 0x11;
const options = JSON.parse(process.argv[2]) as PeerOptions;
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const say = (value: unknown): void => console.log(JSON.stringify(value));

await using device = await openDevice({ address: options.addresses, link: options.link, offload: options.offload });
const pd = device.allocPd();
const connections = options.addresses.map((_, i) => {
  const cq = device.createCq();
  const mr = pd.regMr(Buffer.alloc(2 * BYTES), {
    access: ['LOCAL_WRITE', 'REMOTE_WRITE', 'REMOTE_READ', 'REMOTE_ATOMIC'],
  });
  const qp = pd.createQp({ type: 'RC', sendCq: cq });
  return { cq, mr, qp, endpoint: qp.endpoint(i) };
});
const udCq = device.createCq();
const udMr = pd.regMr(Buffer.alloc(4096));
const ud = pd.createQp({ type: 'UD', sendCq: udCq });
ud.activate({ qkey: QKEY });
if (!options.active) {
  for (const [i, group] of options.groups.entries()) {
    ud.postRecv({ wrId: i, sge: udMr.sge(1024 * i, 1024) });
    ud.attachMcast(group);
  }
}

say({ endpoints: connections.map((c) => c.endpoint), buffers: connections.map((c) => c.mr.remote()) } satisfies Told);
const peer = JSON.parse((await lines.next()).value!) as Told;
for (const [i, { qp, mr }] of connections.entries()) {
  qp.connect(peer.endpoints[i], { timeout: 16 });
  if (!options.active) qp.postRecv({ sge: mr.sge(BYTES) });
}
// Both are ready when both have said so.
say('ready');
await lines.next();

if (options.active) {
  for (const [i, { qp, cq, mr }] of connections.entries()) {
    const { addr, rkey } = peer.buffers[i];
    const bytes = pattern(BYTES, i);
    bytes.copy(mr.buffer);
    const done = async (): Promise<void> => {
      (await cq.next({ signal: AbortSignal.timeout(5000) })).orThrow();
    };
    qp.postSend([
      { opcode: 'RDMA_WRITE', sge: mr.sge(0, BYTES), remoteAddr: addr, rkey },
      { opcode: 'RDMA_READ', sge: mr.sge(BYTES, BYTES), remoteAddr: addr, rkey },
      { opcode: 'SEND_WITH_IMM', sge: mr.sge(0, BYTES), imm: i },
      { opcode: 'ATOMIC_FETCH_AND_ADD', sge: mr.sge(0, 8), remoteAddr: addr, rkey, compareAdd: 1n },
    ]);
    for (let n = 0; n < 4; n++) await done();
    assert.ok(mr.buffer.subarray(BYTES).equals(bytes), `READ, address ${i}`);
  }
  for (const group of options.groups) {
    const ah = pd.createAh({ gid: group });
    ud.postSend({ opcode: 'SEND', inline: Buffer.from(group), ah, remoteQpn: 0xffffff, remoteQkey: QKEY });
    (await udCq.next()).orThrow();
  }
} else {
  for (const [i, { cq, mr }] of connections.entries()) {
    const wc = (await cq.next({ signal: AbortSignal.timeout(8000) })).orThrow();
    assert.deepEqual([wc.imm, wc.byteLen], [i, BYTES]);
    assert.ok(mr.buffer.subarray(BYTES).equals(pattern(BYTES, i)), `SEND, address ${i}`);
    assert.ok(mr.buffer.subarray(8, BYTES).equals(pattern(BYTES, i).subarray(8)), `WRITE, address ${i}`);
  }
  for (const group of options.groups) {
    const { wrId, byteLen } = (await udCq.next({ signal: AbortSignal.timeout(3000) })).orThrow();
    assert.equal(udMr.buffer.toString('latin1', 1024 * wrId + 40, 1024 * wrId + byteLen), group);
  }
}
const { sent_pkts, retransmitted_pkts, icrc_errors, dropped_pkts } = device.counters;
say({ mtu: device.mtu, sent_pkts, retransmitted_pkts, icrc_errors, dropped_pkts });
// Acknowledgements may still be asked for.
await lines.next();
