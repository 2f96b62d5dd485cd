# What librdmacm's programs do with /dev/infiniband/rdma_cm, by system calls alone.
import ctypes
import errno
import fcntl
import os
import select
import signal
import stat
import struct
import sys
import threading
import time

NODE = "/dev/infiniband/rdma_cm"
libc = ctypes.CDLL(None, use_errno=True)
answer = ctypes.create_string_buffer(4096)
AT = ctypes.addressof(answer)


def write(fd, request):
    n = libc.write(fd, request, len(request))
    return ctypes.get_errno() if n < 0 else 0


def command(fd, number, request, out):
    return write(fd, struct.pack("<IHH", number, len(request), out) + request)


def create(fd, uid=1):
    error = command(fd, 0, struct.pack("<QQHB5x", uid, AT, 0x106, 2), 4)
    return -error if error else struct.unpack_from("<I", answer)[0]


def event(fd):
    return command(fd, 12, struct.pack("<Q", AT), 336)


def resolve(fd, number):
    address = struct.pack("<H", 2) + struct.pack(">H", 7000) + bytes([127, 0, 0, 1])
    return command(fd, 21, struct.pack("<IIHHI", number, 1000, 0, 16, 0) + bytes(128) + address.ljust(128, b"\0"), 0)


def readable(fd):
    return bool(select.poll().register(fd, select.POLLIN) or select.select([fd], [], [], 0)[0])


def show():
    fd = os.open(NODE, os.O_RDWR | os.O_CLOEXEC)
    s = os.fstat(fd)
    dev = open("/sys/class/misc/rdma_cm/dev").read().strip()
    print("chr", stat.S_ISCHR(s.st_mode), dev == f"{os.major(s.st_rdev)}:{os.minor(s.st_rdev)}")
    print("abi", open("/sys/class/misc/rdma_cm/abi_version").read().strip())
    print("cloexec", fcntl.fcntl(fd, fcntl.F_GETFD) == fcntl.FD_CLOEXEC)
    number = create(fd)
    print("id", number)
    print("readable", readable(fd))
    print("resolve", resolve(fd, number), "readable", readable(fd))
    copy = os.dup(fd)
    print("event", event(copy), struct.unpack_from("<QIIi", answer), "readable", readable(fd))
    fcntl.fcntl(fd, fcntl.F_SETFL, os.O_NONBLOCK)
    print("none", errno.errorcode[event(copy)])
    print("ioctl", errno.errorcode[errno.ENOTTY if libc.ioctl(fd, 0xC0181B01, 0) < 0 else 0])
    other = os.open(NODE, os.O_RDWR)
    print("other", errno.errorcode[resolve(other, number)])


def waiting(action):
    fd = os.open(NODE, os.O_RDWR)
    number = create(fd)
    threading.Timer(0.3, action, (fd, number)).start()
    started = time.monotonic()
    error = event(fd)
    print("waited", time.monotonic() - started > 0.25, error)


def interrupted():
    seen = []
    signal.signal(signal.SIGALRM, lambda *_: seen.append(1))
    signal.siginterrupt(signal.SIGALRM, True)
    waiting(lambda *_: signal.pthread_kill(threading.main_thread().ident, signal.SIGALRM))
    print("handled", len(seen))


def restarted():
    signal.signal(signal.SIGALRM, lambda *_: None)
    signal.siginterrupt(signal.SIGALRM, False)

    def both(fd, number):
        signal.pthread_kill(threading.main_thread().ident, signal.SIGALRM)
        time.sleep(0.5)
        resolve(fd, number)

    waiting(both)


def killed():
    for sig in (signal.SIGKILL, signal.SIGTERM):
        pid = os.fork()
        if pid == 0:
            event(os.open(NODE, os.O_RDWR))
            os._exit(0)
        time.sleep(0.3)
        os.kill(pid, sig)
        print("ended", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


def many():
    fds = [os.open(NODE, os.O_RDWR) for _ in range(200)]
    print("ids", len({create(fd) for fd in fds}))
    for fd in fds:
        os.close(fd)
    # They are closed when the last descriptor is: their numbers are free again.
    time.sleep(0.3)
    print("again", create(os.open(NODE, os.O_RDWR)))


{"show": show, "waits": lambda: waiting(resolve), "interrupted": interrupted, "restarted": restarted, "killed": killed, "many": many}[
    sys.argv[1]
]()
