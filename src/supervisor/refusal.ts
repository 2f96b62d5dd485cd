// Why a kernel, or a container, lets no supervisor be.
import { release } from 'node:os';

/** SECCOMP_ADDFD_FLAG_SEND */
const NEEDED = [5, 14] as const;

/** A sentence for the errno that installing the filter failed with; `kernel` as uname tells it. */
export function whyNoListener(code: string, kernel = release()): string {
  const [major, minor] = kernel.split('.').map(Number);
  if (major < NEEDED[0] || (major === NEEDED[0] && minor < NEEDED[1])) {
    return `"infinitive run" needs Linux ${NEEDED.join('.')}; this is ${kernel}`;
  }
  switch (code) {
    case 'EBUSY':
      return (
        '"infinitive run" cannot work here: these processes are supervised through seccomp already ' +
        '(by a container runtime, or an "infinitive run" whose INFINITIVE_RUN is not in the environment), and Linux allows that once'
      );
    case 'EPERM':
    case 'EACCES':
    case 'ENOSYS':
    case 'EINVAL':
      return (
        `"infinitive run" cannot work here: seccomp with a listener is refused (${code}). ` +
        'The container runtime or sandbox must allow the seccomp system call, and the kernel needs CONFIG_SECCOMP_FILTER'
      );
    default:
      return `the seccomp filter cannot be installed: ${code}`;
  }
}
