// What the harness needs of this machine.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';

const PROGRAMS: readonly (readonly [program: string, debianPackage: string])[] = [
  ['apt-get', 'apt'],
  ['dpkg-deb', 'dpkg'],
  ['qemu-system-x86_64', 'qemu-system-x86'],
  ['gcc', 'gcc'],
  ['ip', 'iproute2'],
  ['unshare', 'util-linux'],
  ['tcpdump', 'tcpdump'],
  ['xz', 'xz-utils'],
  ['ib_write_bw', 'perftest'],
  ['ibv_rc_pingpong', 'ibverbs-utils'],
];
const FILES: readonly (readonly [file: string, debianPackage: string])[] = [
  ['/usr/include/infiniband/verbs.h', 'libibverbs-dev'],
  ['/usr/include/stdio.h', 'libc6-dev'],
  ['/usr/lib/x86_64-linux-gnu/libibverbs/librxe-rdmav34.so', 'ibverbs-providers'],
];

/** What is missing, in sentences; nothing when all is there. */
export function missingNeeds(): string[] {
  const packages = [
    ...PROGRAMS.filter(([program]) => spawnSync('sh', ['-c', 'command -v "$0"', program]).status !== 0),
    ...FILES.filter(([file]) => !existsSync(file)),
  ].map(([, name]) => name);
  const missing: string[] = [];
  if (process.platform !== 'linux' || process.arch !== 'x64') missing.push('Debian on amd64');
  if (process.getuid?.() !== 0)
    missing.push('root, for a network namespace, TAP devices and the guest image (sudo npm run interop)');
  if (packages.length > 0)
    missing.push(`Debian packages: apt-get install --no-install-recommends ${packages.join(' ')}`);
  if (!existsSync('/dev/net/tun')) missing.push('/dev/net/tun (modprobe tun)');
  return missing;
}
