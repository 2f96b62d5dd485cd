import { Access, EventType, nameOf, QpType, SendFlags, WrOpcode } from '../core/constants.ts';
import type { AsyncEvent, Context } from '../core/context.ts';
import type { Device } from '../core/device.ts';
import { ackAsyncEvent } from '../core/events.ts';
import type { ObjectOf } from '../core/handles.ts';
import { VERBS } from '../core/mandatory.ts';
import { LocalMemory } from '../core/memory.ts';
import type { ObjectKind } from '../core/object.ts';
import * as verbs from '../core/verbs.ts';
import { RecvWr, SendWr, type WorkCompletion } from '../core/work.ts';
import { coreAttr, hex, plain, plainAttr, plainAv, unhex, vector } from './plain.ts';
import type * as S from './side.ts';

/** Lets the devices of a pair work until `done`, or until so many microseconds have gone by. */
export type Run = (done: () => boolean, withinUs: number) => Promise<void>;

const DEFAULT_IOVA = 0x100000;

export class LocalSide implements S.Side {
  readonly device: Device;
  private readonly run: Run;
  private readonly clock: () => number;
  private context: Context;
  private arrived: AsyncEvent[] = [];
  private readonly buffers = new Map<S.Handle, Buffer>();

  constructor(device: Device, run: Run, clock: () => number) {
    this.device = device;
    this.run = run;
    this.clock = clock;
    this.context = this.open();
  }

  private open(): Context {
    // A device that consumers may not use is judged as the user of it that a program is.
    const contextClass = this.device.kverbs ? 'consumer' : 'user';
    const context = verbs.openContext(this.device, { owner: 'conformance', contextClass });
    context.onAsyncEvent = (event) => void this.arrived.push(event);
    return context;
  }

  async reset(): Promise<void> {
    this.close();
    this.arrived = [];
    this.buffers.clear();
    this.context = this.open();
  }

  close(): void {
    if (!this.context.closed) verbs.closeContext(this.context);
  }

  private find<K extends ObjectKind>(kind: K, handle: S.Handle): ObjectOf[K] {
    const found = this.context.handles.find(kind, handle);
    if (found === undefined) throw Object.assign(new Error(`there is no ${kind} ${handle}`), { code: 'ENOENT' });
    return found;
  }

  async facts(): Promise<S.Facts> {
    const { device } = this;
    const { nodeGuid, sysImageGuid: _, ...attributes } = device.attributes;
    return {
      name: device.name,
      driver: device.driver,
      kverbs: device.kverbs,
      missing: device.missingVerbs,
      verbs: VERBS.filter((v) => v.ops.every((op) => device.has(op))).map((v) => v.name),
      capabilities: [...device.capabilities],
      qpTypes: device.qpTypes.map((type) => nameOf(QpType, type)),
      attributes: { ...attributes, nodeGuid: hex(nodeGuid) },
      port: verbs.queryPort(this.context, 1),
      gid: device.gids.at(0) === null ? '' : hex(device.gids.at(0)!.gid),
      pkeys: [...device.pkeys.entries],
    };
  }

  async queryPort(port: number): ReturnType<S.Side['queryPort']> {
    return verbs.queryPort(this.context, port);
  }

  async queryGid(port: number, index: number): Promise<S.Hex> {
    return hex(verbs.queryGid(this.context, port, index));
  }

  async queryPkey(port: number, index: number): Promise<number> {
    return verbs.queryPkey(this.context, port, index);
  }

  async allocPd(): Promise<S.Handle> {
    return verbs.allocPd(this.context).handle;
  }

  async destroy(handle: S.Handle): Promise<void> {
    const object = this.context.objects.get(handle) as ObjectOf[ObjectKind] | undefined;
    switch (object?.kind) {
      case 'pd':
        return verbs.deallocPd(object);
      case 'mr':
        return verbs.deregMr(object);
      case 'mw':
        return verbs.deallocMw(object);
      case 'cq':
        return void verbs.destroyCq(object);
      case 'comp_channel':
        return verbs.destroyCompChannel(object);
      case 'qp':
        return void verbs.destroyQp(object);
      case 'srq':
        return void verbs.destroySrq(object);
      case 'ah':
        return verbs.destroyAh(object);
    }
    throw Object.assign(new Error(`there is no object ${handle} that can be destroyed`), { code: 'ENOENT' });
  }

  async regMr(pd: S.Handle, { length, access, iova }: S.RegMr): Promise<S.Region> {
    const buffer = Buffer.from(new ArrayBuffer(length));
    const at = access & Access.ZERO_BASED ? undefined : (iova ?? DEFAULT_IOVA);
    const mr = verbs.regMr(this.find('pd', pd), new LocalMemory(buffer), { access, iova: at });
    this.buffers.set(mr.handle, buffer);
    return { mr: mr.handle, lkey: mr.lkey, rkey: mr.rkey, addr: mr.iova, length };
  }

  async reregMr(mr: S.Handle, change: { pd?: S.Handle; access?: number; length?: number }): Promise<void> {
    const { pd, access, length } = change;
    const flags = (length === undefined ? 0 : 1) | (pd === undefined ? 0 : 2) | (access === undefined ? 0 : 4);
    const buffer = Buffer.from(new ArrayBuffer(length ?? 0));
    const region = this.find('mr', mr);
    verbs.reregMr(region, flags, {
      ...(pd === undefined ? {} : { pd: this.find('pd', pd) }),
      ...(access === undefined ? {} : { access }),
      ...(length === undefined ? {} : { memory: new LocalMemory(buffer), iova: region.iova }),
    });
    if (length !== undefined) this.buffers.set(mr, buffer);
  }

  async fill(mr: S.Handle, offset: number, length: number, seed: number): Promise<void> {
    const buffer = this.buffers.get(mr)!;
    let x = Math.imul(seed, 0x9e3779b1);
    for (let i = offset; i < offset + length; i++) {
      x = (Math.imul(x, 1103515245) + 12345) | 0;
      buffer[i] = x >>> 16;
    }
  }

  async bytes(mr: S.Handle, offset: number, length: number): Promise<S.Hex> {
    return this.buffers.get(mr)!.toString('hex', offset, offset + length);
  }

  async allocMw(pd: S.Handle, type: 1 | 2): Promise<{ mw: S.Handle; rkey: number }> {
    const mw = verbs.allocMw(this.find('pd', pd), type);
    return { mw: mw.handle, rkey: mw.rkey };
  }

  async bindMw(qp: S.Handle, mw: S.Handle, bind: S.Bind): Promise<number> {
    const options = { ...bind, mr: this.find('mr', bind.mr), flags: SendFlags.SIGNALED };
    return verbs.bindMw(this.find('qp', qp), this.find('mw', mw), options);
  }

  async createChannel(): Promise<S.Handle> {
    return verbs.createCompChannel(this.context).handle;
  }

  async createCq(cqe: number, channel?: S.Handle): Promise<{ cq: S.Handle; cqe: number }> {
    const cq = verbs.createCq(this.context, cqe, channel ? this.find('comp_channel', channel) : null);
    return { cq: cq.handle, cqe: cq.cqe };
  }

  async resizeCq(cq: S.Handle, cqe: number): Promise<number> {
    const it = this.find('cq', cq);
    verbs.resizeCq(it, cqe);
    return it.cqe;
  }

  async notify(cq: S.Handle, solicitedOnly: boolean): Promise<void> {
    verbs.reqNotifyCq(this.find('cq', cq), solicitedOnly);
  }

  async events(cq: S.Handle): Promise<number> {
    return this.find('cq', cq).eventsReported;
  }

  async poll(cq: S.Handle, count: number, withinUs: number): Promise<S.Wc[]> {
    const it = this.find('cq', cq);
    const taken: S.Wc[] = [];
    const take = (): boolean => {
      const into: WorkCompletion[] = [];
      const n = this.device.ops.pollCq(it, count - taken.length, into);
      for (let i = 0; i < n; i++) taken.push(plain(into[i]));
      return taken.length >= count;
    };
    if (!take()) await this.run(take, withinUs);
    return taken;
  }

  async createQp(o: S.CreateQp): ReturnType<S.Side['createQp']> {
    const qp = verbs.createQp(this.find('pd', o.pd), {
      type: QpType[o.type as keyof typeof QpType],
      sendCq: this.find('cq', o.sendCq),
      recvCq: this.find('cq', o.recvCq),
      srq: o.srq ? this.find('srq', o.srq) : null,
      cap: { maxSendWr: 16, maxRecvWr: 16, maxSendSge: 2, maxRecvSge: 2, maxInlineData: 64, ...o.cap },
      sqSigAll: o.sqSigAll,
    });
    return { qp: qp.handle, qpn: qp.qpn, cap: { ...qp.cap } };
  }

  async modifyQp(qp: S.Handle, attr: S.Attr): Promise<void> {
    const { attr: core, mask } = coreAttr(attr);
    verbs.modifyQp(this.find('qp', qp), core, mask);
  }

  async queryQp(qp: S.Handle): Promise<S.Attr> {
    return plainAttr(verbs.queryQp(this.find('qp', qp)));
  }

  async postSend(qp: S.Handle, request: S.SendRequest): Promise<void> {
    const { opcode, inline, compareAdd, swap, ah, mw, bindMr, ...rest } = request;
    const wr: SendWr = Object.assign(new SendWr(), { flags: SendFlags.SIGNALED }, rest);
    wr.opcode = WrOpcode[opcode as keyof typeof WrOpcode];
    wr.numSge = wr.sge.length;
    if (inline !== undefined) wr.inline = unhex(inline);
    if (compareAdd !== undefined) wr.compareAdd = BigInt(compareAdd);
    if (swap !== undefined) wr.swap = BigInt(swap);
    if (ah !== undefined) wr.ah = this.find('ah', ah);
    if (mw !== undefined) wr.mw = this.find('mw', mw);
    if (bindMr !== undefined) wr.bindMr = this.find('mr', bindMr);
    this.device.ops.postSend(this.find('qp', qp), wr);
  }

  async postRecv(queue: S.Handle, request: S.RecvRequest): Promise<void> {
    const wr: RecvWr = Object.assign(new RecvWr(), request);
    wr.numSge = wr.sge.length;
    const srq = this.context.handles.find('srq', queue);
    if (srq !== undefined) this.device.ops.postSrqRecv(srq, wr);
    else this.device.ops.postRecv(this.find('qp', queue), wr);
  }

  async createSrq(pd: S.Handle, limits: S.SrqLimits): Promise<{ srq: S.Handle; maxWr: number }> {
    const srq = verbs.createSrq(this.find('pd', pd), limits);
    return { srq: srq.handle, maxWr: srq.attr.maxWr };
  }

  async modifySrq(srq: S.Handle, change: { maxWr?: number; limit?: number }): Promise<void> {
    const mask = (change.maxWr === undefined ? 0 : 1) | (change.limit === undefined ? 0 : 2);
    verbs.modifySrq(this.find('srq', srq), change, mask);
  }

  async querySrq(srq: S.Handle): Promise<S.SrqLimits> {
    return verbs.querySrq(this.find('srq', srq));
  }

  async createAh(pd: S.Handle, av: S.Av): Promise<S.Handle> {
    return verbs.createAh(this.find('pd', pd), vector(av)).handle;
  }

  async queryAh(ah: S.Handle): Promise<S.Av> {
    return plainAv(verbs.queryAh(this.find('ah', ah)));
  }

  async attachMcast(qp: S.Handle, gid: S.Hex, lid: number): Promise<void> {
    verbs.attachMcast(this.find('qp', qp), unhex(gid), lid);
  }

  async detachMcast(qp: S.Handle, gid: S.Hex, lid: number): Promise<void> {
    verbs.detachMcast(this.find('qp', qp), unhex(gid), lid);
  }

  async asyncEvents(count: number, withinUs: number): Promise<S.Event[]> {
    if (this.arrived.length < count) await this.run(() => this.arrived.length >= count, withinUs);
    return this.arrived.splice(0).map((event) => {
      ackAsyncEvent(event);
      return { type: nameOf(EventType, event.type), handle: event.object?.handle ?? 0 };
    });
  }

  async now(): Promise<number> {
    return this.clock();
  }

  async wait(us: number): Promise<void> {
    await this.run(() => false, us);
  }
}
