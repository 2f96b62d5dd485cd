// Small captures between two Linux guests, as data for tests: test/data/captures.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { toPcapng } from './cable.ts';
import type { Lab, Setting } from './lab.ts';
import { type Env, type Region, region, type Scenario, wire } from './scenarios/end.ts';
import { udQp } from './scenarios/operations.ts';

const remote = ({ addr, rkey }: Region): { raddr: number; rkey: number } => ({ raddr: addr, rkey });

/** One SEND with nobody ready, then a receive request; and a SEND that gives up. */
const rnr: Scenario = async (a, b, env) => {
  await region(a, 'm', 4096);
  await region(b, 'm', 4096);
  await wire(a, b, env, { both: { rnr: 2, min_rnr: 18 } });
  await a.peer.fill('m', 0, 100, 1);
  await a.peer.do('send', { qp: 'q', wr: 1, mr: 'm', len: 100 });
  await b.peer.do('recv', { qp: 'q', wr: 101, mr: 'm' });
  await a.peer.done();
  await b.peer.done();
  await a.peer.do('send', { qp: 'q', wr: 2, mr: 'm', len: 100 });
  await a.peer.poll(1);
};

/** WRITE, READ and FETCH_ADD with a wrong key, each on a connection of its own. */
const accessNak: Scenario = async (a, b, env) => {
  await region(a, 'm', 4096);
  const at = await region(b, 'm', 4096);
  for (const [name, op] of [
    ['w', 'RDMA_WRITE'],
    ['r', 'RDMA_READ'],
    ['f', 'ATOMIC_FETCH_AND_ADD'],
  ]) {
    await wire(a, b, env, { name });
    await a.peer.do('send', { qp: name, op, wr: 1, mr: 'm', len: 8, ...remote(at), rkey: 0x00abcd00 });
    await a.peer.poll(1);
  }
};

/** READ and WRITE that the queue pair does not allow, and a SEND that is too long: NAK of an invalid request. */
const invalidNak: Scenario = async (a, b, env) => {
  await region(a, 'm', 4096);
  const at = await region(b, 'm', 4096);
  for (const [name, op] of [
    ['w', 'RDMA_WRITE'],
    ['r', 'RDMA_READ'],
  ]) {
    await wire(a, b, env, { name, access: 0 });
    await a.peer.do('send', { qp: name, op, wr: 1, mr: 'm', len: 8, ...remote(at) });
    await a.peer.poll(1);
  }
  await wire(a, b, env, { name: 's' });
  await b.peer.do('recv', { qp: 's', wr: 101, mr: 'm', len: 50 });
  await a.peer.do('send', { qp: 's', op: 'SEND', wr: 1, mr: 'm', len: 51 });
  await a.peer.poll(1);
};

/** SEND and WRITE with immediate: empty, of one byte, of one packet and of three. */
const immediate =
  (type: 'RC' | 'UC'): Scenario =>
  async (a, b, env) => {
    await region(a, 'm', 8192);
    const at = await region(b, 'm', 8192);
    await wire(a, b, env, { type });
    for (const [i, len] of [0, 1, env.mtu, 2 * env.mtu + 3].entries()) {
      await a.peer.fill('m', 0, len, i);
      await b.peer.do('recv', { qp: 'q', wr: 100, mr: 'm', count: 2 });
      await a.peer.do('send', { qp: 'q', op: 'SEND_WITH_IMM', wr: 1, mr: 'm', len, imm: 0x01020300 + i });
      await a.peer.do('send', {
        qp: 'q',
        op: 'RDMA_WRITE_WITH_IMM',
        wr: 2,
        mr: 'm',
        len,
        imm: 0xfffffff0 + i,
        ...remote(at),
      });
      await a.peer.done(2);
      await b.peer.done(2);
    }
  };

/** A window of type 2 is written through, invalidated by SENDs (of one packet and of two), and then closed. */
const invalidate: Scenario = async (a, b, env) => {
  await region(a, 'm', 8192);
  const at = await region(b, 'm', 8192);
  await wire(a, b, env);
  await b.peer.do('mw', { name: 'w', type: 2 });
  for (const len of [10, env.mtu + 10]) {
    const { rkey } = await b.peer.do<Region>('bind', { qp: 'q', mw: 'w', mr: 'm', access: 6, wr: 9 });
    await b.peer.done();
    await a.peer.fill('m', 0, len, len);
    await a.peer.do('send', { qp: 'q', op: 'RDMA_WRITE', wr: 1, mr: 'm', len, raddr: at.addr, rkey });
    await a.peer.done();
    await b.peer.do('recv', { qp: 'q', wr: 100, mr: 'm' });
    await a.peer.do('send', { qp: 'q', op: 'SEND_WITH_INV', wr: 2, mr: 'm', len, inv: rkey });
    await a.peer.done();
    await b.peer.done();
    if (len > env.mtu) {
      await a.peer.do('send', { qp: 'q', op: 'RDMA_WRITE', wr: 3, mr: 'm', len: 8, raddr: at.addr, rkey });
      await a.peer.poll(1);
    }
  }
};

/** A window of type 1: WRITE and READ through it, bound anew, and the old key refused. */
const windows: Scenario = async (a, b, env) => {
  await region(a, 'm', 8192);
  const at = await region(b, 'm', 8192);
  await wire(a, b, env);
  await b.peer.do('mw', { name: 'w', type: 1 });
  const keys: number[] = [];
  for (const off of [0, 4096]) {
    keys.push((await b.peer.do<Region>('bind', { qp: 'q', mw: 'w', mr: 'm', off, len: 2048, access: 6, wr: 9 })).rkey);
    await b.peer.done();
    for (const op of ['RDMA_WRITE', 'RDMA_READ']) {
      await a.peer.do('send', { qp: 'q', op, wr: 1, mr: 'm', len: 1100, raddr: at.addr + off, rkey: keys.at(-1) });
      await a.peer.done();
    }
  }
  await a.peer.do('send', { qp: 'q', op: 'RDMA_WRITE', wr: 2, mr: 'm', len: 8, raddr: at.addr, rkey: keys[0] });
  await a.peer.poll(1);
};

const multicast: Scenario = async (a, b, env) => {
  await region(a, 'm', 4096);
  await region(b, 'm', 4096);
  await udQp(a);
  await udQp(b);
  const gid = env.family === 4 ? '::ffff:239.77.0.9' : 'ff15::7709';
  await b.peer.do('mcast', { qp: 'u', gid });
  await a.peer.do('ah', { name: 'ah', gid, sgid: a.sgid });
  for (const [i, len] of [0, 1, 1000].entries()) {
    await a.peer.fill('m', 0, len, i);
    await b.peer.do('recv', { qp: 'u', wr: i, mr: 'm', len: 40 + 1000 });
    await a.peer.do('send', {
      qp: 'u',
      op: i === 1 ? 'SEND' : 'SEND_WITH_IMM',
      wr: i,
      mr: 'm',
      len,
      imm: i,
      ah: 'ah',
      rqpn: 0xffffff,
    });
    await a.peer.done();
    await b.peer.done();
  }
};

const RECORDINGS: Readonly<Record<string, readonly [4 | 6, Scenario]>> = {
  'rxe-rc-rnr': [4, rnr],
  'rxe-rc-access-nak': [4, accessNak],
  'rxe-rc-invalid-nak': [4, invalidNak],
  'rxe-rc-immediate': [4, immediate('RC')],
  'rxe-uc-immediate-ip6': [6, immediate('UC')],
  'rxe-rc-invalidate': [4, invalidate],
  'rxe-rc-windows-ip6': [6, windows],
  'rxe-ud-multicast': [4, multicast],
  'rxe-ud-multicast-ip6': [6, multicast],
};

/** Guest 2 asks, guest 1 answers. */
export async function record(lab: Lab, kernel: string, folder: string): Promise<void> {
  for (const [name, [family, scenario]] of Object.entries(RECORDINGS)) {
    const setting: Setting & Env = { family, mtu: 1024, offload: true };
    await lab.cable.clear();
    await scenario(await lab.linux(setting, 2), await lab.linux(setting, 1), setting);
    writeFileSync(
      join(folder, `${name}.pcapng`),
      toPcapng(await lab.cable.pcap(), `Linux ${kernel}, rdma_rxe on both sides`),
    );
    lab.finish();
  }
}
