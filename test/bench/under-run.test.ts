import assert from 'node:assert/strict';
import { test } from 'node:test';
import { perRound, type Settings } from '../../bench/measure.ts';
import { parseSide } from '../../bench/side.ts';
import { parseCmtime, parsePerftest } from '../../bench/under-run.ts';

// What the programs of Debian 12 print.
const LINE = '-'.repeat(87);
const BANDWIDTH = `${LINE}
                    RDMA_Write BW Test
 Dual-port       : OFF		Device         : rxe0
${LINE}
 #bytes     #iterations    BW peak[Gb/sec]    BW average[Gb/sec]   MsgRate[Mpps]
 65536      24520            0.00               12.80 		   0.024431
${LINE}
`;
const LATENCY = `${LINE}
 #bytes #iterations    t_min[usec]    t_max[usec]  t_typical[usec]    t_avg[usec]    t_stdev[usec]   99% percentile[usec]   99.9% percentile[usec] 
 64      1000          30.70          2544.38      44.19    	       59.44       	82.99  		286.02  		2544.38
${LINE}
`;
const CMTIME = `creating id
destroying id
step              total ms     max ms     min us  us / conn
create id    :       17.15       0.86      35.00      85.75
resolve addr :       45.90      27.78    9997.00     229.48
resolve route:       12.61       3.67     127.00      63.06
create qp    :       50.22       3.26      88.00     251.07
connect      :      482.86     300.50   31919.00    2414.29
disconnect   :      187.16      42.19     893.00     935.79
destroy      :        4.25       0.20      14.00      21.26
`;

test("perftest's bandwidth and latency", () => {
  assert.equal(parsePerftest(BANDWIDTH), 1.6);
  assert.equal(parsePerftest(LATENCY), 44.19);
  assert.throws(() => parsePerftest("Couldn't connect to 127.0.0.1"), /no figures/);
});

test("cmtime's steps are summed", () => {
  assert.equal(parseCmtime(CMTIME, 200).toFixed(5), (800.15 / 200).toFixed(5));
  assert.throws(() => parseCmtime('creating id\nfailure in rdma_connect', 200), /failure in rdma_connect/);
});

test('a figure of a program of ours', () => {
  assert.equal(parseSide('{"us":3,"gbps":1.5}\n', 'gbps'), 1.5);
  assert.throws(() => parseSide('{"us":null}', 'us'), /no figure/);
});

test('what stands in several rows is measured once in a round', async () => {
  const settings = (round: number): Settings => ({ quick: true, round, signal: AbortSignal.timeout(1000) });
  let count = 0;
  const measure = perRound(() => Promise.resolve(++count));
  assert.deepEqual(await Promise.all([measure(settings(0)), measure(settings(0))]), [1, 1]);
  assert.equal(await measure(settings(1)), 2);
});
