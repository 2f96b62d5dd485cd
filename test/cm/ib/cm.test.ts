// The IB connection manager between simulated hosts: each way through the table of states, and loss on top.
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { IbCm } from '../../../src/cm/ib/cm.ts';
import { TRANSITIONS } from '../../../src/cm/ib/states.ts';
import { ackTimeoutOf } from '../../../src/cm/ib/time.ts';
import type { SimulationOptions } from '../../../src/link/sim.ts';
import { CmTransport } from '../../../src/wire/cm-connect.ts';
import { encodeCm } from '../../../src/wire/cm-message.ts';
import { RejReason } from '../../../src/wire/cm-refuse.ts';
import { SidrStatus } from '../../../src/wire/cm-sidr.ts';
import { CmHost, eventOf, Fabric, idOf, reply, request, SERVICE } from '../cm-node.ts';

// Every transition that is made here is noted; in the end none of the table may be missing.
const taken = new Set<string>();
const step = IbCm.prototype.step;
IbCm.prototype.step = function (this: IbCm, id, input): boolean {
  const key = `${id.state}/${input}`;
  const ok = step.call(this, id, input);
  if (ok) taken.add(key);
  return ok;
};
after(() => {
  IbCm.prototype.step = step;
});

const MS = 1000;
const hex = (b: Uint8Array): string => Buffer.from(b).toString('hex');

/** Two hosts, `b` listening. */
function pair(options: SimulationOptions = {}): { f: Fabric; a: CmHost; b: CmHost } {
  const f = new Fabric(options);
  const [a, b] = [new CmHost(f), new CmHost(f)];
  b.cm.listen(SERVICE, b.handler);
  return { f, a, b };
}

function close({ f, a, b }: { f: Fabric; a: CmHost; b: CmHost }): void {
  a.close();
  b.close();
  f.close();
}

/** Server and client that do what is to be done. */
function obliging(a: CmHost, b: CmHost): void {
  b.react = (e) => {
    if (e.type === 'REQ_RECEIVED') b.cm.sendRep(e.id, reply());
    if (e.type === 'DREQ_RECEIVED') b.cm.sendDrep(e.id);
    return undefined;
  };
  a.react = (e) => {
    if (e.type === 'REP_RECEIVED') a.cm.sendRtu(e.id);
    if (e.type === 'DREQ_RECEIVED') a.cm.sendDrep(e.id);
    return undefined;
  };
}

describe('connecting', () => {
  it('REQ, REP, RTU; DREQ, DREP; TIMEWAIT on both sides', () => {
    const all = pair();
    const { f, a, b } = all;
    obliging(a, b);
    const id = a.cm.createId(a.handler);
    a.cm.sendReq(id, request(a, b, { qpn: 0x55, privateData: Buffer.from('hello') }));
    f.run(5 * MS);
    assert.equal(id.state, 'ESTABLISHED');
    const { id: peer, req } = eventOf(b, 'REQ_RECEIVED');
    assert.equal(peer.state, 'ESTABLISHED');
    assert.equal(Buffer.from(req.privateData.subarray(0, 5)).toString(), 'hello');
    assert.deepEqual([peer.remoteId, id.remoteId], [id.localId, peer.localId]);
    assert.deepEqual([peer.remoteQpn, id.remoteQpn], [0x55, 0x77]);
    // Each sends with the PSN that the other has asked for.
    assert.deepEqual([peer.rqPsn, id.rqPsn, peer.sqPsn, id.sqPsn], [2000, 1000, 1000, 2000]);
    // What one can answer at a time is what the other may ask for at a time.
    assert.deepEqual([id.initiatorDepth, id.responderResources], [2, 4]);
    assert.equal(hex(peer.av!.dgid), hex(a.gid));
    a.cm.sendDreq(id, Buffer.from('bye'));
    f.run(1 * MS);
    const dreq = b.log.find((e) => e.type === 'DREQ_RECEIVED') as { privateData: Uint8Array };
    assert.equal(Buffer.from(dreq.privateData.subarray(0, 3)).toString(), 'bye');
    assert.deepEqual([id.state, peer.state], ['TIMEWAIT', 'TIMEWAIT']);
    f.run(1000 * MS);
    assert.deepEqual([id.state, peer.state], ['IDLE', 'IDLE']);
    assert.deepEqual(a.types(), ['REP_RECEIVED', 'DREP_RECEIVED', 'TIMEWAIT_EXIT']);
    assert.deepEqual(b.types(), ['REQ_RECEIVED', 'RTU_RECEIVED', 'DREQ_RECEIVED', 'TIMEWAIT_EXIT']);
    assert.equal(a.cm.resent + b.cm.resent, 0);
    a.cm.destroy(id);
    b.cm.destroy(peer);
    assert.deepEqual([a.cm.ids.size, b.cm.ids.size], [0, 0]);
    close(all);
  });

  it('nobody listens: REJ 8; a service type that is not served: REJ 9', () => {
    const all = pair();
    const { f, a, b } = all;
    const reasonOf = (given: Parameters<typeof request>[2]): number => {
      a.log.length = 0;
      const id = a.cm.createId(a.handler);
      a.cm.sendReq(id, request(a, b, given));
      f.run(2 * MS);
      assert.equal(id.state, 'IDLE');
      return eventOf(a, 'REJ_RECEIVED').rej.reason;
    };
    assert.equal(reasonOf({ serviceId: 77n }), RejReason.INVALID_SERVICE_ID);
    assert.equal(reasonOf({ transport: CmTransport.RD }), RejReason.INVALID_TRANSPORT_TYPE);
    b.react = () => RejReason.NO_RESOURCES;
    assert.equal(reasonOf({}), RejReason.NO_RESOURCES);
    b.react = null;
    assert.equal(b.cm.ids.size, 0);
    close(all);
  });

  it('the listener refuses with private data; the requester refuses a REP', () => {
    const all = pair();
    const { f, a, b } = all;
    const id = a.cm.createId(a.handler);
    a.cm.sendReq(id, request(a, b));
    f.run(0.5 * MS);
    b.cm.sendRej(idOf(b, 'REQ_RECEIVED'), RejReason.CONSUMER_DEFINED, Uint8Array.of(9), Buffer.from('no'));
    f.run(0.5 * MS);
    const { rej } = eventOf(a, 'REJ_RECEIVED');
    assert.deepEqual([rej.reason, rej.infoLength, rej.info[0]], [RejReason.CONSUMER_DEFINED, 1, 9]);
    assert.equal(Buffer.from(rej.privateData.subarray(0, 2)).toString(), 'no');
    const again = a.cm.createId(a.handler);
    a.cm.sendReq(again, request(a, b));
    f.run(0.2 * MS);
    const peer = idOf(b, 'REQ_RECEIVED');
    b.cm.sendRep(peer, reply());
    f.run(0.2 * MS);
    assert.equal(again.state, 'REP_RCVD');
    a.cm.sendRej(again, RejReason.CONSUMER_DEFINED);
    f.run(0.2 * MS);
    assert.deepEqual([again.state, peer.state, b.log.at(-1)!.type], ['IDLE', 'IDLE', 'REJ_RECEIVED']);
    close(all);
  });

  it('each side may give up while it waits', () => {
    const all = pair();
    const { f, a, b } = all;
    const go = (): [ReturnType<typeof a.cm.createId>, ReturnType<typeof idOf>] => {
      const id = a.cm.createId(a.handler);
      a.cm.sendReq(id, request(a, b));
      f.run(0.2 * MS);
      return [id, idOf(b, 'REQ_RECEIVED')];
    };
    // The requester takes its REQ back; the listener has not answered, or is about to with MRA.
    let [id, peer] = go();
    a.cm.destroy(id);
    f.run(0.2 * MS);
    assert.deepEqual([peer.state, eventOf(b, 'REJ_RECEIVED').rej.reason], ['IDLE', RejReason.TIMEOUT]);
    [id, peer] = go();
    b.cm.sendMra(peer, 12);
    f.run(0.2 * MS);
    assert.equal(id.state, 'MRA_REQ_RCVD');
    a.cm.sendRej(id, RejReason.TIMEOUT, a.gsi.caGuid);
    f.run(0.2 * MS);
    assert.deepEqual([id.state, peer.state], ['IDLE', 'IDLE']);
    // The listener takes its REP back.
    [id, peer] = go();
    b.cm.sendRep(peer, reply());
    f.run(0.2 * MS);
    b.cm.sendRej(peer, RejReason.CONSUMER_DEFINED);
    f.run(0.2 * MS);
    assert.deepEqual([id.state, peer.state], ['TIMEWAIT', 'TIMEWAIT']);
    f.run(1000 * MS);
    close(all);
  });

  it('MRA on both sides: who says how long it takes is waited for', () => {
    const all = pair();
    const { f, a, b } = all;
    const id = a.cm.createId(a.handler);
    a.cm.sendReq(id, request(a, b));
    f.run(0.2 * MS);
    const peer = idOf(b, 'REQ_RECEIVED');
    b.cm.sendMra(peer, 14, Buffer.from('wait'));
    f.run(60 * MS);
    assert.deepEqual([id.state, peer.state, a.cm.resent], ['MRA_REQ_RCVD', 'MRA_REQ_SENT', 0]);
    assert.equal(eventOf(a, 'MRA_RECEIVED').mra.serviceTimeout, 14);
    b.cm.sendRep(peer, reply());
    f.run(0.2 * MS);
    a.cm.sendMra(id, 14);
    f.run(60 * MS);
    assert.deepEqual([id.state, peer.state, b.cm.resent], ['MRA_REP_SENT', 'MRA_REP_RCVD', 0]);
    a.cm.sendRtu(id);
    f.run(1 * MS);
    assert.deepEqual([id.state, peer.state], ['ESTABLISHED', 'ESTABLISHED']);
    // Patience has an end: after the time that was told, the REQ is sent again, and MRA answers again.
    const slow = a.cm.createId(a.handler);
    a.cm.sendReq(slow, request(a, b));
    f.run(0.2 * MS);
    b.cm.sendMra(idOf(b, 'REQ_RECEIVED'), 10);
    f.run(200 * MS);
    assert.ok(a.cm.resent > 3);
    assert.ok(a.log.filter((e) => e.type === 'MRA_RECEIVED').length > 3);
    assert.equal(slow.state, 'IDLE');
    assert.equal(a.log.at(-1)!.type, 'REQ_ERROR');
    close(all);
  });

  it('MRA for a REP is repeated when the REP is', () => {
    const all = pair();
    const { f, a, b } = all;
    const id = a.cm.createId(a.handler);
    a.cm.sendReq(id, request(a, b));
    f.run(0.2 * MS);
    const peer = idOf(b, 'REQ_RECEIVED');
    b.cm.sendRep(peer, reply());
    f.run(0.2 * MS);
    a.cm.sendMra(id, 9);
    f.run(30 * MS);
    assert.equal(id.state, 'MRA_REP_SENT');
    assert.ok(b.log.filter((e) => e.type === 'MRA_RECEIVED').length > 2);
    a.cm.sendRej(id, RejReason.CONSUMER_DEFINED);
    f.run(1 * MS);
    assert.equal(peer.state, 'IDLE');
    close(all);
  });

  it('nobody there: REQ_ERROR after as many retries as allowed, after the times that were told', () => {
    const all = pair();
    const { f, a, b } = all;
    f.sim.partition(a.node.link, b.node.link);
    const id = a.cm.createId(a.handler);
    a.cm.sendReq(id, request(a, b, { maxCmRetries: 3 }));
    // 4.096 µs · 2^8 for the peer and twice 4.096 µs · 2^6 for the path, four times.
    const each = 4.096 * (256 + 2 * 64);
    f.run(4 * each - 100);
    assert.deepEqual([id.state, a.cm.resent], ['REQ_SENT', 3]);
    f.run(200);
    assert.deepEqual([id.state, a.types()], ['IDLE', ['REQ_ERROR']]);
    close(all);
  });

  it('the REP is not answered: REP_ERROR; data may come before the RTU', () => {
    const all = pair();
    const { f, a, b } = all;
    let id = a.cm.createId(a.handler);
    a.cm.sendReq(id, request(a, b));
    f.run(0.2 * MS);
    b.cm.sendRep(idOf(b, 'REQ_RECEIVED'), reply());
    f.run(0.2 * MS);
    f.sim.partition(a.node.link, b.node.link);
    f.run(100 * MS);
    assert.equal(b.log.at(-1)!.type, 'REP_ERROR');
    a.cm.destroy(id);
    f.sim.heal(a.node.link, b.node.link);
    id = a.cm.createId(a.handler);
    a.cm.sendReq(id, request(a, b));
    f.run(0.2 * MS);
    const peer = idOf(b, 'REQ_RECEIVED');
    b.cm.sendRep(peer, reply({ qpn: 0x78 }));
    b.cm.establish(peer);
    assert.deepEqual([peer.state, b.log.at(-1)!.type], ['ESTABLISHED', 'USER_ESTABLISHED']);
    b.cm.establish(peer);
    assert.equal(b.types().filter((t) => t === 'USER_ESTABLISHED').length, 1);
    close(all);
  });
});

describe('disconnecting', () => {
  function connected(
    options: SimulationOptions = {},
  ): ReturnType<typeof pair> & { ida: ReturnType<typeof idOf>; idb: ReturnType<typeof idOf> } {
    const all = pair(options);
    const { f, a, b } = all;
    obliging(a, b);
    const ida = a.cm.createId(a.handler);
    a.cm.sendReq(ida, request(a, b));
    f.run(5 * MS);
    a.react = null;
    b.react = null;
    return { ...all, ida, idb: idOf(b, 'REQ_RECEIVED') };
  }

  it('both at once', () => {
    const all = connected();
    const { f, a, b, ida, idb } = all;
    a.cm.sendDreq(ida);
    b.cm.sendDreq(idb);
    f.run(0.5 * MS);
    assert.deepEqual([ida.state, idb.state], ['DREQ_RCVD', 'DREQ_RCVD']);
    a.cm.sendDrep(ida);
    f.run(0.5 * MS);
    // One answer ends it for both; the other's comes too late and harms nobody.
    assert.deepEqual([ida.state, idb.state], ['TIMEWAIT', 'TIMEWAIT']);
    close(all);
  });

  it('the peer is gone: DREQ_ERROR and TIMEWAIT', () => {
    const all = connected();
    const { f, a, b, ida } = all;
    f.sim.partition(a.node.link, b.node.link);
    a.cm.sendDreq(ida);
    f.run(500 * MS);
    assert.deepEqual(a.types().slice(-2), ['DREQ_ERROR', 'TIMEWAIT_EXIT']);
    close(all);
  });

  it('a DREQ that comes again in TIMEWAIT, or for a connection nobody knows, is answered', () => {
    const all = connected();
    const { f, a, b, ida, idb } = all;
    // b answers, but the answer is lost.
    b.react = (e) => {
      if (e.type === 'DREQ_RECEIVED') {
        f.sim.partition(b.node.link, a.node.link);
        b.cm.sendDrep(e.id);
        f.sim.at(500, () => f.sim.heal(a.node.link, b.node.link));
      }
      return undefined;
    };
    a.cm.sendDreq(ida);
    f.run(10 * MS);
    assert.deepEqual([ida.state, idb.state], ['TIMEWAIT', 'TIMEWAIT']);
    assert.equal(a.cm.resent, 1);
    f.run(1000 * MS);
    const sent = b.gsi.send.bind(b.gsi);
    let dreps = 0;
    b.gsi.send = (to, mad) => {
      if (mad[17] === 0x16) dreps++;
      sent(to, mad);
    };
    const body = { localCommId: 1, remoteCommId: 2, remoteQpn: 3, privateData: new Uint8Array(0) };
    a.gsi.send(a.cm.ids.get(ida.localId)?.peer ?? ida.peer!, encodeCm({ type: 'DREQ', tid: 1n, body }));
    f.run(1 * MS);
    assert.equal(dreps, 1);
    close(all);
  });

  it('a DREQ before the RTU; a DREQ for another queue pair is not for us', () => {
    const all = pair();
    const { f, a, b } = all;
    const id = a.cm.createId(a.handler);
    a.cm.sendReq(id, request(a, b));
    f.run(0.2 * MS);
    const peer = idOf(b, 'REQ_RECEIVED');
    b.cm.sendRep(peer, reply());
    f.run(0.2 * MS);
    const ids = { localCommId: id.localId, remoteCommId: peer.localId, privateData: new Uint8Array(0) };
    a.gsi.send(id.peer!, encodeCm({ type: 'DREQ', tid: 1n, body: { ...ids, remoteQpn: 5 } }));
    f.run(0.2 * MS);
    assert.equal(peer.state, 'REP_SENT');
    a.gsi.send(id.peer!, encodeCm({ type: 'DREQ', tid: 1n, body: { ...ids, remoteQpn: peer.localQpn } }));
    f.run(0.2 * MS);
    assert.equal(peer.state, 'DREQ_RCVD');
    close(all);
  });

  it('an id that is let go says good-bye, and none of its events come', () => {
    const all = connected({ seed: 3, loss: 0.3 });
    const { f, a, b, ida } = all;
    const before = a.log.length;
    b.react = (e) => {
      if (e.type === 'DREQ_RECEIVED') b.cm.sendDrep(e.id);
      return undefined;
    };
    a.cm.destroy(ida);
    f.run(1000 * MS);
    assert.equal(a.log.length, before);
    assert.equal(a.cm.ids.size, 0);
    assert.ok(b.types().includes('DREQ_RECEIVED'));
    close(all);
  });

  it('somebody else has no say in it, whatever ids he knows', () => {
    const all = connected();
    const { f, b, ida, idb } = all;
    const c = new CmHost(f);
    const to = { gid: b.gid, sgidIndex: 0, trafficClass: 0, hopLimit: 64, flowLabel: 0 };
    const ids = { localCommId: ida.localId, remoteCommId: idb.localId, privateData: new Uint8Array(0) };
    const events = b.log.length;
    c.gsi.send(to, encodeCm({ type: 'DREQ', tid: 1n, body: { ...ids, remoteQpn: idb.localQpn } }));
    const rej = { rejected: 2, reason: RejReason.STALE_CONN, infoLength: 0, info: new Uint8Array(0) };
    c.gsi.send(to, encodeCm({ type: 'REJ', tid: 1n, body: { ...ids, ...rej } }));
    f.run(1 * MS);
    assert.deepEqual([idb.state, b.log.length], ['ESTABLISHED', events]);
    c.close();
    close(all);
  });

  it('a REJ ends what is established, and what is being ended', () => {
    for (const reason of [RejReason.STALE_CONN, RejReason.CONSUMER_DEFINED]) {
      for (const ending of [false, true]) {
        const all = connected();
        const { f, a, b, ida, idb } = all;
        if (ending) b.cm.sendDreq(idb);
        const ids = { localCommId: ida.localId, remoteCommId: idb.localId };
        const none = { infoLength: 0, info: new Uint8Array(0), privateData: new Uint8Array(0) };
        a.gsi.send(ida.peer!, encodeCm({ type: 'REJ', tid: 1n, body: { ...ids, rejected: 2, reason, ...none } }));
        f.run(0.1 * MS);
        assert.deepEqual([idb.state, b.log.at(-1)!.type], ['TIMEWAIT', 'REJ_RECEIVED']);
        close(all);
      }
    }
  });
});

describe('duplicates and the stale', () => {
  it('a lost REP comes again with the REQ, a lost RTU with the REP', () => {
    const all = pair();
    const { f, a, b } = all;
    obliging(a, b);
    const id = a.cm.createId(a.handler);
    // The first REP and the first RTU do not arrive.
    const drop = (host: CmHost, attr: number): void => {
      const send = host.gsi.send.bind(host.gsi);
      let n = 0;
      host.gsi.send = (to, mad) => {
        if (mad[17] !== attr || n++ > 0) send(to, mad);
      };
    };
    drop(b, 0x13);
    drop(a, 0x14);
    a.cm.sendReq(id, request(a, b, { localCmResponseTimeout: 10 }));
    f.run(20 * MS);
    assert.deepEqual([id.state, idOf(b, 'REQ_RECEIVED').state], ['ESTABLISHED', 'ESTABLISHED']);
    assert.deepEqual(a.types(), ['REP_RECEIVED']);
    assert.deepEqual(b.types(), ['REQ_RECEIVED', 'RTU_RECEIVED']);
    close(all);
  });

  it('a REQ from the queue pair of a connection we hold for alive: REJ 10, and that connection ends (12.9.8.3.1)', () => {
    const all = pair();
    const { f, a, b } = all;
    obliging(a, b);
    const old = a.cm.createId(a.handler);
    a.cm.sendReq(old, request(a, b, { qpn: 0x99 }));
    f.run(5 * MS);
    const held = idOf(b, 'REQ_RECEIVED');
    // The requester's host starts anew: it knows nothing of the connection.
    a.cm.ids.remove(old);
    const id = a.cm.createId(a.handler);
    a.cm.sendReq(id, request(a, b, { qpn: 0x99 }));
    f.run(5 * MS);
    assert.equal(eventOf(a, 'REJ_RECEIVED').rej.reason, RejReason.STALE_CONN);
    assert.equal(id.state, 'TIMEWAIT');
    assert.ok(b.types().includes('DREP_RECEIVED'));
    assert.equal(held.state, 'TIMEWAIT');
    f.run(1000 * MS);
    const next = a.cm.createId(a.handler);
    a.cm.sendReq(next, request(a, b, { qpn: 0x99 }));
    f.run(5 * MS);
    assert.equal(next.state, 'ESTABLISHED');
    close(all);
  });

  it('a REP from such a queue pair: REJ 10', () => {
    const all = pair();
    const { f, a, b } = all;
    obliging(a, b);
    const one = a.cm.createId(a.handler);
    const two = a.cm.createId(a.handler);
    a.cm.sendReq(one, request(a, b));
    f.run(5 * MS);
    // The server answers with the same queue pair number.
    a.cm.sendReq(two, request(a, b));
    f.run(5 * MS);
    assert.deepEqual([one.state, two.state], ['ESTABLISHED', 'TIMEWAIT']);
    const rejected = eventOf(b, 'REJ_RECEIVED');
    assert.deepEqual([rejected.rej.reason, rejected.id.state], [RejReason.STALE_CONN, 'TIMEWAIT']);
    close(all);
  });

  it('a REQ that comes again in TIMEWAIT is stale', () => {
    const all = pair();
    const { f, a, b } = all;
    obliging(a, b);
    const id = a.cm.createId(a.handler);
    a.cm.sendReq(id, request(a, b));
    const req = Buffer.from(id.last!);
    f.run(5 * MS);
    a.cm.sendDreq(id);
    f.run(0.2 * MS);
    const before = b.log.length;
    let reason = 0;
    const send = b.gsi.send.bind(b.gsi);
    b.gsi.send = (to, mad) => {
      if (mad[17] === 0x12) reason = (mad[34] << 8) | mad[35];
      send(to, mad);
    };
    a.gsi.send(id.peer!, req);
    f.run(0.2 * MS);
    assert.deepEqual([reason, b.log.length], [RejReason.STALE_CONN, before]);
    close(all);
  });

  it('REJs reach the communication they mean in every state', () => {
    const states: [string, (a: CmHost, b: CmHost, f: Fabric) => [CmHost, ReturnType<typeof idOf>]][] = [
      ['REQ_SENT', (a) => [a, a.cm.ids.all().next().value!]],
      [
        'MRA_REQ_RCVD',
        (a, b, f) => {
          b.cm.sendMra(idOf(b, 'REQ_RECEIVED'), 12);
          f.run(0.1 * MS);
          return [a, a.cm.ids.all().next().value!];
        },
      ],
      ['REQ_RCVD', (_a, b) => [b, idOf(b, 'REQ_RECEIVED')]],
      [
        'MRA_REQ_SENT',
        (_a, b) => {
          b.cm.sendMra(idOf(b, 'REQ_RECEIVED'), 12);
          return [b, idOf(b, 'REQ_RECEIVED')];
        },
      ],
      [
        'REP_SENT',
        (_a, b) => {
          b.cm.sendRep(idOf(b, 'REQ_RECEIVED'), reply());
          return [b, idOf(b, 'REQ_RECEIVED')];
        },
      ],
      [
        'REP_RCVD',
        (a, b, f) => {
          b.cm.sendRep(idOf(b, 'REQ_RECEIVED'), reply());
          f.run(0.1 * MS);
          return [a, idOf(a, 'REP_RECEIVED')];
        },
      ],
      [
        'MRA_REP_SENT',
        (a, b, f) => {
          b.cm.sendRep(idOf(b, 'REQ_RECEIVED'), reply());
          f.run(0.1 * MS);
          a.cm.sendMra(idOf(a, 'REP_RECEIVED'), 12);
          return [a, idOf(a, 'REP_RECEIVED')];
        },
      ],
      [
        'MRA_REP_RCVD',
        (a, b, f) => {
          b.cm.sendRep(idOf(b, 'REQ_RECEIVED'), reply());
          f.run(0.1 * MS);
          a.cm.sendMra(idOf(a, 'REP_RECEIVED'), 12);
          f.run(0.1 * MS);
          return [b, idOf(b, 'REQ_RECEIVED')];
        },
      ],
    ];
    for (const [state, bring] of states) {
      for (const reason of [RejReason.STALE_CONN, RejReason.CONSUMER_DEFINED]) {
        const all = pair();
        const { f, a, b } = all;
        const id = a.cm.createId(a.handler);
        a.cm.sendReq(id, request(a, b));
        f.run(0.1 * MS);
        const [host, target] = bring(a, b, f);
        assert.equal(target.state, state);
        const other = host === a ? b : a;
        const ids = { localCommId: target.remoteId, remoteCommId: target.localId };
        const rejected = target.remoteId === 0 ? 0 : 2;
        const none = { infoLength: 0, info: new Uint8Array(0), privateData: new Uint8Array(0) };
        const to = { gid: host.gid, sgidIndex: 0, trafficClass: 0, hopLimit: 64, flowLabel: 0 };
        other.gsi.send(to, encodeCm({ type: 'REJ', tid: 1n, body: { ...ids, rejected, reason, ...none } }));
        f.run(0.1 * MS);
        assert.equal(host.log.at(-1)!.type, 'REJ_RECEIVED', `${state} ${reason}`);
        assert.ok(['IDLE', 'TIMEWAIT'].includes(target.state));
        close(all);
      }
    }
  });

  it('a REP whose requester asked for patience: no RTU in the end, a DREQ, data, a REJ', () => {
    for (const way of ['expire', 'DREQ', 'establish', 'REJ'] as const) {
      const all = pair();
      const { f, a, b } = all;
      const id = a.cm.createId(a.handler);
      a.cm.sendReq(id, request(a, b));
      f.run(0.1 * MS);
      const peer = idOf(b, 'REQ_RECEIVED');
      if (way === 'REJ') {
        b.cm.sendMra(peer, 12);
        b.cm.sendRej(peer, RejReason.NO_QP);
        assert.equal(peer.state, 'IDLE');
        close(all);
        continue;
      }
      b.cm.sendRep(peer, reply());
      f.run(0.1 * MS);
      a.cm.sendMra(id, 12);
      f.run(0.1 * MS);
      assert.equal(peer.state, 'MRA_REP_RCVD');
      if (way === 'establish') b.cm.establish(peer);
      else if (way === 'expire') {
        f.sim.partition(a.node.link, b.node.link);
        f.run(200 * MS);
      } else {
        const ids = { localCommId: id.localId, remoteCommId: peer.localId, privateData: new Uint8Array(0) };
        a.gsi.send(id.peer!, encodeCm({ type: 'DREQ', tid: 1n, body: { ...ids, remoteQpn: peer.localQpn } }));
        f.run(0.1 * MS);
      }
      assert.equal(peer.state, { expire: 'IDLE', DREQ: 'DREQ_RCVD', establish: 'ESTABLISHED' }[way]);
      close(all);
    }
  });

  it('giving up a REP in any state says REJ; what is not allowed is EINVAL and changes nothing', () => {
    const all = pair();
    const { f, a, b } = all;
    const id = a.cm.createId(a.handler);
    for (const call of [
      () => a.cm.sendRep(id, reply()),
      () => a.cm.sendRtu(id),
      () => a.cm.sendDreq(id),
      () => a.cm.sendDrep(id),
      () => a.cm.sendMra(id, 1),
      () => a.cm.sendRej(id, 28),
      () => a.cm.sendReq(id, request(a, b, { privateData: new Uint8Array(93) })),
    ]) {
      assert.throws(call, { code: 'EINVAL' });
    }
    assert.equal(id.state, 'IDLE');
    a.cm.sendReq(id, request(a, b));
    f.run(0.1 * MS);
    const peer = idOf(b, 'REQ_RECEIVED');
    b.cm.sendRep(peer, reply());
    f.run(0.1 * MS);
    a.cm.sendMra(id, 12);
    f.run(0.1 * MS);
    assert.equal(peer.state, 'MRA_REP_RCVD');
    b.cm.sendRej(peer, 28);
    f.run(0.1 * MS);
    assert.equal(id.state, 'TIMEWAIT');
    close(all);
  });
});

describe('service ids (SIDR)', () => {
  const sidr = (a: CmHost, b: CmHost, serviceId = SERVICE) => ({
    serviceId,
    path: a.pathTo(b),
    timeoutUs: 1000,
    maxCmRetries: 5,
    privateData: Buffer.from('who?'),
  });

  it('asks which queue pair serves; nobody, refused, and an answer that was lost', () => {
    const all = pair();
    const { f, a, b } = all;
    const ask = (serviceId?: bigint): ReturnType<typeof idOf> => {
      const id = a.cm.createId(a.handler);
      a.cm.sendSidrReq(id, sidr(a, b, serviceId));
      f.run(0.2 * MS);
      return id;
    };
    ask(9n);
    assert.equal(eventOf(a, 'SIDR_REP_RECEIVED').sidr.status, SidrStatus.UNSUPPORTED);
    ask();
    const peer = idOf(b, 'SIDR_REQ_RECEIVED');
    assert.equal(Buffer.from(eventOf(b, 'SIDR_REQ_RECEIVED').sidr.privateData.subarray(0, 4)).toString(), 'who?');
    b.cm.sendSidrRep(peer, { status: SidrStatus.SUCCESS, qpn: 0x33, qkey: 0x1234567, privateData: Buffer.from('me') });
    f.run(0.2 * MS);
    const got = eventOf(a, 'SIDR_REP_RECEIVED').sidr;
    assert.deepEqual([got.qpn, got.qkey, got.status], [0x33, 0x1234567, 0]);
    b.react = () => 1;
    ask();
    assert.equal(eventOf(a, 'SIDR_REP_RECEIVED').sidr.status, SidrStatus.REJECT);
    b.react = null;
    const id = ask();
    b.cm.destroy(idOf(b, 'SIDR_REQ_RECEIVED'));
    f.run(0.2 * MS);
    assert.deepEqual([id.state, eventOf(a, 'SIDR_REP_RECEIVED').sidr.status], ['IDLE', SidrStatus.REJECT]);
    // The answer is lost: the request comes again, and the same answer.
    const last = ask();
    f.sim.partition(b.node.link, a.node.link);
    b.cm.sendSidrRep(idOf(b, 'SIDR_REQ_RECEIVED'), { status: SidrStatus.SUCCESS, qpn: 0x34 });
    f.run(0.5 * MS);
    f.sim.heal(a.node.link, b.node.link);
    const events = b.log.length;
    f.run(5 * MS);
    assert.deepEqual([last.state, eventOf(a, 'SIDR_REP_RECEIVED').sidr.qpn, b.log.length], ['IDLE', 0x34, events]);
    f.sim.partition(b.node.link, a.node.link);
    ask();
    f.run(50 * MS);
    assert.equal(a.log.at(-1)!.type, 'SIDR_REQ_ERROR');
    close(all);
  });
});

describe('limits', () => {
  it('a flood of REQs takes no more than its share', () => {
    const f = new Fabric();
    const a = new CmHost(f);
    const b = new CmHost(f, undefined, { limit: 50 });
    b.cm.listen(SERVICE, b.handler);
    for (let i = 0; i < 2000; i++) a.cm.sendReq(a.cm.createId(a.handler), request(a, b, { maxCmRetries: 0 }));
    f.run(200 * MS);
    assert.equal(b.cm.ids.size, 50);
    assert.ok(b.cm.dropped > 1000);
    assert.throws(() => b.cm.createId(b.handler), { code: 'ENOMEM' });
    close({ f, a, b });
  });

  it('one listener for each service id', () => {
    const all = pair();
    assert.throws(() => all.b.cm.listen(SERVICE, all.b.handler), { code: 'EADDRINUSE' });
    all.b.cm.unlisten(SERVICE);
    all.b.cm.listen(SERVICE, all.b.handler);
    close(all);
  });

  it('alternate paths are refused politely', () => {
    const all = pair();
    const { f, a, b } = all;
    const answers: Buffer[] = [];
    a.gsi.onMad = (_from, mad) => answers.push(Buffer.from(mad));
    const gid = new Uint8Array(16);
    const numbers = {
      remoteQpn: 1,
      remoteCmResponseTimeout: 0,
      alternateLocalLid: 0,
      alternateRemoteLid: 0,
      alternateFlowLabel: 0,
      alternateTrafficClass: 0,
      alternateHopLimit: 0,
      alternatePacketRate: 0,
      alternateSl: 0,
      alternateSubnetLocal: 0,
      alternateAckTimeout: 0,
    };
    const body = {
      localCommId: 7,
      remoteCommId: 8,
      ...numbers,
      alternateLocalGid: gid,
      alternateRemoteGid: gid,
      privateData: gid,
    };
    const to = { gid: b.gid, sgidIndex: 0, trafficClass: 0, hopLimit: 64, flowLabel: 0 };
    a.gsi.send(to, encodeCm({ type: 'LAP', tid: 3n, body }));
    f.run(1 * MS);
    assert.deepEqual([answers[0][17], answers[0][24 + 9]], [0x1a, 1]);
    close(all);
  });
});

describe('loss', () => {
  for (const loss of [0.1, 0.3, 0.5]) {
    it(`${loss * 100} % lost, some doubled and overtaken: connections come and go all the same`, () => {
      for (let seed = 1; seed <= 12; seed++) {
        const all = pair({ seed, loss, duplicate: 0.1, reorder: 0.2, reorderUs: 700 });
        const { f, a, b } = all;
        obliging(a, b);
        let qpn = 0x500;
        b.react = (e) => {
          if (e.type === 'REQ_RECEIVED') b.cm.sendRep(e.id, reply({ qpn: qpn++ }));
          if (e.type === 'DREQ_RECEIVED') b.cm.sendDrep(e.id);
          if (e.type === 'TIMEWAIT_EXIT') b.cm.destroy(e.id);
          return undefined;
        };
        const ids = Array.from({ length: 8 }, () => a.cm.createId(a.handler));
        ids.forEach((id, i) => void a.cm.sendReq(id, request(a, b, { qpn: 0x900 + i })));
        f.run(100 * MS);
        const up = ids.filter((id) => id.state === 'ESTABLISHED');
        assert.ok(up.length >= 7, `seed ${seed}: ${ids.map((i) => i.state).join(' ')}`);
        for (const id of up) {
          if (id.localId & 1) a.cm.sendDreq(id);
          else {
            const peer = b.cm.ids.get(id.remoteId)!;
            if (peer.state === 'ESTABLISHED') b.cm.sendDreq(peer);
            else a.cm.sendDreq(id);
          }
        }
        f.run(3000 * MS);
        for (const id of ids) a.cm.destroy(id);
        f.run(100 * MS);
        for (const id of b.cm.ids.all()) b.cm.destroy(id);
        f.run(3000 * MS);
        assert.deepEqual([a.cm.ids.size, b.cm.ids.size], [0, 0], `seed ${seed}`);
        close(all);
      }
    });
  }
});

it('every transition of the table has been made', () => {
  const missing = [...TRANSITIONS.keys()].filter((key) => !taken.has(key));
  assert.deepEqual(missing, []);
});

it('ACK timeouts as Linux computes them (cm_ack_timeout)', () => {
  assert.equal(ackTimeoutOf(15, 18), 19);
  assert.equal(ackTimeoutOf(15, 14), 16);
  assert.equal(ackTimeoutOf(20, 3), 20);
  assert.equal(ackTimeoutOf(31, 31), 31);
});
