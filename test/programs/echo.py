# A program that knows sockets and nothing else. With type flags (SOCK_CLOEXEC, which Python's own sockets have) rsockets of
# rdma-core 44 are not made, and the connection is an ordinary one: so the sockets come from socket(2) and accept(2).
import ctypes
import socket
import sys
import threading
import time

libc = ctypes.CDLL(None)
SIZE = 1 << 20
PORT = 7777


def wrap(fd):
    if fd < 0:
        sys.exit("no socket")
    return socket.socket(socket.AF_INET, socket.SOCK_STREAM, 0, fileno=fd)


def new():
    return wrap(libc.socket(socket.AF_INET, socket.SOCK_STREAM, 0))


def server():
    listener = new()
    listener.bind(("0.0.0.0", PORT))
    listener.listen(5)
    connection = wrap(libc.accept(listener.fileno(), None, None))
    count = 0
    while data := connection.recv(65536):
        count += len(data)
        connection.sendall(data)
    print(count, "bytes from", connection.getpeername()[0])


def client(address):
    for _ in range(40):
        connection = new()
        try:
            connection.connect((address, PORT))
            break
        except ConnectionRefusedError:
            connection.close()
            time.sleep(0.3)
    data = bytes(i * 7 % 251 for i in range(SIZE))
    sender = threading.Thread(target=connection.sendall, args=(data,))
    sender.start()
    back = b""
    while len(back) < SIZE:
        back += connection.recv(65536)
    sender.join()
    print(SIZE, "bytes,", "the same" if back == data else "others")
    connection.shutdown(socket.SHUT_RDWR)


server() if sys.argv[1] == "server" else client(sys.argv[2])
