#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""HTTP server for the tests: sends bytes that repeat nowhere, and hashes what it is sent.

GET /bytes/N answers with the first N bytes of `content`; PUT /anything with the hex SHA-256 of the
body; ECHO / sends back whatever comes. Usage: httpd.py ADDRESS PORT
"""

import hashlib
import socket
import sys
import threading


def content(length):
    """The same bytes each time, and nowhere the same as elsewhere, so that a swap shows."""
    return hashlib.shake_128(b"ramson test content").digest(length)


def digest(length):
    return hashlib.sha256(content(length)).hexdigest()


class Server:
    def __init__(self, address, port):
        self.content = content(1 << 20)
        self.lock = threading.Lock()
        self.listener = socket.create_server((address, port), backlog=128)

    def bytes_of(self, length):
        with self.lock:
            if length > len(self.content):
                self.content = content(length)
        return memoryview(self.content)[:length]

    def serve(self):
        while True:
            connection, _ = self.listener.accept()
            threading.Thread(target=self.handle, args=(connection,), daemon=True).start()

    def handle(self, connection):
        with connection:
            try:
                self.answer(connection)
            except (OSError, ValueError):
                pass  # the peer went away, or sent nonsense: its own loss

    def answer(self, connection):
        request = connection.makefile("rb")
        method, path, _ = request.readline(4096).decode().split()
        headers = {}
        while (line := request.readline(4096)) not in (b"\r\n", b""):
            name, _, value = line.decode().partition(":")
            headers[name.strip().lower()] = value.strip()
        if method == "ECHO":
            connection.sendall(b"HTTP/1.0 200 OK\r\n\r\n")
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while data := request.read1(65536):
                connection.sendall(data)
            return
        if method == "PUT":
            sha, left = hashlib.sha256(), int(headers["content-length"])
            while left and (data := request.read1(min(left, 65536))):
                sha.update(data)
                left -= len(data)
            body = sha.hexdigest().encode()
        else:
            body = self.bytes_of(int(path.rpartition("/")[2]))
        connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body))
        connection.sendall(body)


if __name__ == "__main__":
    Server(sys.argv[1], int(sys.argv[2])).serve()
