# SPDX-License-Identifier: BSD-3-Clause
"""A Tor link by hand: TLS, link handshake and cells, right or as wrong as a test wants them."""

import hashlib
import hmac
import os
import socket
import ssl
import struct

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from process import Failure

(PADDING, CREATE, CREATED, RELAY, DESTROY, CREATE_FAST, CREATED_FAST, VERSIONS, NETINFO, RELAY_EARLY,
 CREATE2, CREATED2, PADDING_NEGOTIATE) = range(13)
VPADDING, CERTS, AUTH_CHALLENGE, AUTHENTICATE, AUTHORIZE = range(128, 133)
BEGIN, DATA, END, CONNECTED, SENDME = range(1, 6)  # relay commands
BEGIN_DIR = 13
BODY, DATA_MAX = 509, 498
INITIATOR_BIT = 0x80000000


def is_variable(command):
    return command == VERSIONS or command >= 128


def pack(command, body, circid=0, circid_length=4):
    """A cell; a fixed one's body is padded with zeros."""
    head = circid.to_bytes(circid_length, "big") + bytes([command])
    if is_variable(command):
        return head + struct.pack(">H", len(body)) + body
    return head + body[:BODY].ljust(BODY, b"\0")


def versions(*offered):
    return pack(VERSIONS, struct.pack(f">{len(offered)}H", *offered), circid_length=2)


def netinfo(address="10.90.0.100"):
    return pack(NETINFO, struct.pack(">IBB", 0, 4, 4) + socket.inet_aton(address) + b"\0")


def tls_context():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    return context


_context = tls_context()


class Link:
    """A TLS connection to an OR port. `peer_cells` keeps what its handshake said, by command."""

    def __init__(self, address, port, timeout=10):
        connection = socket.create_connection((address, port), timeout=timeout)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            self.tls = _context.wrap_socket(connection)
        except BaseException:
            connection.close()
            raise
        self.buffer, self.circid_length, self.peer_cells = b"", 2, {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.tls.close()

    def send(self, data):
        self.tls.sendall(data)

    def _need(self, length):
        while len(self.buffer) < length:
            if not (more := self.tls.recv(65536)):
                raise EOFError("the relay closed the link")
            self.buffer += more

    def receive(self):
        """The next cell: (circuit id, command, body). EOFError once the relay has closed."""
        head = self.circid_length + 1
        self._need(head)
        command = self.buffer[head - 1]
        length = BODY
        if is_variable(command):
            self._need(head + 2)
            length = struct.unpack_from(">H", self.buffer, head)[0]
            head += 2
        self._need(head + length)
        circid = int.from_bytes(self.buffer[:self.circid_length], "big")
        body, self.buffer = self.buffer[head:head + length], self.buffer[head + length:]
        return circid, command, body

    def receive_for(self, circid):
        """The next cell of this circuit."""
        while True:
            cell = self.receive()
            if cell[0] == circid and cell[1] not in (PADDING, VPADDING):
                return cell

    def handshake(self, offered=(4, 5)):
        """The client's side, without certificates. Returns self with the link open."""
        self.send(versions(*offered))
        _, command, body = self.receive()
        if command != VERSIONS:
            raise Failure(f"cell {command} came before VERSIONS")
        self.peer_cells[VERSIONS] = body
        self.circid_length = 4
        while NETINFO not in self.peer_cells:
            _, command, body = self.receive()
            self.peer_cells[command] = body
        self.send(netinfo())
        return self

    def create_fast(self, circid=INITIATOR_BIT | 1):
        """A one-hop circuit, with the keys for relay cells on it."""
        x = os.urandom(20)
        self.send(pack(CREATE_FAST, x, circid))
        _, command, body = self.receive_for(circid)
        if command != CREATED_FAST:
            raise Failure(f"cell {command} in answer to CREATE_FAST")
        material = b"".join(hashlib.sha1(x + body[:20] + bytes([i])).digest() for i in range(5))
        if not hmac.compare_digest(material[:20], body[20:40]):
            raise Failure("CREATED_FAST does not prove the shared key")
        return Circuit(self, circid, material[20:92])


class Circuit:
    """One hop of a circuit: tor1 relay crypto (tor-spec, "Relay cells")."""

    def __init__(self, link, circid, material):
        self.link, self.circid = link, circid
        self.forward_digest = hashlib.sha1(material[:20])
        self.backward_digest = hashlib.sha1(material[20:40])
        zero = modes.CTR(bytes(16))
        self.forward = Cipher(algorithms.AES(material[40:56]), zero).encryptor()
        self.backward = Cipher(algorithms.AES(material[56:72]), zero).decryptor()
        self.data_cells = 0  # that came, on all streams

    def seal(self, command, data=b"", stream=0, length=None, early=False, recognized=0):
        """A relay cell; `length` may lie about `data`."""
        length = len(data) if length is None else length
        body = struct.pack(">BHH4sH", command, recognized, stream, bytes(4), length) + data
        body = bytearray(body[:BODY].ljust(BODY, b"\0"))
        self.forward_digest.update(body)
        body[5:9] = self.forward_digest.digest()[:4]
        return pack(RELAY_EARLY if early else RELAY, self.forward.update(bytes(body)), self.circid)

    def send(self, command, data=b"", stream=0, **options):
        self.link.send(self.seal(command, data, stream, **options))

    def request(self, head, body=b"", stream=1):
        """An HTTP request to the directory at this hop; returns (status, headers, body).

        `head` is a list of lines without their ends.
        """
        self.send(BEGIN_DIR, stream=stream)
        if (answer := self.receive())[:2] != (CONNECTED, stream):
            raise Failure(f"BEGIN_DIR was answered by {answer}")
        text = "\r\n".join([*head, "", ""]).encode() + body
        for i in range(0, len(text), DATA_MAX):
            self.send(DATA, text[i:i + DATA_MAX], stream=stream)
        reply = self._stream_until_end(stream)
        first, _, rest = reply.partition(b"\r\n\r\n")
        lines = first.decode().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines[1:])
        return int(lines[0].split()[1]), {k.lower(): v for k, v in headers.items()}, rest

    def _stream_until_end(self, stream):
        """What comes as DATA, acknowledged as it has to be (protocol "SENDME")."""
        reply, cells = b"", 0
        while True:
            command, of, data = self.receive()
            if command is None:
                raise Failure(f"the circuit was destroyed, reason {of}")
            if of == stream and command == END:
                return reply
            if of != stream or command != DATA:
                continue  # SENDME for what we sent
            reply, cells = reply + data, cells + 1
            self.data_cells += 1
            if cells % 50 == 0:
                self.send(SENDME, stream=stream)
            if self.data_cells % 100 == 0:
                self.send(SENDME, b"\1\0\x14" + self.backward_digest.digest())

    def receive(self):
        """(relay command, stream, data), or (None, reason, b"") for a DESTROY."""
        _, command, body = self.link.receive_for(self.circid)
        if command == DESTROY:
            return None, body[0], b""
        body = bytearray(self.backward.update(body))
        digest, body[5:9] = bytes(body[5:9]), bytes(4)
        self.backward_digest.update(body)
        relay, recognized, stream, _, length = struct.unpack_from(">BHH4sH", body)
        if recognized or digest != self.backward_digest.digest()[:4]:
            raise Failure("a relay cell that is not from the hop it should be from")
        return relay, stream, bytes(body[11:11 + length])
