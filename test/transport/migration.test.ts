// Path migration, as Linux rxe has it: what a program sets is kept and told, and nothing migrates. The MigReq bit says what
// state this end is in (IBTA 17.2.8), and is not looked at in what comes: rxe always sends 0, NICs send 1.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { QpAttrMask, QpState, WcStatus, WrOpcode } from '../../src/core/constants.ts';
import { MigState } from '../../src/core/qp.ts';
import { queryQp } from '../../src/core/verbs.ts';
import { BTH_MIG, bthFlags } from '../../src/wire/bth.ts';
import { tap } from '../model/tap.ts';
import { addressVector, connect, Fabric, toRts } from './fabric.ts';

it('the alternate path and the state are kept, MigReq is 1 in MIGRATED only, and either is accepted', () => {
  const f = new Fabric();
  const [a, b] = [f.node(), f.node()];
  const [qa, qb] = [a.createQp(), b.createQp()];
  connect(a, qa, b, qb, {});
  assert.equal(queryQp(qa).pathMigState, MigState.MIGRATED);
  const bits = new Set<string>();
  tap(f.sim, (from, { buf }) => void bits.add(`${from === a.link ? 'a' : 'b'}${bthFlags(buf, 0) & BTH_MIG ? 1 : 0}`));
  const exchange = (expected: string[]): void => {
    bits.clear();
    b.recv(qb, { wrId: 1 });
    a.send(qa, { opcode: WrOpcode.SEND });
    f.run();
    assert.deepEqual(
      a.poll(qa.sendCq).map((wc) => wc.status),
      [WcStatus.SUCCESS],
    );
    assert.deepEqual([...bits].sort(), expected);
  };
  exchange(['a1', 'b1']);
  const altAv = addressVector(b)!;
  const alternate = { altAv, altPkeyIndex: 0, altPort: 1, altTimeout: 14 };
  a.modify(qa, { ...alternate, pathMigState: MigState.REARM }, QpAttrMask.ALT_PATH | QpAttrMask.PATH_MIG_STATE);
  const { altAv: told, altPort, altTimeout, pathMigState } = queryQp(qa);
  assert.deepEqual([told, altPort, altTimeout, pathMigState], [altAv, 1, 14, MigState.REARM]);
  exchange(['a0', 'b1']);
  a.modify(qa, { pathMigState: MigState.MIGRATED }, QpAttrMask.PATH_MIG_STATE);
  exchange(['a1', 'b1']);
  a.modify(qa, { pathMigState: MigState.ARMED }, QpAttrMask.PATH_MIG_STATE);
  a.modify(qa, { state: QpState.RESET }, QpAttrMask.STATE);
  b.modify(qb, { state: QpState.RESET }, QpAttrMask.STATE);
  toRts(a, qa, b, qb.qpn);
  toRts(b, qb, a, qa.qpn);
  exchange(['a1', 'b1']);
  f.close();
});
