// Found while reading for the fuzzer.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { WrOpcode } from '../../src/core/constants.ts';
import { SQ } from '../../src/transport/wqe.ts';
import { getU64Big } from '../../src/wire/bytes.ts';
import { connect, Fabric, sge } from '../transport/fabric.ts';

it('a remote address above 2^53, as the kernel of a peer has them, is sent as it stands in the work request', () => {
  const f = new Fabric();
  const [a, b] = [f.node(), f.node()];
  const [qa, qb] = [a.createQp(), b.createQp()];
  connect(a, qa, b, qb);
  const from = a.regMr(4096);
  const va = 0xffff_8881_2345_6781n;
  const sent: bigint[] = [];
  const { port } = a.rxe;
  const end = port.end.bind(port);
  port.end = () => {
    sent.push(getU64Big(port.buf, 12));
    end();
  };
  // As libibverbs does it: the element is in the ring before the doorbell rings.
  const w = qa.sq.word(qa.sq.producer);
  a.rxe.device.ops.postSend(
    qa,
    {
      ...{ wrId: 1, opcode: WrOpcode.RDMA_WRITE, flags: 2, sge: [sge(from, 0, 8)], numSge: 1, inline: null, imm: 0 },
      ...{ remoteAddr: 0, rkey: 1, compareAdd: 0n, swap: 0n, ah: null, remoteQpn: 0, remoteQkey: 0, mw: null },
      ...{ bindMr: null, bindAddr: 0, bindLength: 0, bindAccess: 0, bindRkey: 0 },
      ...{ flushType: 0, flushLevel: 0, flushLength: 0 },
    },
    true,
  );
  qa.sq.u32[w + SQ.REMOTE_ADDR] = Number(va & 0xffffffffn);
  qa.sq.u32[w + SQ.REMOTE_ADDR + 1] = Number(va >> 32n);
  a.rxe.engine.doorbell(qa);
  assert.equal(sent[0].toString(16), va.toString(16));
  f.close();
});
