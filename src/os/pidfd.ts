// Processes by descriptors, which never come to mean another process (pidfd_open(2)).
import { ESRCH } from './constants.ts';
import { check, errno, libc } from './libc.ts';
import { syscallTable } from './syscalls.ts';

/** A process that may have ended; close {@link fd} when done. It is readable (poll, epoll) when the process has ended. */
export class Pidfd {
  readonly pid: number;
  readonly fd: number;

  /** `pid` is a process's, not a thread's. */
  constructor(pid: number) {
    this.pid = pid;
    this.fd = check(libc().syscall(syscallTable().nr.pidfd_open, pid, 0, 0, 0, 0, 0), 'pidfd_open');
  }

  /** Is the process still there, and `tid` one of its threads? */
  hasThread(tid: number): boolean {
    const { syscall } = libc();
    const { nr } = syscallTable();
    // Signal 0 only asks. Another error than ESRCH (EPERM) says that there is such a process or thread.
    if (syscall(nr.pidfd_send_signal, this.fd, 0, 0, 0, 0, 0) === -1 && errno() === ESRCH) return false;
    // Its first thread has its id, for as long as it is there.
    if (tid === this.pid) return true;
    return syscall(nr.tgkill, this.pid, tid, 0, 0, 0, 0) !== -1 || errno() !== ESRCH;
  }

  /** A descriptor here of what `fd` is there: the same open file description. -1 when there is none, or it is refused. */
  getFd(fd: number): number {
    return libc().syscall(syscallTable().nr.pidfd_getfd, this.fd, fd, 0, 0, 0, 0);
  }

  close(): void {
    libc().close(this.fd);
  }
}
