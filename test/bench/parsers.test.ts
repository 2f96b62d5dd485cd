// What the programs print, taken from them: ucx_perftest 1.13.1, iperf3 3.12.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseIperf3 } from '../../bench/iperf3.ts';
import { parsePerf } from '../../bench/perf.ts';
import { parseRaw } from '../../bench/raw.ts';
import { hasListener } from '../../bench/running.ts';
import { parseUcx } from '../../bench/ucx.ts';

const COLUMNS = 'iterations,50.0_percentile_lat,avg_lat,overall_lat,avg_bw,overall_bw,avg_mr,overall_mr';

test('ucx_perftest: latency', () => {
  const { latency } = parseUcx(`${COLUMNS}\n200000,3.349,3.619,3.780,16.86,16.15,276291,264526\n`);
  assert.equal(latency, 3.349);
});

test('ucx_perftest: bandwidth is messages of the whole run, of several lines the last', () => {
  const text = `warning: something\n${COLUMNS}\n2000,1.9,150.1,150.1,6400.1,6400.1,6400,6400\n4000,1.943,156.841,156.841,6375.89,6375.89,6376,6375\n`;
  assert.equal(parseUcx(text).messages, 6375);
});

test('ucx_perftest: columns are found by name, the older name of the median too', () => {
  const text = 'iterations,typical_lat,avg_lat,overall_lat,avg_bw,overall_bw,overall_mr\n10,2.5,3,3,1,1,77\n';
  assert.deepEqual(parseUcx(text), { latency: 2.5, messages: 77 });
});

test('ucx_perftest: no figures is an error that says so', () => {
  assert.throws(() => parseUcx(''), /no figures/);
  assert.throws(() => parseUcx(`${COLUMNS}\n`), /no figures/);
  assert.throws(() => parseUcx('iterations,avg_lat\n10,3\n'), /columns are iterations,avg_lat/);
});

test('iperf3: what was received, in GB/s', () => {
  const text = JSON.stringify({
    start: { version: 'iperf 3.12' },
    end: {
      sum_sent: { seconds: 2.000227, bytes: 5041029120, bits_per_second: 20161828112.5 },
      sum_received: { seconds: 2.000267, bytes: 5041029120, bits_per_second: 20161424929.77 },
    },
  });
  assert.ok(Math.abs(parseIperf3(text) - 2.5202) < 0.0001);
});

test('iperf3: its error is passed on', () => {
  const text = '{"start":{},"intervals":[],"end":{},"error":"unable to connect to server: Connection refused"}';
  assert.throws(() => parseIperf3(text), /unable to connect/);
  assert.throws(() => parseIperf3('{"end":{}}'), /no figures/);
});

test('infinitive perf: the median, or the bandwidth', () => {
  assert.equal(parsePerf('{"rows":[{"kind":"lat","size":64,"min":3.3,"typical":3.87,"avg":4.2}]}'), 3.87);
  assert.equal(parsePerf('{"rows":[{"kind":"bw","size":1048576,"bytesPerSecond":2892269890}]}'), 2.89226989);
  assert.throws(() => parsePerf('{"rows":[]}'), /nothing was measured/);
  assert.throws(() => parsePerf('{"rows":[{"kind":"bw","bytesPerSecond":0}]}'), /nothing was measured/);
});

test('raw-udp.ts: the figure with copy and CRC', () => {
  const text = JSON.stringify({
    crc: 'isal',
    bandwidth: [
      { work: 'copy', GBps: 3.8 },
      { work: 'copy+crc', GBps: 3.1 },
    ],
  });
  assert.equal(parseRaw(text), 3.1);
  assert.throws(() => parseRaw('{}'), /no figure/);
});

test('/proc/net/tcp: a listener on a port, not a connection', () => {
  const head = '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode';
  const row = (local: string, state: string): string =>
    `   0: ${local} 00000000:0000 ${state} 00000000:00000000 00:00000000 00000000     0        0 16000 1`;
  assert.ok(hasListener(`${head}\n${row('0100007F:5B29', '0A')}\n`, 0x5b29));
  assert.ok(hasListener(`${head}\n${row('00000000000000000000000000000000:0050', '0A')}\n`, 80));
  assert.ok(!hasListener(`${head}\n${row('0100007F:5B29', '01')}\n`, 0x5b29));
  assert.ok(!hasListener(`${head}\n${row('0100007F:5B29', '0A')}\n`, 0x5b2));
  assert.ok(!hasListener(head, 80));
});
