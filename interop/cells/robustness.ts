// Garbage and forgeries from the guest: a connection between it and us goes on as if nothing were, and all is counted.
import { Random } from '../../src/link/random.ts';
import {
  RC_ACKNOWLEDGE,
  RC_READ_REQUEST,
  RC_SEND_MIDDLE,
  RC_SEND_ONLY,
  RC_WRITE_ONLY,
  UD_SEND_ONLY,
} from '../../src/wire/opcodes.ts';
import type { Cell } from '../cell.ts';
import { bare, packet, send } from '../forgery.ts';
import type { Lab, Setting } from '../lab.ts';
import { type Connected, type End, equal, type Region, region, wire } from '../scenarios/end.ts';
import { udQp } from '../scenarios/operations.ts';

const SETTING: Setting = { family: 4, mtu: 1024, offload: true };
const RESERVED_OPCODES = [0x1f, 0x3f, 0x9f, 0xff];
const PAYLOAD = Buffer.alloc(64, 0x66);

interface Scene {
  readonly lab: Lab;
  readonly ours: End;
  readonly linux: End;
  readonly qps: Connected;
  /** Our region, open to the peer. */
  readonly at: Region;
  /** What we expect next from Linux. */
  readonly psn: number;
  readonly ud: number;
}

type Counted = Readonly<Record<string, number>>;

interface Forgery {
  readonly row: string;
  make(scene: Scene): Buffer[];
  /** Which of our counters tell of it, and by how much; a number below 0: at least so much. */
  counted(datagrams: number): Counted;
}

const reth = (at: Region, rkey = at.rkey): { va: bigint; rkey: number; dmaLen: number } => ({
  va: BigInt(at.addr),
  rkey,
  dmaLen: 64,
});

const wrongIcrc = (bytes: Buffer): Buffer => {
  bytes[bytes.length - 1] ^= 0x40;
  return bytes;
};

const FORGERIES: readonly Forgery[] = [
  {
    row: 'random bytes of all lengths',
    make: () => {
      const random = new Random(9);
      return Array.from({ length: 400 }, (_, i) => {
        const bytes = Buffer.alloc(i < 64 ? i : random.below(1472));
        for (let j = 0; j < bytes.length; j++) bytes[j] = random.below(256);
        return bytes;
      });
    },
    // What is too short to have an ICRC is dropped otherwise.
    counted: () => ({ icrc_errors: -300 }),
  },
  {
    row: 'wrong ICRC: SEND, WRITE, acknowledgement',
    make: ({ qps, psn, at }) => [
      wrongIcrc(packet(1, { opcode: RC_SEND_ONLY, qpn: qps.a.qpn, psn }, { payload: PAYLOAD })),
      wrongIcrc(packet(1, { opcode: RC_WRITE_ONLY, qpn: qps.a.qpn, psn }, { reth: reth(at), payload: PAYLOAD })),
      wrongIcrc(
        packet(1, { opcode: RC_ACKNOWLEDGE, qpn: qps.a.qpn, psn: qps.a.psn }, { aeth: { syndrome: 0x1f, msn: 1 } }),
      ),
    ],
    counted: (n) => ({ icrc_errors: n }),
  },
  {
    row: 'cut short, with the ICRC of what is left',
    make: ({ qps, psn }) => Array.from({ length: 16 }, (_, i) => bare(1, RC_WRITE_ONLY, qps.a.qpn, psn, 16 + i)),
    counted: () => ({ dropped_pkts: -15 }),
  },
  {
    row: 'foreign QPN',
    make: ({ psn }) =>
      [2, 3, 0x777777, 0xfffffe].map((qpn) => packet(1, { opcode: RC_SEND_ONLY, qpn, psn }, { payload: PAYLOAD })),
    counted: (n) => ({ dropped_pkts: n }),
  },
  {
    row: 'old PSN: SEND, WRITE, READ of what was never asked',
    make: ({ qps, psn, at }) =>
      [1, 2, 3, 4].flatMap((back) => {
        const bth = { qpn: qps.a.qpn, psn: (psn - back) & 0xffffff };
        return [
          packet(1, { ...bth, opcode: RC_SEND_ONLY }, { payload: PAYLOAD }),
          packet(1, { ...bth, opcode: RC_WRITE_ONLY }, { reth: reth(at), payload: PAYLOAD }),
        ];
      }),
    counted: (n) => ({ duplicate_request: n }),
  },
  {
    row: 'PSN far ahead',
    make: ({ qps, psn }) =>
      [100, 5000, 0x7fffff].map((ahead) =>
        packet(1, { opcode: RC_SEND_ONLY, qpn: qps.a.qpn, psn: (psn + ahead) & 0xffffff }, { payload: PAYLOAD }),
      ),
    counted: () => ({ out_of_seq_request: -1 }),
  },
  {
    row: 'acknowledgements and READ responses of what was never sent',
    make: ({ qps }) =>
      [0, 1, 500].map((ahead) =>
        packet(
          1,
          { opcode: RC_ACKNOWLEDGE, qpn: qps.a.qpn, psn: (qps.a.psn + 1000 + ahead) & 0xffffff },
          { aeth: { syndrome: 0x62, msn: 1 } },
        ),
      ),
    counted: () => ({}),
  },
  {
    row: 'bad P_Key',
    make: ({ qps, psn }) =>
      [0x7ffe, 0x0001, 0x0000].map((pkey) =>
        packet(1, { opcode: RC_SEND_ONLY, qpn: qps.a.qpn, psn, pkey }, { payload: PAYLOAD }),
      ),
    counted: (n) => ({ bad_pkey: n }),
  },
  {
    row: 'reserved opcodes',
    make: ({ qps, psn }) => RESERVED_OPCODES.map((opcode) => bare(1, opcode, qps.a.qpn, psn, 64)),
    counted: (n) => ({ dropped_pkts: n }),
  },
  {
    row: 'opcodes of another transport',
    make: ({ qps, psn, ud }) => [
      packet(
        1,
        { opcode: UD_SEND_ONLY, qpn: qps.a.qpn, psn },
        { deth: { qkey: 0x11111111, resv8: 0, sqpn: 17 }, payload: PAYLOAD },
      ),
      packet(1, { opcode: RC_SEND_ONLY, qpn: ud, psn }, { payload: PAYLOAD }),
    ],
    counted: (n) => ({ dropped_pkts: n }),
  },
  {
    row: 'bad Q_Key',
    make: ({ ud }) =>
      [0, 0x11111110].map((qkey) =>
        packet(1, { opcode: UD_SEND_ONLY, qpn: ud, psn: 0 }, { deth: { qkey, resv8: 0, sqpn: 17 }, payload: PAYLOAD }),
      ),
    counted: (n) => ({ bad_qkey: n }),
  },
  {
    row: 'another header version',
    make: ({ qps, psn }) =>
      [1, 15].map((tver) => packet(1, { opcode: RC_SEND_ONLY, qpn: qps.a.qpn, psn, tver }, { payload: PAYLOAD })),
    counted: (n) => ({ dropped_pkts: n }),
  },
];

async function scene(lab: Lab): Promise<Scene> {
  const [ours, linux] = await Promise.all([lab.ours(SETTING), lab.linux(SETTING)]);
  const at = await region(ours, 'm', 65536);
  await region(linux, 'm', 65536);
  const qps = await wire(ours, linux, SETTING);
  const { qpn: ud } = await udQp(ours);
  const all = { lab, ours, linux, qps, at, ud };
  await converse({ ...all, psn: 0 }, 1);
  // One SEND and one WRITE of Linux's have come.
  return { ...all, psn: (qps.b.psn + 2) & 0xffffff };
}

/** The connection works: a SEND each way and a WRITE to us, of one packet each. */
async function converse({ ours, linux, at }: Scene, seed: number): Promise<void> {
  for (const [from, to] of [
    [ours, linux],
    [linux, ours],
  ]) {
    await from.peer.fill('m', 0, 1000, seed);
    await to.peer.do('recv', { qp: 'q', wr: 100 + seed, mr: 'm', off: 8192, len: 1000 });
    await from.peer.do('send', { qp: 'q', op: 'SEND', wr: seed, mr: 'm', len: 1000 });
    await from.peer.done();
    equal((await to.peer.done())[0].wr, 100 + seed, 'receive');
    await to.peer.check('m', 8192, 1000, seed);
  }
  await linux.peer.do('send', {
    qp: 'q',
    op: 'RDMA_WRITE',
    wr: seed,
    mr: 'm',
    len: 1000,
    raddr: at.addr + 16384,
    rkey: at.rkey,
  });
  await linux.peer.done();
  await ours.peer.check('m', 16384, 1000, seed);
}

const robust = (row: string, run: (lab: Lab) => Promise<void>): Cell => ({
  ...{
    table: 'Robustness',
    row,
    column: 'no harm, counted',
    direction: 'Linux → ours',
    mtu: SETTING.mtu,
    guests: 1,
    ci: true,
  },
  run,
});

const harmless = FORGERIES.map(({ row, make, counted }) =>
  robust(row, async (lab) => {
    const here = await scene(lab);
    const { ours, qps } = here;
    await ours.peer.do('fill', { mr: 'm', byte: 0xee });
    // A receive request that a forged SEND would take.
    await ours.peer.do('recv', { qp: 'q', wr: 777, mr: 'm', off: 32768, len: 4096 });
    const before = await ours.peer.do<Counted>('counters');
    const datagrams = make(here);
    await send(lab.guest, datagrams);
    equal((await ours.peer.poll(1, 300)).length, 0, 'completions');
    await ours.peer.untouched('m', 0, 65536);
    const after = await ours.peer.do<Counted>('counters');
    for (const [name, expected] of Object.entries(counted(datagrams.length))) {
      const more = after[name] - before[name];
      if (expected < 0 ? more < -expected : more !== expected) {
        throw new Error(`${datagrams.length} datagrams: ${name} grew by ${more}, not ${Math.abs(expected)}`);
      }
    }
    // The request that waited takes what comes next.
    await here.linux.peer.fill('m', 0, 900, 5);
    await here.linux.peer.do('send', { qp: 'q', op: 'SEND', wr: 5, mr: 'm', len: 900 });
    await here.linux.peer.done();
    equal((await ours.peer.done())[0].wr, 777, 'the receive request');
    await ours.peer.check('m', 32768, 900, 5);
    await converse(here, 9);
    equal(await ours.peer.do('state', { qp: 'q' }), { state: 'RTS' }, `state of QP ${qps.a.qpn}`);
  }),
);

/** What a peer may not send on a connection ends that connection (IBTA 9.7.4.1.2), and no other. */
const impossible = [
  { row: 'a sequence of opcodes that cannot be: Middle without First', opcode: RC_SEND_MIDDLE },
  { row: 'a READ beyond the region', opcode: RC_READ_REQUEST },
].map(({ row, opcode }) =>
  robust(row, async (lab) => {
    const here = await scene(lab);
    const { ours, linux, at, psn, qps } = here;
    await wire(ours, linux, SETTING, { name: 'other' });
    const bytes =
      opcode === RC_SEND_MIDDLE
        ? packet(1, { opcode, qpn: qps.a.qpn, psn }, { payload: Buffer.alloc(1024) })
        : packet(1, { opcode, qpn: qps.a.qpn, psn }, { reth: { ...reth(at), dmaLen: 70_000 } });
    await send(lab.guest, [bytes]);
    await ours.peer.poll(1, 300);
    equal(await ours.peer.do('state', { qp: 'q' }), { state: 'ERR' }, 'state');
    equal(await ours.peer.do('state', { qp: 'other' }), { state: 'RTS' }, 'state of the other QP');
    await ours.peer.do('recv', { qp: 'other', wr: 1, mr: 'm', len: 100 });
    await linux.peer.do('send', { qp: 'other', op: 'SEND', wr: 2, mr: 'm', len: 100 });
    await linux.peer.done();
    const [got] = (await ours.peer.poll(4, 2000, 200)).filter(({ wr, status }) => wr === 1 && status === 'SUCCESS');
    equal(got?.len, 100, 'what the other QP received');
  }),
);

export const robustnessCells: readonly Cell[] = [...harmless, ...impossible];
