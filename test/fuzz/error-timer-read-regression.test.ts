// Found by fuzzing
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { QpState, WrOpcode } from '../../src/core/constants.ts';
import * as verbs from '../../src/core/verbs.ts';
import type { Inbound } from '../../src/transport/port.ts';
import { psnAdd } from '../../src/transport/psn.ts';
import { AETH_ACK_UNLIMITED, writeAeth } from '../../src/wire/aeth.ts';
import { OP_ACKNOWLEDGE } from '../../src/wire/opcodes.ts';
import { connect, Fabric, sge } from '../transport/fabric.ts';

it('an acknowledgement past a request that has failed here, and past a READ, does not arm the timers of the QP in ERR', () => {
  const f = new Fabric();
  const [a, b] = [f.node(), f.node()];
  const [qa, qb] = [a.createQp(), b.createQp()];
  // Nobody answers: the peer's queue pair is not there.
  connect(a, qa, b, qb, { timeout: 10, retryCnt: 7 });
  verbs.destroyQp(qb);
  const [from, gone] = [a.regMr(4096), a.regMr(4096)];
  a.send(qa, { wrId: 1, opcode: WrOpcode.SEND, sge: [sge(from, 0, 8)] });
  a.send(qa, { wrId: 2, opcode: WrOpcode.SEND, sge: [sge(gone, 0, 8)] });
  a.send(qa, { wrId: 3, opcode: WrOpcode.RDMA_READ, sge: [sge(from, 0, 8)], remoteAddr: 0, rkey: 1 });
  f.run(100);
  verbs.deregMr(gone);
  // One timeout: the second request cannot be sent again.
  f.run(4.096 * 2 ** 10 * 1.5);
  const buf = Buffer.alloc(16);
  writeAeth(buf, 12, AETH_ACK_UNLIMITED, 0);
  const packet: Inbound = {
    ...{ buf, off: 0, len: 16, body: buf, bodyOff: 0, congested: false, group: null },
    isFrom: () => true,
    writeGrh: () => {},
  };
  a.rxe.engine.completer.receive(qa, packet, OP_ACKNOWLEDGE, psnAdd(qa.una, 2), 16, 0);
  assert.equal(qa.attr.state, QpState.ERR);
  assert.equal(qa.heapIndex, -1, 'no timer');
  f.close();
});
