// The C library's functions, as numbers in and numbers out: pointers are addresses (see addressOf), errors are -1 and errno().
// Hot paths call these; cold ones wrap them in check().
import { SysError } from './errors.ts';
import { ffi, requireLinux } from './ffi.ts';

/** A file descriptor, an address, a count: everything is a number. */
export interface Libc {
  socket(domain: number, type: number, protocol: number): number;
  bind(fd: number, addr: number, len: number): number;
  connect(fd: number, addr: number, len: number): number;
  getsockname(fd: number, addr: number, lenPtr: number): number;
  setsockopt(fd: number, level: number, name: number, value: number, len: number): number;
  getsockopt(fd: number, level: number, name: number, value: number, lenPtr: number): number;
  sendto(fd: number, buf: number, len: number, flags: number, addr: number, addrLen: number): number;
  sendmsg(fd: number, msg: number, flags: number): number;
  sendmmsg(fd: number, msgs: number, count: number, flags: number): number;
  recvmsg(fd: number, msg: number, flags: number): number;
  recvmmsg(fd: number, msgs: number, count: number, flags: number, timeout: number): number;
  epoll_create1(flags: number): number;
  epoll_ctl(epfd: number, op: number, fd: number, event: number): number;
  epoll_wait(epfd: number, events: number, max: number, timeoutMs: number): number;
  eventfd(initial: number, flags: number): number;
  read(fd: number, buf: number, len: number): number;
  write(fd: number, buf: number, len: number): number;
  ioctl(fd: number, request: number, arg: number): number;
  close(fd: number): number;
  memfd_create(name: string, flags: number): number;
  ftruncate(fd: number, length: number): number;
  fallocate(fd: number, mode: number, offset: number, length: number): number;
  fcntl(fd: number, command: number, arg: number): number;
  mmap(address: number, length: number, protection: number, flags: number, fd: number, offset: number): number;
  munmap(address: number, length: number): number;
  pipe2(fds: number, flags: number): number;
  lseek(fd: number, offset: number | bigint, whence: number): number | bigint;
  poll(fds: number, count: number, timeoutMs: number): number;
  open(path: string, flags: number, mode: number): number;
  /** Any system call, by its number: for those that older C libraries have no function for. */
  syscall(nr: number, a: number, b: number, c: number, d: number, e: number, f: number): number;
  prctl(option: number, a: number, b: number, c: number, d: number): number;
  process_vm_readv(pid: number, local: number, locals: number, remote: number, remotes: number, flags: number): number;
  process_vm_writev(pid: number, local: number, locals: number, remote: number, remotes: number, flags: number): number;
  readlink(path: string, buf: number, len: number): number;
  inotify_init1(flags: number): number;
  inotify_add_watch(fd: number, path: string, mask: number): number;
  inotify_rm_watch(fd: number, wd: number): number;
  prlimit(pid: number, resource: number, to: number, from: number): number;
  pthread_sigmask(how: number, set: number, old: number): number;
  sched_yield(): number;
  waitid(idType: number, id: number, info: number, options: number): number;
}

// Variadic ioctl is declared with a fixed third argument: on the ABIs of requireLinux() both pass alike.
const PROTOTYPES = [
  'int socket(int, int, int)',
  'int bind(int, uintptr_t, unsigned int)',
  'int connect(int, uintptr_t, unsigned int)',
  'int getsockname(int, uintptr_t, uintptr_t)',
  'int setsockopt(int, int, int, uintptr_t, unsigned int)',
  'int getsockopt(int, int, int, uintptr_t, uintptr_t)',
  // ssize_t as int: the largest result is a datagram's length, and koffi returns an int faster.
  'int sendto(int, uintptr_t, uint32_t, int, uintptr_t, unsigned int)',
  'int sendmsg(int, uintptr_t, int)',
  'int sendmmsg(int, uintptr_t, unsigned int, int)',
  'int recvmsg(int, uintptr_t, int)',
  'int recvmmsg(int, uintptr_t, unsigned int, int, uintptr_t)',
  'int epoll_create1(int)',
  'int epoll_ctl(int, int, int, uintptr_t)',
  'int epoll_wait(int, uintptr_t, int, int)',
  'int eventfd(unsigned int, int)',
  'int read(int, uintptr_t, uint32_t)',
  'int write(int, uintptr_t, uint32_t)',
  'int ioctl(int, unsigned long, uintptr_t)',
  'int close(int)',
  'int memfd_create(const char *, unsigned int)',
  'int ftruncate(int, int64_t)',
  'int fallocate(int, int, int64_t, int64_t)',
  'int fcntl(int, int, uintptr_t)',
  // MAP_FAILED is -1.
  'intptr_t mmap(uintptr_t, uintptr_t, int, int, int, int64_t)',
  'int munmap(uintptr_t, uintptr_t)',
  'int pipe2(uintptr_t, int)',
  'int64_t lseek(int, int64_t, int)',
  'int poll(uintptr_t, uint64_t, int)',
  'int open(const char *, int, int)',
  'int syscall(long, intptr_t, intptr_t, intptr_t, intptr_t, intptr_t, intptr_t)',
  'int prctl(int, unsigned long, unsigned long, unsigned long, unsigned long)',
  'int process_vm_readv(int, uintptr_t, unsigned long, uintptr_t, unsigned long, unsigned long)',
  'int process_vm_writev(int, uintptr_t, unsigned long, uintptr_t, unsigned long, unsigned long)',
  'int readlink(const char *, uintptr_t, uintptr_t)',
  'int inotify_init1(int)',
  'int inotify_add_watch(int, const char *, uint32_t)',
  'int inotify_rm_watch(int, int)',
  'int prlimit(int, int, uintptr_t, uintptr_t)',
  'int pthread_sigmask(int, uintptr_t, uintptr_t)',
  'int sched_yield()',
  'int waitid(int, unsigned int, uintptr_t, int)',
];

let loaded: Libc | null = null;

/** The C library of this process, loaded on first use; throws where there is no Linux. */
export function libc(): Libc {
  if (loaded !== null) return loaded;
  requireLinux('calling the C library');
  // null: what the process itself is linked with, so glibc and musl alike.
  const library = ffi().load(null);
  const functions: Record<string, unknown> = {};
  for (const prototype of PROTOTYPES) {
    const name = /(\w+)\(/.exec(prototype)![1];
    functions[name] = library.func(prototype);
  }
  loaded = functions as unknown as Libc;
  return loaded;
}

/** The error number of the call that failed last in this thread. */
export function errno(): number {
  return ffi().errno();
}

/** Passes a result through, or throws the error of the call that just returned -1. */
export function check(result: number, syscall: string): number {
  if (result === -1) throw new SysError(errno(), syscall);
  return result;
}
