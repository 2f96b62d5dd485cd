// librdmacm's programs: connections, datagrams, multicast, rsockets; perftest with -R; programs that know only sockets.
import { repoPath } from '../helpers/run.ts';
import type { ProgramCase } from './case.ts';

const PACKAGE = 'rdmacm-utils';
const PRELOAD = '$(dirname $(find /usr/lib -name librdmacm.so.1 | head -1))/rsocket/librspreload.so';

/**
 * A client that is started again as long as nobody listens: nothing tells when a server has got as far. In `server`, the server's
 * process id; without one it is in another run.
 */
const client = (command: string, server = '', pause = 0.3): string => `for i in $(seq 120); do
  out=$(${command} 2>&1); code=$?
  [ $code = 0 ] && break
  ${server === '' ? '' : `kill -0 ${server} 2>/dev/null || break`}
  grep -qiE 'reject|refused|unreachable|CM event|wc status' <<<"$out" || break
  sleep ${pause}
done
echo "$out"`;

/** Server and client, `{ip}` being the server's address. A server that stays is ended. */
function pair(
  name: string,
  server: string,
  connect: string,
  more: Partial<ProgramCase> & { stays?: boolean; pause?: number },
): ProgramCase {
  const { stays = false, pause, ...rest } = more;
  const end = stays ? 'kill $server; wait $server 2>/dev/null' : 'wait $server || code=$?';
  const bash = (text: string): string[] => ['bash', '-c', text];
  const common = { name, package: PACKAGE, program: name.split(/[ ,]/)[0], timeoutS: 90, ...rest };
  if (rest.runs === 2) {
    return { ...common, command: bash(`${client(connect, '', pause)}; exit $code`), server: bash(server) };
  }
  return {
    ...common,
    command: bash(`${server} & server=$!\n${client(connect, '$server', pause)}\n${end}; exit $code`),
  };
}

function both(name: string, server: string, connect: string, expect: RegExp): ProgramCase[] {
  return [pair(name, server, connect, { expect }), pair(name, server, connect, { expect, runs: 2 })];
}

const DONE = /data transfers complete[\s\S]*return status 0/;
const PINGS = /ping data: rdma-ping-9/;

const connections: readonly ProgramCase[] = [
  ...both('rping', 'rping -s -v -C 10', 'rping -c -a {ip} -v -C 10', PINGS),
  ...both('rping -S 8000', 'rping -s -C 50 -S 8000 -V', 'rping -c -a {ip} -C 50 -S 8000 -V', /(?:)/),
  pair('rping -q', 'rping -s -v -C 10 -q', 'rping -c -a {ip} -v -C 10 -q', { expect: PINGS }),
  {
    name: 'rping -P, six clients',
    package: PACKAGE,
    program: 'rping',
    command: [
      'bash',
      '-c',
      `rping -s -P & server=$!
       ${client('rping -c -a {ip} -v -C 1', '$server')}
       for n in 1 2 3 4 5 6; do rping -c -a {ip} -v -C 10 & clients="$clients $!"; done
       for one in $clients; do wait $one || code=1; done; kill $server; exit $code`,
    ],
    expect: /(?:rdma-ping-9[\s\S]*){6}/,
    timeoutS: 90,
  },
  ...both('ucmatose', 'ucmatose', 'ucmatose -s {ip}', DONE),
  pair('ucmatose -c 20', 'ucmatose -c 20', 'ucmatose -s {ip} -c 20', { expect: DONE }),
  pair('ucmatose -m', 'ucmatose -m', 'ucmatose -s {ip} -m', { expect: DONE }),
  ...both('rdma_client', 'rdma_server', 'rdma_client -s {ip}', /rdma_client: end 0/),
  ...both('rdma_xclient', 'rdma_xserver', 'rdma_xclient -s {ip}', /rdma_xclient: end 0/),
  {
    name: 'rdma_xclient -c x: XRC is absent',
    package: PACKAGE,
    program: 'rdma_xclient',
    command: ['bash', '-c', 'rdma_xclient -c x -s {ip} && exit 1; true'],
    expect: /rdma_create_ep: Operation not supported/,
  },
  pair('cmtime -c 200', 'cmtime', 'cmtime -s {ip} -c 200', { expect: /destroy +:/, stays: true }),
];

const datagrams: readonly ProgramCase[] = [
  ...both('udaddy', 'udaddy', 'udaddy -s {ip}', DONE),
  pair('udaddy -c 20', 'udaddy -c 20', 'udaddy -s {ip} -c 20', { expect: DONE }),
  {
    // ds_add_qp_dest makes an address handle of a LID, which RoCE refuses (rdma_check_ah_attr), Linux's as ours.
    name: "udpong: rsockets' datagrams are for InfiniBand",
    package: PACKAGE,
    program: 'udpong',
    command: ['bash', '-c', 'timeout 20 udpong -s {ip} -b {ip} -C 10; true'],
    expect: /rconnect: /,
  },
  {
    name: 'mckey',
    package: PACKAGE,
    command: [
      'bash',
      '-c',
      // The receiver hears what is sent after it has joined: it says so.
      `stdbuf -oL mckey -m 239.1.2.3 -b {ip} >$0 & receiver=$!
       for i in $(seq 200); do grep -q receiving $0 && break; sleep 0.1; done
       mckey -m 239.1.2.3 -b {ip} -s; code=$?; wait $receiver || code=$?; cat $0; rm -f $0; exit $code`,
      `/tmp/mckey-${process.pid}`,
    ],
    program: 'mckey',
    expect: DONE,
  },
];

/**
 * Data is verified. `-T b`: without spinning, which needs a CPU for each side. (`-T a` ends with POLLHUP when the last data and
 * the end of the connection come together.)
 */
const streams: readonly ProgramCase[] = ['rstream', 'riostream'].flatMap((name) => {
  // All that -S all has.
  const sizes = [64, 1024, 65536, 1 << 20].flatMap((size) => [size, size * 1.5, size * 2, size * 3, size * 4]);
  return [
    pair(`${name} -T v`, `${name} -T b -T v`, `${name} -T b -T v -s {ip}`, {
      expect: /1m_lat[\s\S]*1m_bw/,
      timeoutS: 150,
    }),
    pair(`${name}, two hosts`, `${name} -T b -T v -I 50 -C 20`, `${name} -T b -T v -I 50 -C 20 -s {ip}`, {
      runs: 2,
      expect: /custom +1000/,
    }),
    {
      name: `${name}, all sizes`,
      package: PACKAGE,
      program: name,
      command: [
        'bash',
        '-c',
        `for size in ${sizes.join(' ')} 4000 100 6144 98304; do
           ${name} -T b -T v -I 5 -C 5 -S $size >/dev/null & server=$!
           ${client(`${name} -T b -T v -I 5 -C 5 -S $size -s {ip}`, '$server')}
           [ $code = 0 ] && wait $server || exit 1
         done`,
      ],
      expect: /(?:custom[\s\S]*){24}/,
      timeoutS: 150,
    },
  ];
});

const copy: ProgramCase = pair(
  'rcopy',
  'rcopy >/dev/null',
  'rcopy /bin/bash {ip}:$0 && cmp /bin/bash $0 && echo same && rm $0',
  { expect: /same/, stays: true },
);

const preloaded: readonly ProgramCase[] = [
  {
    name: 'librspreload: nc',
    package: 'librdmacm1 netcat-traditional',
    program: 'nc.traditional',
    command: [
      'bash',
      '-c',
      `LD_PRELOAD=${PRELOAD} timeout 60 nc.traditional -l -p 7878 >$0 & server=$!
       for i in $(seq 40); do
         LD_PRELOAD=${PRELOAD} timeout 20 nc.traditional -v -q 1 -s {ip} {ip} 7878 </bin/bash && break; sleep 0.3
       done
       wait $server; cmp $0 /bin/bash && echo same; rm $0`,
      `/tmp/nc-${process.pid}`,
    ],
    expect: /same/,
    timeoutS: 90,
  },
  {
    name: 'librspreload: Python',
    package: 'librdmacm1',
    program: '/usr/bin/python3',
    command: [
      'bash',
      '-c',
      `export LD_PRELOAD=${PRELOAD}; python=/usr/bin/python3; echo='${repoPath('test/programs/echo.py')}'
       $python "$echo" server & server=$!; $python "$echo" client {ip}; code=$?; wait $server || code=$?; exit $code`,
    ],
    expect: /1048576 bytes, the same[\s\S]*from 127/,
    timeoutS: 90,
  },
];

const perftest: readonly ProgramCase[] = [
  'ib_send_bw',
  'ib_send_lat',
  'ib_send_bw -e',
  'ib_send_bw -q 4',
  'ib_send_bw -c UD',
  'ib_write_bw',
  'ib_write_lat',
  'ib_read_bw',
  'ib_read_lat',
  'ib_atomic_bw',
].flatMap((name) => {
  const command = `${name} -R -F -n 200`;
  // Between its two connections a perftest server does not listen for a moment. A client that comes then is refused, and ends by
  // a segmentation fault; and the server takes the next client's first connection for the second that it waits for.
  const server = `{ for i in 1 2 3 4; do timeout 15 ${command} && break; done; }`;
  const connect = `sleep 2; ${command} {ip}`;
  const more = { package: 'perftest', expect: /#bytes[^\n]*\n\s*\d+\s+\d+/ };
  const one = (runs: 1 | 2): ProgramCase => pair(`${name} -R`, server, connect, { ...more, runs, pause: 16 });
  return name.includes(' ') ? [one(1)] : [one(1), one(2)];
});

export const rdmacm: readonly ProgramCase[] = [
  ...connections,
  ...datagrams,
  ...streams,
  copy,
  ...preloaded,
  ...perftest,
];
