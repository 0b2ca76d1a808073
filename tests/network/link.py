# SPDX-License-Identifier: BSD-3-Clause
"""A Tor link by hand: TLS, link handshake and cells, right or as wrong as a test wants them."""

import base64
import hashlib
import hmac
import os
import socket
import ssl
import struct
from typing import NamedTuple

import stem.descriptor.server_descriptor
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from ntor import Ntor
from process import Failure

(PADDING, CREATE, CREATED, RELAY, DESTROY, CREATE_FAST, CREATED_FAST, VERSIONS, NETINFO, RELAY_EARLY,
 CREATE2, CREATED2, PADDING_NEGOTIATE) = range(13)
VPADDING, CERTS, AUTH_CHALLENGE, AUTHENTICATE, AUTHORIZE = range(128, 133)
BEGIN, DATA, END, CONNECTED, SENDME = range(1, 6)  # relay commands
TRUNCATED, DROP, BEGIN_DIR, EXTEND2, EXTENDED2 = 9, 10, 13, 14, 15
(ESTABLISH_INTRO, ESTABLISH_RENDEZVOUS, INTRODUCE1, INTRODUCE2, RENDEZVOUS1, RENDEZVOUS2,
 INTRO_ESTABLISHED, RENDEZVOUS_ESTABLISHED, INTRODUCE_ACK) = range(32, 41)
DESTROY_PROTOCOL, DESTROY_FINISHED, DESTROY_DESTROYED = 1, 9, 11
HANDSHAKE_NTOR = 2
CIRCUIT_INCREMENT, STREAM_INCREMENT = 100, 50  # DATA cells that a SENDME stands for
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
        self.buffer, self.at, self.circid_length, self.peer_cells = b"", 0, 2, {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.tls.close()

    def send(self, data):
        self.tls.sendall(data)

    def _need(self, length):
        while len(self.buffer) - self.at < length:
            if not (more := self.tls.recv(65536)):
                raise EOFError("the relay closed the link")
            self.buffer, self.at = self.buffer[self.at:] + more, 0

    def receive(self):
        """The next cell: (circuit id, command, body). EOFError once the relay has closed."""
        head = self.circid_length + 1
        self._need(head)
        command = self.buffer[self.at + head - 1]
        length = BODY
        if is_variable(command):
            self._need(head + 2)
            length = struct.unpack_from(">H", self.buffer, self.at + head)[0]
            head += 2
        self._need(head + length)
        circid = int.from_bytes(self.buffer[self.at:self.at + self.circid_length], "big")
        body = self.buffer[self.at + head:self.at + head + length]
        self.at += head + length
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
        return Circuit(self, circid, Hop(material[20:92], nonce=material[:20]))


class Target(NamedTuple):
    """A relay as who extends to it has to know it."""
    address: str
    port: int
    identity: bytes
    ed_identity: bytes
    onion_key: bytes

    @classmethod
    def of(cls, descriptor):
        """From its server descriptor's text."""
        read = stem.descriptor.server_descriptor.RelayDescriptor(descriptor, validate=False)
        return cls(read.address, read.or_port, bytes.fromhex(read.fingerprint),
                   base64.b64decode(read.ed25519_master_key + "="),
                   base64.b64decode(read.ntor_onion_key + "="))

    def specifiers(self):
        """As EXTEND2 has them (tor-spec, "EXTEND and EXTENDED")."""
        where = socket.inet_aton(self.address) + struct.pack(">H", self.port)
        parts = ((0, where), (2, self.identity), (3, self.ed_identity))
        return bytes([len(parts)]) + b"".join(bytes([k, len(v)]) + v for k, v in parts)


class Hop:
    """What we share with one hop: tor1 relay crypto (tor-spec, "Relay cells"), and KH."""

    def __init__(self, material, nonce=None):
        self.nonce = nonce
        self.forward_digest = hashlib.sha1(material[:20])
        self.backward_digest = hashlib.sha1(material[20:40])
        zero = modes.CTR(bytes(16))
        self.forward = Cipher(algorithms.AES(material[40:56]), zero).encryptor()
        self.backward = Cipher(algorithms.AES(material[56:72]), zero).decryptor()

    @classmethod
    def reversed(cls, material):
        """The other end's side of the same material."""
        return cls(material[20:40] + material[:20] + material[56:72] + material[40:56])

    def recognises(self, body):
        """Whether this decrypted cell is from the hop; if so its digest field is zeroed."""
        if body[1] or body[2]:
            return False
        digest = self.backward_digest.copy()
        digest.update(bytes(body[:5]) + bytes(4) + bytes(body[9:]))
        if digest.digest()[:4] != body[5:9]:
            return False
        self.backward_digest = digest
        return True


class Circuit:
    """A circuit of one hop, until it is extended. What is sent is for the last hop."""

    def __init__(self, link, circid, hop):
        self.link, self.circid, self.hops = link, circid, [hop]
        self.heard = hop  # whom the last relay cell was from
        self.data_cells = 0  # that came, on all streams

    def extend(self, target):
        """One more hop, by ntor. Returns self."""
        ntor = Ntor(target.identity, target.onion_key)
        self.send(EXTEND2, target.specifiers() + struct.pack(">HH", HANDSHAKE_NTOR, len(ntor.skin))
                  + ntor.skin, early=True)
        command, reason, data = self.receive()
        if command != EXTENDED2:
            raise Failure(f"{command} ({reason}) in answer to EXTEND2")
        material = ntor.finish(data[2:2 + int.from_bytes(data[:2], "big")], 92)
        self.hops.append(Hop(material[:72], nonce=material[72:]))
        return self

    def seal(self, command, data=b"", stream=0, length=None, early=False, recognized=0):
        """A relay cell; `length` may lie about `data`."""
        length = len(data) if length is None else length
        body = struct.pack(">BHH4sH", command, recognized, stream, bytes(4), length) + data
        body = bytearray(body[:BODY].ljust(BODY, b"\0"))
        last = self.hops[-1]
        last.forward_digest.update(body)
        body[5:9] = last.forward_digest.digest()[:4]
        return self.wrap(body, early)

    def wrap(self, body, early=False):
        """The cell that the hops make this body of."""
        body = bytes(body)
        for hop in reversed(self.hops):
            body = hop.forward.update(body)
        return pack(RELAY_EARLY if early else RELAY, body, self.circid)

    def send(self, command, data=b"", stream=0, **options):
        self.link.send(self.seal(command, data, stream, **options))

    def send_circuit_sendme(self):
        """Acknowledges the last cell that came (protocol "SENDME", version 1)."""
        self.send(SENDME, b"\1\0\x14" + self.heard.backward_digest.digest())

    def destroy(self, reason=0):
        self.link.send(pack(DESTROY, bytes([reason]), self.circid))

    def request(self, head, body=b"", stream=1):
        """An HTTP request to the directory at the last hop; returns (status, headers, body).

        `head` is a list of lines without their ends.
        """
        self.send(BEGIN_DIR, stream=stream)
        answer = self.receive()
        while answer[:2] == (SENDME, 0):  # for a request before, answered before its body had come
            answer = self.receive()
        if answer[:2] != (CONNECTED, stream):
            raise Failure(f"BEGIN_DIR was answered by {answer}")
        text = http_request(head, body)
        for i in range(0, len(text), DATA_MAX):
            self.send(DATA, text[i:i + DATA_MAX], stream=stream)
        return http_reply(self._stream_until_end(stream))

    def _stream_until_end(self, stream):
        """What comes as DATA, acknowledged as it has to be."""
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
            if self.data_cells % CIRCUIT_INCREMENT == 0:
                self.send_circuit_sendme()
            if cells % STREAM_INCREMENT == 0:
                self.send(SENDME, stream=stream)

    def receive(self):
        """(relay command, stream, data), or (None, reason, b"") for a DESTROY."""
        _, command, body = self.link.receive_for(self.circid)
        if command == DESTROY:
            return None, body[0], b""
        if command != RELAY:
            raise Failure(f"cell {command} came on a circuit")
        return self.open(body)

    def open(self, body):
        """A relay cell's (relay command, stream, data), and `heard` says whom it is from."""
        for hop in self.hops:
            body = hop.backward.update(body)
            if hop.recognises(body):
                self.heard = hop
                command, stream, length = struct.unpack_from(">B2xH4xH", body)
                return command, stream, body[11:11 + length]
        raise Failure("a relay cell that is from none of the hops")


def http_request(head, body=b""):
    return "\r\n".join([*head, "", ""]).encode() + body


def http_reply(text):
    """(status, headers with names in lower case, body)."""
    first, _, rest = text.partition(b"\r\n\r\n")
    lines = first.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines[1:])
    return int(lines[0].split()[1]), {k.lower(): v for k, v in headers.items()}, rest
