// A program of somebody who installed the package: run, and type-checked against the shipped declarations.
import {
  type Completion,
  type CompletionQueue,
  type Device,
  type OpenOptions,
  openDevice,
  QpAttrMask,
  type QpEndpoint,
  QpState,
  type SendRequest,
  VerbsError,
  WcError,
} from 'infinitive';

const options: OpenOptions = { address: process.argv[2], faults: { loss: 0, seed: 1 } };
const device: Device = await openDevice(options);
device.on('async', ({ type, qpn }) => console.log(type satisfies string, qpn satisfies number | undefined));
const pd = device.allocPd();
const cq: CompletionQueue = device.createCq({ cqe: 16 });
const mr = pd.regMr(new Uint8Array(64), { access: ['LOCAL_WRITE', 'REMOTE_READ'] });
const [a, b] = [0, 1].map(() => pd.createQp({ type: 'RC', sendCq: cq }));
const told: QpEndpoint = b.endpoint();
a.connect(JSON.parse(JSON.stringify(told)));
b.connect(a.endpoint());
const request: SendRequest = { opcode: 'SEND_WITH_IMM', inline: Buffer.from('installed'), imm: 7 };
b.postRecv({ wrId: 1, sge: mr.sge() });
a.postSend(request);
for await (const wc of cq) {
  const done: Completion = wc.orThrow();
  if (done.opcode !== 'RECV') continue;
  const imm: number | null = done.imm;
  console.log(Buffer.from(mr.buffer.subarray(0, done.byteLen)).toString(), imm);
  break;
}
a.modify({ state: QpState.ERR }, QpAttrMask.STATE);
try {
  // @ts-expect-error There is no such operation.
  a.postSend({ opcode: 'SENT' });
} catch (error) {
  if (error instanceof VerbsError) console.log(error.code);
}
console.log(typeof WcError, device.counters.sent_pkts > 0);
await device.close();
