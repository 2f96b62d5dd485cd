// Connections with programs of librdmacm in the guest: rping, ucmatose and rstream (an rsocket), in both directions.
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type Connection,
  type ConnectionQpOptions,
  connect,
  connectSocket,
  type Device,
  listen,
  listenSocket,
  type MemoryRegion,
  openDevice,
} from '../../src/api/index.ts';
import type { Cell } from '../cell.ts';
import type { Lab } from '../lab.ts';
import { address4, address6, HOST4, HOST6 } from '../namespace.ts';
import { SERVER_GUEST, SERVER_HERE } from './pingpong.ts';

type Family = 4 | 6;
const SECONDS = 60;
const RPING_PORT = 7174;
const PORT = 7471;
/** What a program needs to be listening; rdma_cm shows nothing that could be waited for. */
const START_MS = 1500;

const here = (family: Family): string => (family === 4 ? HOST4 : HOST6);
const there = (family: Family): string => (family === 4 ? address4(1) : address6(1));

/** Runs a program in the guest beside what is done here; it must succeed. */
async function beside<T>(lab: Lab, command: string, doHere: () => Promise<T>): Promise<T> {
  const running = lab.guest.exec(command, SECONDS);
  const [done, ran] = await Promise.all([doHere(), running]);
  lab.note(`guest: ${command}: ${ran.status}\n${ran.output}`);
  if (ran.status !== 0)
    throw new Error(`${command}: ${ran.status}: ${ran.output.trim().split('\n').slice(-2).join(' | ')}`);
  return done;
}

/** Receive requests for small messages, all into one place. */
class Inbox {
  mr!: MemoryRegion;
  private readonly size: number;
  private readonly count: number;

  constructor(size: number, count: number) {
    this.size = size;
    this.count = count;
  }

  readonly prepare: NonNullable<ConnectionQpOptions['prepare']> = (qp, pd) => {
    this.mr = pd.regMr(Buffer.alloc(this.size));
    for (let i = 0; i < this.count; i++) qp.postRecv({ sge: this.mr.sge() });
  };
}

// rping: each side tells the other where its memory is, in messages of 16 bytes.
const INFO = 16;

async function rpingServer(device: Device, family: Family, rounds: number): Promise<void> {
  using server = listen({ device, port: RPING_PORT, address: here(family) });
  const inbox = new Inbox(INFO, 2);
  const connection = await (await server.next()).accept({ prepare: inbox.prepare });
  const memory = connection.pd.regMr(Buffer.alloc(4096));
  const { qp } = connection;
  const told = async (): Promise<{ remoteAddr: bigint; rkey: number; size: number }> => {
    for (let wc = await connection.recvCq.next(); ; wc = await connection.recvCq.next()) {
      if (wc.orThrow().opcode === 'RECV') break;
    }
    const { buffer } = inbox.mr;
    const info = { remoteAddr: buffer.readBigUInt64BE(), rkey: buffer.readUInt32BE(8), size: buffer.readUInt32BE(12) };
    qp.postRecv({ sge: inbox.mr.sge() });
    return info;
  };
  const go = (): void => qp.postSend({ opcode: 'SEND', inline: Buffer.alloc(INFO), signaled: false });
  for (let round = 0; round < rounds; round++) {
    const { remoteAddr, rkey, size } = await told();
    qp.postSend({ opcode: 'RDMA_READ', sge: memory.sge(0, size), remoteAddr, rkey });
    (await connection.sendCq.next()).orThrow();
    const start = memory.buffer.toString('latin1', 0, 12);
    if (start !== `rdma-ping-${round}:`) throw new Error(`read "${start}" in round ${round}`);
    go();
    const sink = await told();
    qp.postSend({
      opcode: 'RDMA_WRITE',
      sge: memory.sge(0, size),
      remoteAddr: sink.remoteAddr,
      rkey: sink.rkey,
      signaled: false,
    });
    go();
  }
  await connection.closed;
  connection.close();
}

async function rpingClient(device: Device, family: Family, rounds: number): Promise<void> {
  const inbox = new Inbox(INFO, 4);
  await using connection = await connect(there(family), { device, port: RPING_PORT, prepare: inbox.prepare });
  const { qp, pd } = connection;
  const access = ['LOCAL_WRITE', 'REMOTE_READ', 'REMOTE_WRITE'] as const;
  const [from, to] = [64, 64].map((n) => pd.regMr(Buffer.alloc(n), { access }));
  const tell = async (mr: MemoryRegion): Promise<void> => {
    const info = Buffer.alloc(INFO);
    info.writeBigUInt64BE(BigInt(mr.addr));
    info.writeUInt32BE(mr.rkey, 8);
    info.writeUInt32BE(mr.length, 12);
    qp.postSend({ opcode: 'SEND', inline: info, signaled: false });
    (await connection.recvCq.next()).orThrow();
    qp.postRecv({ sge: inbox.mr.sge() });
  };
  for (let round = 0; round < rounds; round++) {
    from.buffer.fill(`rdma-ping-${round}: from here `);
    from.buffer[63] = 0;
    await tell(from);
    await tell(to);
    if (!to.buffer.equals(from.buffer)) throw new Error(`round ${round} came back as ${to.buffer}`);
  }
}

// ucmatose: the server sends its messages, the client its own; the server disconnects.
const MESSAGES = 3;

async function ucmatose(connections: readonly (readonly [Connection, Inbox])[]): Promise<void> {
  for (const [{ qp }, { mr }] of connections) {
    for (let i = 0; i < MESSAGES; i++) qp.postSend({ opcode: 'SEND', sge: mr.sge() });
  }
  for (const [connection] of connections) {
    for (let i = 0; i < 2 * MESSAGES; i++) (await connection.sendCq.next()).orThrow();
  }
}

async function ucmatoseServer(device: Device, family: Family, count: number): Promise<void> {
  using server = listen({ device, port: PORT, address: here(family) });
  const connections: [Connection, Inbox][] = [];
  for (let i = 0; i < count; i++) {
    const inbox = new Inbox(100, MESSAGES);
    connections.push([await (await server.next()).accept({ prepare: inbox.prepare }), inbox]);
  }
  await ucmatose(connections);
  await Promise.all(connections.map(([connection]) => connection.disconnect()));
  for (const [connection] of connections) connection.close();
}

async function ucmatoseClient(device: Device, family: Family): Promise<void> {
  const inbox = new Inbox(100, MESSAGES);
  const connection = await connect(there(family), { device, port: PORT, prepare: inbox.prepare });
  await ucmatose([[connection, inbox]]);
  await connection.closed;
  connection.close();
}

// rstream: 16 bytes there and back, then in each of 3 turns 4 transfers there and 4 back, whose bytes it checks.
const TURNS = 3;
const TRANSFERS = 4;

async function rstreamServer(device: Device, family: Family, size: number): Promise<void> {
  using server = listenSocket({ device, port: PORT, address: here(family), allowHalfOpen: true });
  const socket = await server.next();
  const turns = [16, ...new Array<number>(TURNS).fill(TRANSFERS * size)];
  let parts: Buffer[] = [];
  let got = 0;
  socket.on('data', (bytes: Buffer) => {
    parts.push(bytes);
    got += bytes.length;
    if (got < turns[0]) return;
    socket.write(Buffer.concat(parts));
    turns.shift();
    parts = [];
    got = 0;
  });
  socket.on('end', () => socket.end());
  await once(socket, 'close');
  if (turns.length > 0) throw new Error(`${turns.length} turns are missing`);
}

async function rstreamClient(device: Device, family: Family, size: number): Promise<void> {
  const socket = await connectSocket(there(family), { device, port: PORT, allowHalfOpen: true });
  let wanted = 0;
  for (const n of [16, ...new Array<number>(TURNS).fill(TRANSFERS * size)]) {
    wanted += n;
    socket.write(Buffer.alloc(n));
    while (socket.bytesRead < wanted) {
      if (socket.read() === null) await once(socket, 'readable');
    }
    while (socket.read() !== null);
  }
  socket.end();
  socket.resume();
  await once(socket, 'close');
}

interface Row {
  readonly row: string;
  readonly family: Family;
  readonly direction: string;
  readonly command: string;
  doHere(device: Device): Promise<void>;
}

function rowsOf(family: Family): Row[] {
  const [us, them] = [here(family), there(family)];
  const rows: Row[] = [
    {
      row: 'rping',
      direction: SERVER_HERE,
      command: `rping -c -a ${us} -C 3 -S 200 -v`,
      doHere: (device: Device) => rpingServer(device, family, 3),
    },
    {
      row: 'rping',
      direction: SERVER_GUEST,
      // Its server ends with a status of its own when the client disconnects.
      command: `rping -s -a ${them} -C 3 -S 64 -v || true`,
      doHere: (device: Device) => rpingClient(device, family, 3),
    },
  ].map((r) => ({ ...r, family }));
  if (family === 6) return rows;
  rows.push(
    {
      ...{ row: 'ucmatose', family, direction: SERVER_HERE },
      command: `ucmatose -s ${us} -c 5 -C ${MESSAGES} -S 100`,
      doHere: (device: Device) => ucmatoseServer(device, family, 5),
    },
    {
      ...{ row: 'ucmatose', family, direction: SERVER_GUEST },
      command: `ucmatose -b ${them} -c 1 -C ${MESSAGES} -S 100`,
      doHere: (device: Device) => ucmatoseClient(device, family),
    },
  );
  for (const size of [1, 1000, 65536, 1_000_000]) {
    const options = `-S ${size} -C ${TRANSFERS} -I ${TURNS} -T v`;
    rows.push(
      {
        ...{ row: `rstream ${size} B`, family, direction: SERVER_HERE },
        command: `rstream -s ${us} ${options}`,
        doHere: (device: Device) => rstreamServer(device, family, size),
      },
      {
        ...{ row: `rstream ${size} B`, family, direction: SERVER_GUEST },
        command: `rstream -b ${them} -S ${size} -C ${TRANSFERS} -I ${TURNS}`,
        doHere: (device: Device) => rstreamClient(device, family, size),
      },
    );
  }
  return rows;
}

export const connectionCells: readonly Cell[] = ([4, 6] as const).flatMap(rowsOf).map(
  ({ row, family, direction, command, doHere }): Cell => ({
    ...{ table: 'Connections with librdmacm', row, column: `IPv${family}`, direction },
    ...{ mtu: 1024, guests: 1, ci: !row.endsWith('000000 B') },
    run: async (lab: Lab) => {
      await using device = await openDevice({ address: [HOST4, HOST6] });
      await beside(lab, command, async () => {
        if (direction === SERVER_GUEST) await sleep(START_MS);
        await doHere(device);
      });
    },
  }),
);
