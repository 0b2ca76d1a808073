# SPDX-License-Identifier: BSD-3-Clause
"""A SOCKS5 client for the tests, and transfers through a SOCKS port."""

import hashlib
import socket
import struct
import subprocess
import time

import httpd
from process import Failure

CONNECT, RESOLVE, RESOLVE_PTR = 0x01, 0xf0, 0xf1
SUCCEEDED, FAILURE, NOT_ALLOWED, NET_UNREACHABLE, HOST_UNREACHABLE, REFUSED, TTL_EXPIRED = range(7)
ADDRESS_IPV4, ADDRESS_NAME, ADDRESS_IPV6 = 1, 3, 4
TIMEOUT_S = 150  # more than an application is kept waiting


class Refused(Failure):
    """The reply's code."""

    def __init__(self, code):
        super().__init__(f"SOCKS reply {code}")
        self.code = code


def exactly(connection, length):
    data = b""
    while len(data) < length:
        if not (more := connection.recv(length - len(data))):
            raise Failure("the SOCKS port closed the connection")
        data += more
    return data


def encode_address(host):
    try:
        return bytes([ADDRESS_IPV4]) + socket.inet_aton(host) if host.count(".") == 3 else \
            bytes([ADDRESS_IPV6]) + socket.inet_pton(socket.AF_INET6, host)
    except OSError:
        return bytes([ADDRESS_NAME, len(host)]) + host.encode("latin-1")


def open_port(port, timeout=TIMEOUT_S, bound=lambda _port: None):
    """A connection to the SOCKS port: (address, port), or the path of a Unix socket.

    `bound` is told its local port before it is made.
    """
    connection = socket.socket(socket.AF_UNIX if isinstance(port, str) else socket.AF_INET)
    connection.settimeout(timeout)
    if not isinstance(port, str):
        connection.bind(("127.0.0.1", 0))
        bound(connection.getsockname()[1])
    connection.connect(port)
    return connection


def ask(connection, command, host, number=0, user=None, early=b""):
    """Sends a request, and `early` right behind it. Returns the reply's address."""
    method = 2 if user else 0
    connection.sendall(bytes([5, 1, method]))
    if exactly(connection, 2) != bytes([5, method]):
        raise Failure("the SOCKS port does not take this method")
    if user:
        name, word = (part.encode() for part in user)
        connection.sendall(bytes([1, len(name)]) + name + bytes([len(word)]) + word)
        if exactly(connection, 2) != b"\1\0":
            raise Failure("the SOCKS port does not take the password")
    connection.sendall(bytes([5, command, 0]) + encode_address(host) + struct.pack(">H", number)
                       + early)
    _, code, _, kind = exactly(connection, 4)
    if kind == ADDRESS_NAME:
        address = exactly(connection, exactly(connection, 1)[0]).decode()
    elif kind == ADDRESS_IPV6:
        address = socket.inet_ntop(socket.AF_INET6, exactly(connection, 16))
    else:
        address = socket.inet_ntoa(exactly(connection, 4))
    exactly(connection, 2)
    if code != SUCCEEDED:
        raise Refused(code)
    return address


def connect(port, host, number, user=None, early=b"", **options):
    """A stream; the caller closes it. `options` are open_port's."""
    connection = open_port(port, **options)
    try:
        ask(connection, CONNECT, host, number, user, early)
        return connection
    except BaseException:
        connection.close()
        raise


def resolve(port, host, command=RESOLVE):
    with open_port(port) as connection:
        return ask(connection, command, host)


def refusal(port, host, number=80, command=CONNECT):
    """The code by which this is refused."""
    with open_port(port) as connection:
        try:
            ask(connection, command, host, number)
        except Refused as refused:
            return refused.code
    return SUCCEEDED


def read_head(connection):
    head = b""
    while b"\r\n\r\n" not in head:
        if not (more := connection.recv(65536)):
            raise Failure(f"the stream ended in the head of the HTTP reply, after {len(head)} bytes")
        head += more
    return head.partition(b"\r\n\r\n")[2]


def read_body(connection, length, body=b"", progress=None):
    """Reads the rest of a body; the SHA-256 of all."""
    sha, total = hashlib.sha256(body), len(body)
    while total < length:
        if not (more := connection.recv(1 << 18)):
            raise Failure(f"the stream ended after {total} of {length} bytes")
        sha.update(more)
        total += len(more)
        if progress:
            progress(total)
    return sha.hexdigest()


def download(port, host, length, number=80, user=None, progress=None):
    """Fetches `length` bytes of the HTTP server and checks them."""
    request = b"GET /bytes/%d HTTP/1.0\r\n\r\n" % length
    with connect(port, host, number, user, request) as connection:
        body = read_head(connection)
        if read_body(connection, length, body, progress) != httpd.digest(length):
            raise Failure(f"{length} bytes came, and they are not those of the server")


def put(connection, data):
    """Sends `data` to the HTTP server; the SHA-256 of what it was sent."""
    connection.sendall(b"PUT /x HTTP/1.0\r\nContent-Length: %d\r\n\r\n" % len(data))
    connection.sendall(data)
    body = read_head(connection)
    return (body + exactly(connection, 64 - len(body))).decode()


def upload(port, host, data, number=80):
    """Sends `data` to the HTTP server and checks what it was sent."""
    with connect(port, host, number) as connection:
        if put(connection, data) != hashlib.sha256(data).hexdigest():
            raise Failure(f"{len(data)} bytes went, and the server was sent others")


def curl(*arguments, timeout=120):
    """curl's output."""
    done = subprocess.run(["curl", "--silent", "--show-error", "--fail", "--max-time", str(timeout),
                           *arguments], capture_output=True)
    if done.returncode != 0:
        raise Failure(f"curl: {done.stderr.decode().strip()}")
    return done.stdout


def check_bytes(data, length):
    if len(data) != length or data != httpd.content(length):
        raise Failure(f"{len(data)} bytes came, and they are not those of the server")


def seconds(work):
    start = time.monotonic()
    work()
    return time.monotonic() - start
