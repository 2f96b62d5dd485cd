// Whatever comes: messages of any content, in any order, from anybody, in the middle of connections that live. Nothing throws,
// nothing grows without bound, and the connections that are nobody's to end go on.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { type CmMessage, encodeCm } from '../../src/wire/cm-message.ts';
import { anyCm } from '../wire/cm-support.ts';
import { CmHost, Fabric, idOf, reply, request, SERVICE } from './cm-node.ts';

const SEED = 20261123;
const TO = { sgidIndex: 0, trafficClass: 0, hopLimit: 64, flowLabel: 0 };

/** Gives some of the messages ids, services and queue pairs that mean something. */
function aimed(message: CmMessage, host: CmHost, choice: number): CmMessage {
  const ids = [...host.cm.ids.all()];
  const id = ids[choice % ids.length];
  if (id === undefined || choice % 4 === 0) return message;
  const body: Record<string, unknown> = { ...message.body };
  if ('serviceId' in body) body.serviceId = SERVICE;
  if ('transportType' in body) body.transportType = choice % 2;
  if ('remoteCommId' in body) body.remoteCommId = id.localId;
  if ('localCommId' in body && choice % 8 !== 1) body.localCommId = id.remoteId;
  if ('remoteQpn' in body) body.remoteQpn = id.localQpn;
  return { ...message, body } as unknown as CmMessage;
}

it('any messages, many of them aimed', () => {
  const f = new Fabric({ seed: SEED });
  const [a, b, c] = [new CmHost(f), new CmHost(f), new CmHost(f)];
  const limited = new CmHost(f, undefined, { limit: 40 });
  for (const host of [b, limited]) host.cm.listen(SERVICE, host.handler);
  let qpn = 0x1000;
  for (const host of [b, limited]) {
    host.react = (e) => {
      // Some are accepted, some refused, some dropped, most left waiting.
      if (e.type === 'REQ_RECEIVED' && qpn++ % 5 === 0) host.cm.sendRep(e.id, reply({ qpn }));
      else if (e.type === 'REQ_RECEIVED' && qpn % 5 === 1) return 28;
      else if (e.type === 'REQ_RECEIVED' && qpn % 5 === 2) return 'drop';
      else if (e.type === 'DREQ_RECEIVED') host.cm.sendDrep(e.id);
      else if (e.type === 'TIMEWAIT_EXIT') host.cm.destroy(e.id);
      return undefined;
    };
  }
  a.react = (e) => {
    if (e.type === 'REP_RECEIVED') a.cm.sendRtu(e.id);
    return undefined;
  };
  fc.assert(
    fc.property(fc.array(fc.tuple(anyCm(), fc.nat(1000)), { minLength: 1, maxLength: 20 }), (messages) => {
      if (a.cm.ids.size < 20) a.cm.sendReq(a.cm.createId(a.handler), request(a, b, { maxCmRetries: 2 }));
      for (const [message, choice] of messages) {
        // From the very peer, whose messages count, and from one who has no say.
        for (const [from, to] of [
          [b, a],
          [a, b],
          [c, b],
          [c, limited],
        ]) {
          from.gsi.send({ ...TO, gid: to.gid }, encodeCm(aimed(message, to, choice)));
        }
      }
      f.run(500);
      assert.ok(limited.cm.ids.size <= 40);
    }),
    { seed: SEED, numRuns: 150 },
  );
  f.run(10_000_000);
  // They all work still.
  const before = b.log.length;
  b.react = (e) => {
    if (e.type === 'REQ_RECEIVED') b.cm.sendRep(e.id, reply({ qpn: 0xabcdef }));
    return undefined;
  };
  const id = a.cm.createId(a.handler);
  a.cm.sendReq(id, request(a, b));
  f.run(10_000);
  assert.equal(id.state, 'ESTABLISHED');
  assert.ok(b.log.length > before);
  assert.equal(idOf(b, 'RTU_RECEIVED').state, 'ESTABLISHED');
  for (const host of [a, b, c, limited]) host.close();
  f.close();
});

it('bytes that are no messages, and bare datagrams to queue pair 1', () => {
  const f = new Fabric({ seed: SEED });
  const [a, b] = [new CmHost(f), new CmHost(f)];
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 256, maxLength: 256 }), fc.integer({ min: 0, max: 255 }), (bytes, first) => {
      bytes[0] = first & 1;
      if (first & 2) bytes[1] = 7;
      if (first & 4) bytes[2] = 2;
      a.gsi.send({ ...TO, gid: b.gid }, bytes);
      f.run(100);
    }),
    { seed: SEED, numRuns: 300 },
  );
  assert.deepEqual([b.cm.ids.size, b.log.length], [0, 0]);
  assert.ok(b.node.rxe.engine.counters.rcvd_pkts >= 300);
  for (const host of [a, b]) host.close();
  f.close();
});
