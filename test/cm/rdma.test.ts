// rdma_cm between simulated hosts: what a program calls, and the events it gets.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { CmEventType } from '../../src/cm/rdma/events.ts';
import type { RdmaCmId } from '../../src/cm/rdma/id.ts';
import { EventChannel } from '../../src/cm/rdma/rdma-cm.ts';
import { flowLabelOf } from '../../src/cm/rdma/route.ts';
import { Access, QpState, QpType, WcStatus, WrOpcode } from '../../src/core/constants.ts';
import { gidToText } from '../../src/core/gid-text.ts';
import * as verbs from '../../src/core/verbs.ts';
import type { SoftQp } from '../../src/transport/qp.ts';
import { PortSpace } from '../../src/wire/cm-ip.ts';
import { RejReason } from '../../src/wire/cm-refuse.ts';
import { sge } from '../transport/fabric.ts';
import { drive, Fabric } from './cm-node.ts';
import { RdmaHost } from './rdma-node.ts';

const MS = 1000;
const FAST = { responseTimeout: 8, maxCmRetries: 3 };
const text = (b: Uint8Array | undefined): string =>
  Buffer.from(b ?? [])
    .toString()
    .replace(/\0+$/, '');

function pair(v4 = false): { f: Fabric; a: RdmaHost; b: RdmaHost; close: () => void } {
  const f = new Fabric();
  const a = new RdmaHost(f, v4 ? '10.1.0.1' : undefined);
  const b = new RdmaHost(f, v4 ? '10.1.0.2' : undefined);
  const close = (): void => {
    a.close();
    b.close();
    f.close();
  };
  return { f, a, b, close };
}

/** As librdmacm does it: the attributes of each state are asked for, and set. */
function walk(host: RdmaHost, qp: SoftQp, id: RdmaCmId, ...states: number[]): void {
  for (const state of states) {
    const { attr, mask } = id.initQpAttr(state);
    host.node.modify(qp, attr, mask);
  }
}

describe('connected', () => {
  for (const v4 of [false, true]) {
    it(`a program's whole way, over IPv${v4 ? 4 : 6}: bind, listen, resolve, connect, accept, data, disconnect`, () => {
      const { f, a, b, close } = pair(v4);
      const listener = b.listener(7174);
      assert.equal(listener.state, 'LISTEN');
      const id = a.id();
      id.setTos(0x20);
      id.resolveAddr(null, { address: b.address, port: 7174 });
      a.next('ADDR_RESOLVED');
      assert.ok(id.src!.port >= 32768);
      id.resolveRoute();
      a.next('ROUTE_RESOLVED');
      assert.equal(id.route!.trafficClass, 0x20);
      assert.equal(id.route!.flowLabel, flowLabelOf(id.src!.port, 7174));
      const qa = a.node.createQp();
      walk(a, qa, id, QpState.INIT);
      id.connect({
        qpn: qa.qpn,
        privateData: Buffer.from('hello'),
        responderResources: 3,
        initiatorDepth: 2,
        retryCount: 7,
        rnrRetryCount: 6,
        ...FAST,
      });
      f.run(1 * MS);
      const asked = b.next('CONNECT_REQUEST');
      assert.equal(asked.listenId, listener);
      assert.equal(asked.conn!.privateData.length, 56);
      assert.equal(text(asked.conn!.privateData), 'hello');
      const { responderResources, initiatorDepth, retryCount, rnrRetryCount, qpNum } = asked.conn!;
      // What one side can do is what the other may ask for.
      assert.deepEqual([responderResources, initiatorDepth, retryCount, rnrRetryCount, qpNum], [2, 3, 7, 6, qa.qpn]);
      const child = asked.id;
      assert.deepEqual([child.dst!.port, child.src!.port], [id.src!.port, 7174]);
      assert.deepEqual(child.dst!.address, a.address);
      const qb = b.node.createQp();
      walk(b, qb, child, QpState.INIT, QpState.RTR, QpState.RTS);
      child.accept({
        qpn: qb.qpn,
        privateData: Buffer.from('welcome'),
        responderResources,
        initiatorDepth,
        rnrRetryCount: 5,
      });
      f.run(1 * MS);
      const answered = a.next('CONNECT_RESPONSE');
      assert.equal(text(answered.conn!.privateData), 'welcome');
      assert.equal(answered.conn!.privateData.length, 196);
      assert.equal(answered.conn!.qpNum, qb.qpn);
      walk(a, qa, id, QpState.RTR, QpState.RTS);
      id.establish();
      f.run(1 * MS);
      b.next('ESTABLISHED');
      assert.deepEqual(
        [qa.attr.maxRdAtomic, qa.attr.maxDestRdAtomic, qb.attr.maxRdAtomic, qb.attr.maxDestRdAtomic],
        [2, 3, 3, 2],
      );
      assert.equal(qa.attr.rnrRetry, 5);
      assert.equal(qb.attr.accessFlags & Access.REMOTE_READ, Access.REMOTE_READ);
      // It carries data.
      const from = a.node.regMr(5000);
      const to = b.node.regMr(5000);
      from.bytes.fill(7);
      b.node.recv(qb, { sge: [sge(to, 0, 5000)] });
      a.node.send(qa, { opcode: WrOpcode.SEND, sge: [sge(from, 0, 5000)] });
      f.run(1 * MS);
      assert.deepEqual(
        b.node.poll(qb.recvCq).map((wc) => wc.status),
        [WcStatus.SUCCESS],
      );
      assert.ok(to.bytes.equals(from.bytes));
      a.node.recv(qa, { sge: [sge(from, 0, 5000)] });
      b.node.send(qb, { opcode: WrOpcode.SEND, sge: [sge(to, 0, 4000)] });
      f.run(1 * MS);
      assert.equal(a.node.poll(qa.recvCq).length, 2);
      id.disconnect();
      f.run(1 * MS);
      b.next('DISCONNECTED');
      child.disconnect();
      f.run(1 * MS);
      assert.equal(a.next('DISCONNECTED').status, 0);
      // TIMEWAIT is as long as packets may live: a second and more by rdma_cm's measure.
      f.run(5000 * MS);
      assert.deepEqual([a.names(), b.names()], [['TIMEWAIT_EXIT'], ['TIMEWAIT_EXIT']]);
      assert.equal(id.destroy(), 5);
      assert.equal(child.destroy(), 4);
      listener.destroy();
      assert.deepEqual([a.rdma.ids.size, b.rdma.ids.size, a.cm.ids.size, b.cm.ids.size], [0, 0, 0, 0]);
      close();
    });
  }

  it('rejected: by nobody, by the program with private data and a reason, by the requester', () => {
    const { f, a, b, close } = pair();
    let id = a.routed(b, 7174);
    id.connect({ qpn: 0x100, ...FAST });
    f.run(1 * MS);
    assert.deepEqual(a.names(), [`REJECTED ${RejReason.INVALID_SERVICE_ID}`]);
    // An id that was refused may try again.
    b.listener(7174);
    id.connect({ qpn: 0x100, ...FAST });
    f.run(1 * MS);
    b.next('CONNECT_REQUEST').id.reject(Buffer.from('not today'));
    f.run(1 * MS);
    let event = a.next('REJECTED');
    assert.deepEqual(
      [event.status, text(event.conn!.privateData), event.conn!.privateData.length],
      [RejReason.CONSUMER_DEFINED, 'not today', 148],
    );
    id = a.routed(b, 7174);
    id.connect({ qpn: 0x101, ...FAST });
    f.run(1 * MS);
    b.next('CONNECT_REQUEST').id.reject(undefined, 5);
    f.run(1 * MS);
    assert.equal(a.next('REJECTED').status, 5);
    id = a.routed(b, 7174);
    id.connect({ qpn: 0x102, ...FAST });
    f.run(1 * MS);
    b.next('CONNECT_REQUEST').id.accept({ qpn: 9 });
    f.run(1 * MS);
    a.next('CONNECT_RESPONSE').id.reject(Buffer.from('changed my mind'));
    f.run(1 * MS);
    event = b.next('REJECTED');
    assert.equal(text(event.conn!.privateData), 'changed my mind');
    close();
  });

  it('unreachable: -ETIMEDOUT; an address of no family or device: ADDR_ERROR', () => {
    const { f, a, b, close } = pair();
    f.sim.partition(a.node.link, b.node.link);
    const id = a.routed(b, 7174);
    id.connect({ qpn: 1, ...FAST });
    f.run(10_000 * MS);
    assert.deepEqual(a.names(), ['UNREACHABLE -110']);
    const none = a.id();
    none.resolveAddr(null, { address: Uint8Array.of(10, 0, 0, 1), port: 1 });
    assert.deepEqual(a.names(), ['ADDR_ERROR -19']);
    assert.throws(() => none.resolveRoute(), { code: 'EINVAL' });
    close();
  });

  it('a peer that vanishes: what it was told is told in the end', () => {
    const { f, a, b, close } = pair();
    b.listener(7174);
    const id = a.routed(b, 7174);
    id.connect({ qpn: 1, ...FAST });
    f.run(1 * MS);
    b.next('CONNECT_REQUEST').id.accept({ qpn: 2 });
    f.run(1 * MS);
    a.next('CONNECT_RESPONSE').id.establish();
    f.run(1 * MS);
    f.sim.partition(a.node.link, b.node.link);
    id.disconnect();
    f.run(10_000_000 * MS);
    assert.deepEqual(a.names(), ['DISCONNECTED -110', 'TIMEWAIT_EXIT']);
    close();
  });

  it('both disconnect at once: each hears of it once', () => {
    const { f, a, b, close } = pair();
    b.listener(7174);
    const id = a.routed(b, 7174);
    id.connect({ qpn: 1, ...FAST });
    f.run(1 * MS);
    const child = b.next('CONNECT_REQUEST').id;
    child.accept({ qpn: 2 });
    f.run(1 * MS);
    a.next('CONNECT_RESPONSE').id.establish();
    f.run(1 * MS);
    b.next('ESTABLISHED');
    id.disconnect();
    child.disconnect();
    f.run(100 * MS);
    assert.deepEqual([a.names(), b.names()], [['DISCONNECTED'], ['DISCONNECTED']]);
    f.run(10_000 * MS);
    assert.deepEqual([a.names(), b.names()], [['TIMEWAIT_EXIT'], ['TIMEWAIT_EXIT']]);
    close();
  });

  it('bounds of private data: 56 bytes of a request, 196 of an answer, 148 of a refusal', () => {
    const { f, a, b, close } = pair();
    b.listener(7174);
    const id = a.routed(b, 7174);
    assert.throws(() => id.connect({ qpn: 1, privateData: new Uint8Array(57), ...FAST }), { code: 'EINVAL' });
    id.connect({ qpn: 1, privateData: new Uint8Array(56).fill(0x61), ...FAST });
    f.run(1 * MS);
    const child = b.next('CONNECT_REQUEST').id;
    assert.throws(() => child.accept({ qpn: 2, privateData: new Uint8Array(197) }), { code: 'EINVAL' });
    assert.throws(() => child.reject(new Uint8Array(149)), { code: 'EINVAL' });
    child.reject(new Uint8Array(148).fill(0x62));
    f.run(1 * MS);
    assert.equal(text(a.next('REJECTED').conn!.privateData).length, 148);
    close();
  });

  it('a program that takes its time: who asks again is told to wait, and the connection comes about', () => {
    const { f, a, b, close } = pair();
    b.listener(7174);
    const id = a.routed(b, 7174);
    // An answer is due after 3 s with the path's two, and asked for once more.
    id.connect({ qpn: 1, responseTimeout: 8, maxCmRetries: 1 });
    f.run(30_000 * MS);
    assert.deepEqual([a.names(), id.ib!.state], [[], 'MRA_REQ_RCVD']);
    b.next('CONNECT_REQUEST').id.accept({ qpn: 2 });
    f.run(20_000 * MS);
    a.next('CONNECT_RESPONSE').id.establish();
    f.run(1 * MS);
    assert.deepEqual(b.names(), ['ESTABLISHED']);
    close();
  });

  it('data before the RTU', () => {
    const { f, a, b, close } = pair();
    b.listener(7174);
    a.routed(b, 7174).connect({ qpn: 1, ...FAST });
    f.run(1 * MS);
    const child = b.next('CONNECT_REQUEST').id;
    child.accept({ qpn: 2 });
    child.notifyEstablished();
    assert.deepEqual(b.names(), ['ESTABLISHED']);
    close();
  });

  it('the ACK timeout that was set is in the request and in the queue pair', () => {
    const { f, a, b, close } = pair();
    b.listener(7174);
    const id = a.id();
    id.setAckTimeout(14);
    assert.throws(() => id.setAckTimeout(32), { code: 'EINVAL' });
    id.resolveAddr(null, { address: b.address, port: 7174 });
    id.resolveRoute();
    a.events();
    id.connect({ qpn: 1, ...FAST });
    f.run(1 * MS);
    const child = b.next('CONNECT_REQUEST').id;
    assert.equal(child.ib!.ackTimeout, 14);
    assert.equal(child.initQpAttr(QpState.RTS).attr.timeout, 14);
    assert.equal(id.initQpAttr(QpState.RTS).attr.timeout, 14);
    close();
  });
});

describe('datagrams', () => {
  it('asks for the queue pair and its key, and sends to it', () => {
    const { f, a, b, close } = pair();
    const listener = b.listener(7174, 8, PortSpace.UDP);
    const id = a.routed(b, 7174, PortSpace.UDP);
    id.connect({ privateData: Buffer.from('ud?'), ...FAST });
    f.run(1 * MS);
    const asked = b.next('CONNECT_REQUEST');
    assert.equal(asked.listenId, listener);
    assert.equal(asked.ud!.privateData.length, 180);
    assert.equal(text(asked.ud!.privateData), 'ud?');
    const qb = b.node.createQp(QpType.UD);
    walk(b, qb, asked.id, QpState.INIT, QpState.RTR, QpState.RTS);
    asked.id.accept({ qpn: qb.qpn, privateData: Buffer.from('here') });
    f.run(1 * MS);
    const { ud } = a.next('ESTABLISHED');
    assert.deepEqual(
      [ud!.qpNum, ud!.qkey, text(ud!.privateData), ud!.privateData.length],
      [qb.qpn, 0x01234567, 'here', 136],
    );
    const qa = a.node.createQp(QpType.UD);
    walk(a, qa, id, QpState.INIT, QpState.RTR, QpState.RTS);
    const ah = verbs.createAh(a.node.pd, ud!.ahAttr);
    b.node.recv(qb, { sge: [sge(b.node.regMr(100), 0, 100)] });
    a.node.send(qa, {
      opcode: WrOpcode.SEND,
      sge: [sge(a.node.regMr(8), 0, 8)],
      ah,
      remoteQpn: ud!.qpNum,
      remoteQkey: ud!.qkey,
    });
    f.run(1 * MS);
    assert.equal(b.node.poll(qb.recvCq).length, 1);
    assert.throws(() => id.disconnect(), { code: 'EINVAL' });
    close();
  });

  it('refused: UNREACHABLE with the status; nobody there: -ETIMEDOUT', () => {
    const { f, a, b, close } = pair();
    a.routed(b, 7174, PortSpace.UDP).connect(FAST);
    f.run(1 * MS);
    assert.deepEqual(a.names(), ['UNREACHABLE 1']);
    b.listener(7174, 8, PortSpace.UDP);
    a.routed(b, 7174, PortSpace.UDP).connect(FAST);
    f.run(1 * MS);
    b.next('CONNECT_REQUEST').id.reject();
    f.run(1 * MS);
    assert.deepEqual(a.names(), ['UNREACHABLE 2']);
    f.sim.partition(a.node.link, b.node.link);
    a.routed(b, 7174, PortSpace.UDP).connect(FAST);
    f.run(100 * MS);
    assert.deepEqual(a.names(), ['UNREACHABLE -110']);
    close();
  });

  it('multicast: what sending to the group takes', () => {
    for (const v4 of [false, true]) {
      const { f, a, b, close } = pair(v4);
      const group = v4 ? Uint8Array.of(239, 1, 2, 3) : Uint8Array.from([0xff, 0x15, ...new Array(13).fill(0), 0x77]);
      const id = b.id(PortSpace.UDP);
      assert.throws(() => id.joinMulticast(group), { code: 'EINVAL' });
      id.bind(b.address, 7174);
      const mc = id.joinMulticast(group, 'mine');
      const { ud, multicast } = b.next('MULTICAST_JOIN');
      assert.deepEqual([multicast, ud!.qpNum, ud!.qkey], [mc, 0xffffff, 0x01234567]);
      assert.equal(gidToText(ud!.ahAttr.dgid), v4 ? '::ffff:239.1.2.3' : 'ff15::77');
      const qb = b.node.createQp(QpType.UD);
      walk(b, qb, id, QpState.INIT, QpState.RTR, QpState.RTS);
      verbs.attachMcast(qb, ud!.ahAttr.dgid);
      b.node.recv(qb, { sge: [sge(b.node.regMr(100), 0, 100)] });
      const sender = a.id(PortSpace.UDP);
      sender.bind(a.address, 0);
      sender.joinMulticast(group);
      const to = a.next('MULTICAST_JOIN').ud!;
      const qa = a.node.createQp(QpType.UD);
      walk(a, qa, sender, QpState.INIT, QpState.RTR, QpState.RTS);
      const ah = verbs.createAh(a.node.pd, to.ahAttr);
      a.node.send(qa, {
        opcode: WrOpcode.SEND,
        sge: [sge(a.node.regMr(8), 0, 8)],
        ah,
        remoteQpn: to.qpNum,
        remoteQkey: to.qkey,
      });
      f.run(1 * MS);
      assert.equal(b.node.poll(qb.recvCq).length, 1);
      id.leaveMulticast(group);
      assert.throws(() => id.leaveMulticast(group), { code: 'EADDRNOTAVAIL' });
      assert.throws(() => id.joinMulticast(b.address), { code: 'EINVAL' });
      verbs.detachMcast(qb, ud!.ahAttr.dgid);
      close();
    }
  });
});

describe('ports', () => {
  it('below 1024 they follow the rule for sockets', () => {
    const { a, close } = pair();
    const id = a.id();
    assert.throws(() => id.bind(a.address, 80), { code: 'EACCES' });
    assert.equal(id.state, 'IDLE');
    const rights = { netBindService: true };
    const root = a.rdma.createId({ channel: a.channel, portSpace: PortSpace.TCP, rights });
    root.bind(a.address, 80);
    assert.throws(() => a.id().bind(a.address, 1023), { code: 'EACCES' });
    a.id().bind(a.address, 1024);
    close();
  });

  it('one owner for an address and port, unless both may share; never beside a listener', () => {
    const { a, close } = pair();
    const any = new Uint8Array(16);
    const first = a.id();
    first.bind(a.address, 5000);
    assert.throws(() => a.id().bind(a.address, 5000), { code: 'EADDRINUSE' });
    assert.throws(() => a.id().bind(any, 5000), { code: 'EADDRINUSE' });
    // Another port space is another matter.
    a.id(PortSpace.UDP).bind(a.address, 5000);
    first.destroy();
    const [one, two, three] = [a.id(), a.id(), a.id()];
    for (const id of [one, two, three]) id.setReuseAddr(true);
    one.bind(any, 5000);
    two.bind(a.address, 5000);
    assert.throws(() => one.listen(1), { code: 'EADDRINUSE' });
    two.destroy();
    one.listen(1);
    assert.throws(() => three.bind(a.address, 5000), { code: 'EADDRINUSE' });
    assert.throws(() => a.id().bind(Uint8Array.of(1, 2, 3, 4), 5), { code: 'EADDRNOTAVAIL' });
    assert.throws(() => a.id().bind(any, 65536), { code: 'EINVAL' });
    close();
  });

  it('[::] and 0.0.0.0 may have one port each if they keep to their families', () => {
    const { a, close } = pair();
    const [six, four, again] = [a.id(), a.id(), a.id()];
    six.setAfOnly(true);
    four.setAfOnly(true);
    six.bind(new Uint8Array(16), 5000);
    four.bind(new Uint8Array(4), 5000);
    assert.throws(() => again.bind(new Uint8Array(4), 5000), { code: 'EADDRINUSE' });
    close();
  });

  it('ephemeral ports: all can be had, then EADDRNOTAVAIL', () => {
    const f = new Fabric();
    const a = new RdmaHost(f, undefined, { portRules: { unprivilegedFrom: 1024, ephemeral: [40000, 40009] } });
    const ids = Array.from({ length: 10 }, () => a.id());
    for (const id of ids) id.bind(a.address, 0);
    assert.equal(new Set(ids.map((id) => id.src!.port)).size, 10);
    assert.throws(() => a.id().bind(a.address, 0), { code: 'EADDRNOTAVAIL' });
    ids[3].destroy();
    a.id().bind(a.address, 0);
    a.close();
    f.close();
  });

  it('a listener on an address is asked before one on any', () => {
    const { f, a, b, close } = pair();
    const exact = b.id();
    const any = b.id();
    for (const id of [exact, any]) id.setReuseAddr(true);
    exact.bind(b.address, 7174);
    exact.listen(4);
    assert.throws(() => any.bind(new Uint8Array(16), 7174), { code: 'EADDRINUSE' });
    a.routed(b, 7174).connect({ qpn: 1, ...FAST });
    f.run(1 * MS);
    assert.equal(b.next('CONNECT_REQUEST').listenId, exact);
    close();
  });
});

describe('several devices', () => {
  it('of one machine: a listener on any address hears on all, one on an address on that; the way out is the likest address', () => {
    const f = new Fabric();
    const a = new RdmaHost(f, '10.1.0.1');
    const b = new RdmaHost(f, '10.1.0.2');
    const other = new RdmaHost(f, '10.9.0.2');
    // The second device of b's machine; one that comes after the listener.
    const listener = b.listener(7174);
    const [device] = other.rdma.devices.splice(0);
    b.rdma.addDevice(device);
    for (const host of [b, other]) drive(host.node, host.gsi, b.rdma);
    const ids = [b, other].map((to, i) => {
      const id = a.routed(to, 7174);
      id.connect({ qpn: i + 1, ...FAST });
      return id;
    });
    f.run(1 * MS);
    const events = b.events();
    assert.deepEqual(
      events.map((e) => [e.type, e.listenId]),
      ids.map(() => ['CONNECT_REQUEST', listener]),
    );
    assert.deepEqual(new Set(events.map((e) => e.id.src!.address[1])), new Set([1, 9]));
    const out = b.id();
    out.resolveAddr(null, { address: Uint8Array.of(10, 9, 0, 77), port: 1 });
    assert.deepEqual([...out.src!.address], [10, 9, 0, 2]);
    b.rdma.removeDevice(device);
    assert.ok(b.events().some((e) => e.type === 'DEVICE_REMOVAL' && e.id === out));
    a.close();
    b.close();
    f.close();
  });
});

describe('limits and lifetimes', () => {
  it('the backlog: requests beyond it are not answered, and come again when there is room', () => {
    const { f, a, b, close } = pair();
    b.listener(7174, 2);
    for (let i = 1; i <= 4; i++) a.routed(b, 7174).connect({ qpn: i, responseTimeout: 12, maxCmRetries: 15 });
    f.run(1 * MS);
    assert.deepEqual([b.channel.length, b.cm.ids.size], [2, 2]);
    for (const { id } of b.events()) id.accept({ qpn: 50 + b.cm.ids.size });
    f.run(4000 * MS);
    assert.equal(b.events().filter((e) => e.type === 'CONNECT_REQUEST').length, 2);
    close();
  });

  it('a flood of requests takes no more memory than the backlog', () => {
    const { f, a, b, close } = pair();
    b.listener(7174, 16);
    for (let i = 1; i <= 2000; i++) a.routed(b, 7174).connect({ qpn: i, ...FAST });
    f.run(500 * MS);
    assert.deepEqual([b.channel.length, b.cm.ids.size, b.rdma.ids.size], [16, 16, 17]);
    close();
  });

  it('an id that is destroyed takes its events with it; a listener refuses what nobody fetched', () => {
    const { f, a, b, close } = pair();
    const listener = b.listener(7174);
    a.routed(b, 7174).connect({ qpn: 1, ...FAST });
    f.run(1 * MS);
    assert.equal(b.channel.length, 1);
    listener.destroy();
    f.run(1 * MS);
    assert.deepEqual([b.channel.length, b.rdma.ids.size, b.cm.ids.size], [0, 0, 0]);
    assert.deepEqual(a.names(), [`REJECTED ${RejReason.CONSUMER_DEFINED}`]);
    b.listener(7174);
    close();
  });

  it('migrates to another channel with the events that wait', () => {
    const { f, a, b, close } = pair();
    const listener = b.listener(7174);
    a.routed(b, 7174).connect({ qpn: 1, ...FAST });
    f.run(1 * MS);
    const other = new EventChannel();
    listener.migrate(other);
    assert.equal(b.channel.length, 0);
    const { id } = other.get()!;
    id.accept({ qpn: 2 });
    f.run(1 * MS);
    a.next('CONNECT_RESPONSE').id.establish();
    f.run(1 * MS);
    assert.equal(other.get()!.type, 'ESTABLISHED');
    close();
  });

  it('the device goes away', () => {
    const { f, a, b, close } = pair();
    b.listener(7174);
    const id = a.routed(b, 7174);
    id.connect({ qpn: 1, ...FAST });
    a.rdma.removeDevice(a.rdma.devices[0]);
    assert.deepEqual(a.names(), ['DEVICE_REMOVAL']);
    f.run(10 * MS);
    id.destroy();
    assert.equal(a.rdma.ids.size, 0);
    close();
  });

  it('what is called out of turn is EINVAL', () => {
    const { a, b, close } = pair();
    const id = a.id();
    const calls = [
      () => id.resolveRoute(),
      () => id.connect({ qpn: 1 }),
      () => id.accept({ qpn: 1 }),
      () => id.reject(),
      () => id.establish(),
      () => id.disconnect(),
      () => id.initQpAttr(QpState.RTR),
    ];
    for (const call of calls) assert.throws(call, { code: 'EINVAL' });
    id.resolveAddr(null, { address: b.address, port: 1 });
    assert.throws(() => id.bind(a.address, 1), { code: 'EINVAL' });
    assert.throws(() => id.listen(1), { code: 'EINVAL' });
    assert.throws(() => a.rdma.createId({ channel: a.channel, portSpace: 5 }), { code: 'EINVAL' });
    assert.throws(() => id.setReuseAddr(true), { code: 'EINVAL' });
    assert.throws(() => id.setTos(256), { code: 'EINVAL' });
    close();
  });

  it('the IB port space has queue pairs of either kind', () => {
    const { f, a, b, close } = pair();
    const listener = b.rdma.createId({ channel: b.channel, portSpace: PortSpace.IB, qpType: QpType.UD });
    listener.bind(b.address, 99 + 1024);
    listener.listen(1);
    const id = a.rdma.createId({ channel: a.channel, portSpace: PortSpace.IB, qpType: QpType.UD });
    id.resolveAddr(null, { address: b.address, port: 99 + 1024 });
    id.resolveRoute();
    a.events();
    id.connect(FAST);
    f.run(1 * MS);
    b.next('CONNECT_REQUEST');
    close();
  });
});

it('events have the numbers of <rdma/rdma_cma.h>', () => {
  const names = Object.keys(CmEventType);
  assert.equal(names.length, 16);
  assert.deepEqual(
    Object.values(CmEventType),
    names.map((_, i) => i),
  );
  assert.deepEqual([CmEventType.CONNECT_REQUEST, CmEventType.ESTABLISHED, CmEventType.TIMEWAIT_EXIT], [4, 9, 15]);
});
