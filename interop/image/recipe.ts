// What the guest is made of: Debian packages, and of them only what is used.

export const PACKAGES: readonly string[] = [
  'busybox-static',
  'libc6',
  'libgcc-s1',
  'ibverbs-utils',
  'ibverbs-providers',
  'librdmacm1',
  'rdmacm-utils',
  'perftest',
  'iproute2',
];

export const PROGRAMS: readonly string[] = [
  'ip',
  'tc',
  'rdma',
  ...['rping', 'ucmatose', 'udaddy', 'udpong', 'rstream', 'riostream', 'rcopy', 'mckey', 'cmtime'],
  ...['rdma_client', 'rdma_server', 'rdma_xclient', 'rdma_xserver'],
  ...['ibv_devices', 'ibv_devinfo', 'ibv_asyncwatch'],
  ...['rc', 'uc', 'ud', 'srq', 'xsrq'].map((type) => `ibv_${type}_pingpong`),
  ...['send', 'write', 'read', 'atomic'].flatMap((op) => [`ib_${op}_bw`, `ib_${op}_lat`]),
];

/** Kernel modules; what they depend on comes with them. */
export const MODULES: readonly string[] = [
  'virtio_pci',
  'virtio_net',
  'virtio_rng',
  'ib_uverbs',
  'ib_umad',
  'rdma_ucm',
  'rdma_rxe',
  // rxe asks the crypto API for "crc32" at run time: a dependency that modules.dep does not list.
  'crc32_generic',
  'crc32_pclmul',
  'crc32c_generic',
  // Loss and disorder, on what leaves the guest and, by way of ifb, on what comes in.
  'sch_netem',
  'sch_ingress',
  'cls_matchall',
  'act_mirred',
  'ifb',
];

/** Files that no program names: the loader, what libibverbs and pthread_exit load at run time. */
export const FILES: readonly string[] = [
  'lib64/ld-linux-x86-64.so.2',
  'usr/lib/x86_64-linux-gnu/libibverbs/librxe-rdmav34.so',
  'etc/libibverbs.d/rxe.driver',
  'lib/x86_64-linux-gnu/libgcc_s.so.1',
];
