import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { EventType, QpType, WcStatus, WrOpcode } from '../../src/core/constants.ts';
import type { AsyncEvent } from '../../src/core/context.ts';
import { parseFailRule } from '../../src/core/fail-rule.ts';
import { Injector } from '../../src/core/injector.ts';
import { allocPd, destroyQp } from '../../src/core/verbs.ts';
import { Fixture } from './fixture.ts';

const injector = (...rules: string[]): Injector => new Injector(rules.map(parseFailRule), (p) => p >= 0.5);

suite('rules of failures made on purpose', () => {
  test('names are those of libibverbs, with or without its prefixes', () => {
    for (const name of ['RNR_RETRY_EXC_ERR', 'RNR_RETRY_EXC', 'IBV_WC_RNR_RETRY_EXC_ERR', 'rnr_retry_exc_err']) {
      assert.equal(parseFailRule(`wc:${name}`).code, WcStatus.RNR_RETRY_EXC_ERR);
    }
    assert.equal(parseFailRule('event:IBV_EVENT_PORT_ERR').code, EventType.PORT_ERR);
    assert.equal(parseFailRule('wc:REM_OP_ERR@op=IBV_WR_RDMA_READ').opcode, WrOpcode.RDMA_READ);
    const { verb, errno, after, count, probability } = parseFailRule('verb:create_qp=ENOMEM@after=2,count=*,p=50%');
    assert.deepEqual(
      [verb, errno, after, count, probability],
      ['create_qp', 'ENOMEM', 2, Number.POSITIVE_INFINITY, 0.5],
    );
  });

  const refused: readonly [rule: string, why: RegExp][] = [
    ['', /begins with wc:/],
    ['RNR_RETRY_EXC', /begins with wc:/],
    ['wc:NONSENSE', /status "NONSENSE" is unknown; there are .*RETRY_EXC_ERR/],
    ['wc:SUCCESS', /no failure/],
    ['verb:create_qp', /no errno/],
    ['verb:create_qp=ENONSENSE', /no errno/],
    ['verb:create_thing=ENOMEM', /unknown; there are .*create_qp/],
    ['verb:destroy_qp=EBUSY', /unknown/],
    ['verb:create_qp=ENOMEM@qp=3', /verb has after, every, count, p/],
    ['event:PORT_ERROR', /event "PORT_ERROR" is unknown/],
    ['event:PORT_ERR@in=soon', /seconds/],
    ['wc:REM_OP@after', /a value is wanted/],
    ['wc:REM_OP@after=-1', /whole number/],
    ['wc:REM_OP@after=1,after=2', /twice/],
    ['wc:REM_OP@every=0', /from 1 on/],
    ['wc:REM_OP@p=2', /probability/],
    ['wc:REM_OP@a@b', /one @/],
  ];
  for (const [rule, why] of refused) {
    test(`"${rule}" is refused with what is allowed`, () => assert.throws(() => parseFailRule(rule), why));
  }

  test('after, every and count say which work requests fail', (t) => {
    const qp = new Fixture(t).qp(QpType.RC);
    const failing = injector('wc:REM_OP@after=2,every=3,count=2');
    const statuses = Array.from({ length: 12 }, () => failing.workRequest(qp, WrOpcode.SEND));
    assert.deepEqual(
      statuses.flatMap((status, i) => (status === WcStatus.REM_OP_ERR ? [i] : [])),
      [2, 5],
    );
  });

  test('queue pair, opcode and probability narrow a rule', (t) => {
    const fixture = new Fixture(t);
    const [a, b] = [fixture.qp(QpType.RC), fixture.qp(QpType.RC)];
    const one = injector(`wc:REM_OP@qp=${a.qpn},op=SEND,count=*`);
    assert.equal(one.workRequest(b, WrOpcode.SEND), 0);
    assert.equal(one.workRequest(a, WrOpcode.RDMA_WRITE), 0);
    assert.equal(one.workRequest(a, WrOpcode.SEND), WcStatus.REM_OP_ERR);
    assert.equal(injector('wc:REM_OP@p=0.1').workRequest(a, WrOpcode.SEND), 0);
  });

  test('a verb fails with the errno, and what is not named goes on', (t) => {
    const fixture = new Fixture(t, { device: { injector: injector('verb:alloc_pd=ENOMEM@after=2,count=1') } });
    // The fixture has made the first.
    allocPd(fixture.context);
    assert.throws(() => allocPd(fixture.context), { code: 'ENOMEM', message: /made to fail by the rule/ });
    allocPd(fixture.context);
    destroyQp(fixture.qp(QpType.RC));
  });

  test('events go to the object they are about', (t) => {
    const fixture = new Fixture(t);
    const qp = fixture.qp(QpType.RC);
    const events: AsyncEvent[] = [];
    fixture.context.onAsyncEvent = (event) => events.push(event);
    const failing = injector('event:QP_FATAL', 'event:CQ_ERR', 'event:PORT_ERR', 'event:QP_ACCESS_ERR@in=2');
    assert.equal(failing.workRequest(qp, WrOpcode.SEND), 0);
    const [timed] = failing.timedEvents(fixture.device);
    assert.equal(timed.seconds, 2);
    timed.raise();
    assert.deepEqual(
      events.map(({ type, object }) => [type, object]),
      [
        [EventType.QP_FATAL, qp],
        [EventType.CQ_ERR, fixture.cq],
        [EventType.PORT_ERR, null],
        [EventType.QP_ACCESS_ERR, qp],
      ],
    );
  });
});
