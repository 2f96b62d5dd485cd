// Tables with the columns of perftest.
import { operationName, type PerfParams } from './params.ts';
import type { PerfEnd, PerfRow } from './result.ts';

const MIB = 2 ** 20;

interface Column {
  readonly title: string;
  readonly width: number;
  value(row: PerfRow): string;
}

const fixed = (value: number, digits: number): string => value.toFixed(digits);

/** The columns of a measurement; `gbits`: Gb/s instead of MiB/s. */
function columns(params: PerfParams, gbits: boolean): Column[] {
  const unit = gbits ? 'Gb/s' : 'MiB/s';
  const rate = (bytes: number): string => (gbits ? fixed((bytes * 8) / 1e9, 3) : fixed(bytes / MIB, 2));
  const common: Column[] = [
    { title: '#bytes', width: 8, value: (row) => String(row.size) },
    { title: '#iterations', width: 13, value: (row) => String(row.iterations) },
  ];
  const bandwidth: Column[] = [
    { title: `BW peak[${unit}]`, width: 17, value: (r) => (r.kind === 'bw' ? rate(r.peakBytesPerSecond) : '') },
    { title: `BW average[${unit}]`, width: 20, value: (r) => (r.kind === 'bw' ? rate(r.bytesPerSecond) : '') },
    { title: 'MsgRate[Mpps]', width: 15, value: (r) => (r.kind === 'bw' ? fixed(r.messagesPerSecond / 1e6, 6) : '') },
  ];
  const names = ['min', 'max', 'typical', 'avg', 'stdev'] as const;
  const latency: Column[] = names.map((name) => ({
    title: `t_${name}[us]`,
    width: name === 'typical' ? 15 : 12,
    value: (r) => (r.kind === 'lat' ? fixed(r[name], 2) : ''),
  }));
  latency.push(
    { title: '99%[us]', width: 10, value: (r) => (r.kind === 'lat' ? fixed(r.p99, 2) : '') },
    { title: '99.9%[us]', width: 11, value: (r) => (r.kind === 'lat' ? fixed(r.p999, 2) : '') },
  );
  const extra: Column[] = [];
  if (params.connection !== 'rc') extra.push({ title: 'lost', width: 9, value: (r) => String(r.lost ?? 0) });
  if (params.verify) extra.push({ title: 'data', width: 8, value: (r) => (r.verified ? 'ok' : 'WRONG') });
  return [...common, ...(params.lat ? latency : bandwidth), ...extra];
}

const line = (cells: readonly string[], widths: readonly number[]): string =>
  cells
    .map((cell, i) => cell.padStart(widths[i]))
    .join('')
    .trimEnd();

export function tableHead(params: PerfParams, gbits: boolean): string {
  const list = columns(params, gbits);
  return line(
    list.map((c) => c.title),
    list.map((c) => c.width),
  );
}

export function tableRow(params: PerfParams, row: PerfRow, gbits: boolean): string {
  const list = columns(params, gbits);
  return line(
    list.map((c) => c.value(row)),
    list.map((c) => c.width),
  );
}

/** What is measured between whom. */
export function heading(params: PerfParams, local: PerfEnd, remote: PerfEnd): string {
  const what = params.lat ? 'latency' : `bandwidth${params.bidirectional ? ', both ways' : ''}`;
  const mtu = Math.min(params.mtu ?? 4096, local.mtu, remote.mtu);
  const parts = [`${operationName(params)} ${what}`, `MTU ${mtu}`];
  if (params.qps > 1) parts.push(`${params.qps} QPs`);
  if (!params.lat) parts.push(`TX depth ${params.txDepth}`);
  if (params.inline > 0) parts.push(`inline up to ${params.inline}`);
  parts.push(params.events ? 'waiting for events' : 'polling');
  return `${parts.join(', ')}\n local:  ${end(local)}\n remote: ${end(remote)}`;
}

function end({ gid, qpns }: PerfEnd): string {
  const shown = qpns.slice(0, 4).map((qpn) => `0x${qpn.toString(16).padStart(6, '0')}`);
  return `GID ${gid}, QPN ${shown.join(' ')}${qpns.length > shown.length ? ' …' : ''}`;
}
