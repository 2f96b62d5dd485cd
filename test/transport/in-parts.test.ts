// Packets whose payload is elsewhere than their headers: the checksum is over both.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { QpType, WcStatus, WrOpcode } from '../../src/core/constants.ts';
import { LocalMemory } from '../../src/core/memory.ts';
import * as verbs from '../../src/core/verbs.ts';
import { SendWr, type WorkCompletion } from '../../src/core/work.ts';
import { Rxe } from '../../src/drivers/rxe/driver.ts';
import { LoopbackLink } from '../../src/link/loopback.ts';
import { Random } from '../../src/link/random.ts';
import type { SoftQp } from '../../src/transport/qp.ts';
import { ALL_ACCESS, addressVector, fill, type Node, toRts } from './fabric.ts';
import { inParts } from './in-parts.ts';

const LENGTH = 100_000;

for (const address of ['192.0.2.1', 'fd00::1']) {
  for (const opcode of [WrOpcode.RDMA_WRITE, WrOpcode.RDMA_READ]) {
    test(`${address}, opcode ${opcode}: what is damaged in either part is dropped, and comes again`, () => {
      let now = 0;
      const random = new Random(7);
      let damaged = 0;
      const link = inParts(
        new LoopbackLink({ addresses: [address], needsChecksum: true }),
        ({ buf, body, bodyOff, len }) => {
          // In the headers, in what follows them, at the end, and in the checksum itself.
          if (!random.chance(0.2)) return;
          const at = [20, 130, len - 5, len - 1][damaged % 4];
          damaged++;
          if (at < buf.length) buf[at] ^= 1;
          else body![bodyOff + at] ^= 1;
        },
      );
      const rxe = new Rxe({ link, clock: () => now });
      const context = verbs.openContext(rxe.device, { owner: 'test' });
      const pd = verbs.allocPd(context);
      const cq = verbs.createCq(context, 16);
      const cap = { maxSendWr: 4, maxRecvWr: 4, maxSendSge: 1, maxRecvSge: 1, maxInlineData: 0 };
      const make = () => verbs.createQp(pd, { type: QpType.RC, sendCq: cq, recvCq: cq, srq: null, cap }) as SoftQp;
      const [a, b] = [make(), make()];
      const node = { link, modify: verbs.modifyQp } as unknown as Node;
      const attr = { pathMtu: 5, av: addressVector(node), timeout: 8, retryCnt: 7 };
      toRts(node, a, node, b.qpn, attr);
      toRts(node, b, node, a.qpn, attr);
      const [near, far] = [Buffer.alloc(LENGTH), Buffer.alloc(LENGTH)];
      fill(near, 1);
      fill(far, 2);
      const mr = verbs.regMr(pd, new LocalMemory(near), { access: ALL_ACCESS, iova: 0x10000 });
      const remote = verbs.regMr(pd, new LocalMemory(far), { access: ALL_ACCESS, iova: 0x80000 });
      const sge = [{ addr: 0x10000, length: LENGTH, lkey: mr.lkey }];
      const wr = { opcode, flags: 2, sge, numSge: 1, remoteAddr: 0x80000, rkey: remote.rkey };
      rxe.device.ops.postSend(a, Object.assign(new SendWr(), wr));
      const wcs: WorkCompletion[] = [];
      for (let i = 0; i < 20_000 && rxe.device.ops.pollCq(cq, 1, wcs) === 0; i++) {
        now += 100;
        rxe.engine.progress();
      }
      assert.equal(wcs[0]?.status, WcStatus.SUCCESS);
      assert.ok(near.equals(far));
      assert.ok(damaged >= 8, `${damaged} damaged`);
      assert.equal(rxe.port.icrcErrors, damaged);
    });
  }
}
