// A client of libibverbs that is not C: a TypeScript program that calls it through FFI. Two RC queue pairs of its own, one
// RDMA WRITE, checked. Run it with `infinitive run -- node ffi-app.ts`.
import koffi from 'koffi';

type KoffiFunction = ReturnType<ReturnType<typeof koffi.load>['func']>;
type FunctionType = ReturnType<typeof koffi.proto>;

const ibv = koffi.load('libibverbs.so.1');
const pointers = (name: string, args: string): KoffiFunction => ibv.func(`void *${name}(${args})`);
const numbers = (name: string, args: string): KoffiFunction => ibv.func(`int ${name}(${args})`);
const getDeviceList = pointers('ibv_get_device_list', '_Out_ int *count');
const openDevice = pointers('ibv_open_device', 'void *device');
const allocPd = pointers('ibv_alloc_pd', 'void *context');
const regMr = pointers('ibv_reg_mr', 'void *pd, void *addr, size_t length, int access');
const createCq = pointers('ibv_create_cq', 'void *context, int cqe, void *cq_context, void *channel, int vector');
const createQp = pointers('ibv_create_qp', 'void *pd, void *attr');
const modifyQp = numbers('ibv_modify_qp', 'void *qp, void *attr, int mask');
const queryGid = numbers('ibv_query_gid', 'void *context, uint8_t port, int index, void *gid');
const destroyQp = numbers('ibv_destroy_qp', 'void *qp');
const destroyCq = numbers('ibv_destroy_cq', 'void *cq');
const deregMr = numbers('ibv_dereg_mr', 'void *mr');
const deallocPd = numbers('ibv_dealloc_pd', 'void *pd');
const closeDevice = numbers('ibv_close_device', 'void *context');
// Inline functions of verbs.h call through struct ibv_context_ops, which stands behind the device's pointer.
const PostSend = koffi.proto('int PostSend(void *qp, void *wr, void *bad_wr)');
const PollCq = koffi.proto('int PollCq(void *cq, int entries, void *wc)');
const POLL_CQ = 11;
const POST_SEND = 25;

type Pointer = unknown;
const bytes = (n: number): Buffer => Buffer.from(new ArrayBuffer(n));
const word = (pointer: Pointer, offset: number): number => koffi.decode(pointer, offset, 'uint32_t') as number;
function must<T>(value: T, what: string): T {
  if (!value) throw new Error(`${what} failed, errno ${koffi.errno()}`);
  return value;
}
function zero(result: number, what: string): void {
  if (result !== 0) throw new Error(`${what} failed: ${result}`);
}

const count = [0];
const list = must(getDeviceList(count), 'ibv_get_device_list') as Pointer;
if (count[0] === 0) throw new Error('no device');
const context = must(openDevice(koffi.decode(list, 'void *')), 'ibv_open_device') as Pointer;
const op = (index: number, type: FunctionType): KoffiFunction =>
  koffi.decode(koffi.decode(context, 8 + 8 * index, 'void *'), type) as KoffiFunction;
const postSend = op(POST_SEND, PostSend);
const pollCq = op(POLL_CQ, PollCq);

const pd = must(allocPd(context), 'ibv_alloc_pd') as Pointer;
const memory = bytes(8192);
const mr = must(regMr(pd, memory, memory.length, 1 | 2), 'ibv_reg_mr') as Pointer;
const cq = must(createCq(context, 16, null, null, 0), 'ibv_create_cq') as Pointer;
const gid = bytes(16);
zero(queryGid(context, 1, 0, gid), 'ibv_query_gid');

function newQp(): Pointer {
  const attr = bytes(64);
  attr.writeBigUInt64LE(koffi.address(cq as never), 8);
  attr.writeBigUInt64LE(koffi.address(cq as never), 16);
  [4, 4, 1, 1, 0].forEach((value, i) => {
    attr.writeUInt32LE(value, 32 + 4 * i);
  });
  attr.writeUInt32LE(2, 52); // IBV_QPT_RC
  return must(createQp(pd, attr), 'ibv_create_qp') as Pointer;
}

function connect(qp: Pointer, remote: number): void {
  const attr = bytes(144);
  attr.writeUInt32LE(1, 0);
  attr.writeUInt32LE(2, 32); // remote write
  attr[129] = 1;
  zero(modifyQp(qp, attr, 1 | 8 | 16 | 32), 'to INIT');
  attr.writeUInt32LE(2, 0);
  attr.writeUInt32LE(3, 8); // MTU 1024
  attr.writeUInt32LE(remote, 28);
  gid.copy(attr, 56);
  attr[77] = 64; // hop limit
  attr[85] = 1; // is_global
  attr[86] = 1; // port
  attr[128] = 12;
  zero(modifyQp(qp, attr, 1 | 0x80 | 0x100 | 0x1000 | 0x8000 | 0x20000 | 0x100000), 'to RTR');
  attr.writeUInt32LE(3, 0);
  attr[130] = 14;
  attr[131] = 7;
  attr[132] = 7;
  zero(modifyQp(qp, attr, 1 | 0x200 | 0x400 | 0x800 | 0x2000 | 0x10000), 'to RTS');
}

const [a, b] = [newQp(), newQp()];
const qpn = (qp: Pointer): number => word(qp, 52);
connect(a, qpn(b));
connect(b, qpn(a));

memory.write('written through FFI', 0);
const address = koffi.address(memory);
const sge = bytes(16);
sge.writeBigUInt64LE(address, 0);
sge.writeUInt32LE(19, 8);
sge.writeUInt32LE(word(mr, 36), 12);
const wr = bytes(128);
wr.writeBigUInt64LE(77n, 0);
wr.writeBigUInt64LE(koffi.address(sge), 16);
wr.writeUInt32LE(1, 24);
wr.writeUInt32LE(2, 32); // signaled; opcode 0 is RDMA_WRITE
wr.writeBigUInt64LE(address + 4096n, 40);
wr.writeUInt32LE(word(mr, 40), 48);
zero(postSend(a, wr, bytes(8)), 'ibv_post_send');

const wc = bytes(48);
const end = performance.now() + 5000;
while (pollCq(cq, 1, wc) === 0) if (performance.now() > end) throw new Error('no completion within 5 s');
const arrived = memory.toString('latin1', 4096, 4096 + 19);
console.log(`wr_id ${wc.readBigUInt64LE(0)} status ${wc.readUInt32LE(8)}: "${arrived}"`);
zero(destroyQp(a), 'ibv_destroy_qp');
zero(destroyQp(b), 'ibv_destroy_qp');
zero(destroyCq(cq), 'ibv_destroy_cq');
zero(deregMr(mr), 'ibv_dereg_mr');
zero(deallocPd(pd), 'ibv_dealloc_pd');
zero(closeDevice(context), 'ibv_close_device');
