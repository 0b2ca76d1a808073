# SPDX-License-Identifier: BSD-3-Clause
"""Random, truncated and mutated input for an OR port, by kind. Same seed, same input."""

import os
import random
import socket
import ssl
import struct

import link
from link import Link, pack

SPECIFIERS = {0: 6, 1: 18, 2: 20, 3: 32}


def mutate(rng, data):
    """A few changes of the kinds that break parsers: bits, lengths, cuts, repeats."""
    data = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        if not data:
            return bytes(data)
        at, kind = rng.randrange(len(data)), rng.randrange(5)
        if kind == 0:
            data[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            data[at] = rng.choice((0, 1, 0x7f, 0x80, 0xff))
        elif kind == 2:
            del data[at:]
        elif kind == 3:
            data[at:at] = data[at:at + rng.randint(1, 64)]
        else:
            data[at:at + rng.randint(1, 32)] = rng.randbytes(rng.randint(0, 32))
    return bytes(data)


def client_hello():
    """A real ClientHello, as its record."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = link.tls_context().wrap_bio(incoming, outgoing)
    try:
        tls.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return outgoing.read()


def extend2(rng):
    """An EXTEND2 body that is nearly right: specifiers, handshake type, handshake."""
    count = rng.randint(0, 6)
    body = bytes([rng.choice((count, rng.randrange(256)))])
    for _ in range(count):
        kind = rng.choice((0, 1, 2, 3, rng.randrange(256)))
        length = rng.choice((SPECIFIERS.get(kind, rng.randrange(64)), rng.randrange(256)))
        body += bytes([kind, length]) + rng.randbytes(rng.choice((length, rng.randrange(64))))
    length = rng.choice((84, 0, 505, rng.randrange(65536)))
    return (body + struct.pack(">HH", rng.choice((0, 1, 2, 3, rng.randrange(65536))), length)
            + rng.randbytes(min(length, 400)))[:498]


class Fuzzer:
    def __init__(self, address, port, seed):
        self.address, self.port, self.rng = address, port, random.Random(seed)
        with Link(address, port) as first:
            first.handshake()
            self.peer_certs = first.peer_cells[link.CERTS]
        self.hello = client_hello()
        self.open_link = None

    # ---- kinds with a connection for each case

    def raw(self, data):
        with socket.create_connection((self.address, self.port), timeout=10) as connection:
            connection.sendall(data)
            if self.rng.random() < 0.3:
                connection.settimeout(0.05)
                try:
                    connection.recv(4096)
                except OSError:
                    pass

    def before_tls(self, _):
        self.raw(self.rng.randbytes(self.rng.randint(1, 2000)))

    def tls_hello(self, case):
        hello = self.hello[:self.rng.randint(1, len(self.hello))]
        self.raw(hello if case % 4 == 0 else mutate(self.rng, self.hello))

    def tls_records(self, _):
        """After a right handshake: bytes that are no records of this connection."""
        with Link(self.address, self.port) as one:
            one.send(link.versions(4, 5))
            junk = struct.pack(">BHH", self.rng.choice((20, 21, 22, 23, 23, 99)), 0x0303,
                               self.rng.choice((0, 17, 16640, 16641, 65535)))
            descriptor = os.dup(one.tls.fileno())
            with socket.socket(fileno=descriptor) as under:
                under.sendall(junk + self.rng.randbytes(self.rng.randint(0, 300)))

    def versions(self, case):
        body = self.rng.randbytes(self.rng.choice((0, 1, 2, 3, 7, 64, 65535)))
        self.first_cells(pack(link.VERSIONS, body, self.rng.choice((0, 0, 0, 77)), 2), case)

    def first_cells(self, cells, case):
        with Link(self.address, self.port) as one:
            one.send(cells[:self.rng.randint(1, len(cells))] if case % 4 == 0 else cells)
            self.listen(one)

    def after_versions(self, cells, case):
        with Link(self.address, self.port) as one:
            one.send(link.versions(4, 5))
            one.send(cells[:self.rng.randint(1, len(cells))] if case % 4 == 0 else cells)
            self.listen(one)

    def listen(self, one):
        """Sometimes hears the relay out, sometimes is gone at once."""
        if self.rng.random() < 0.3:
            one.tls.settimeout(0.05)
            try:
                while one.tls.recv(65536):
                    pass
            except OSError:
                pass

    def handshake_cells(self, case):
        """Right and wrong cells of a handshake in any order."""
        cells = [link.versions(4, 5)]
        for _ in range(self.rng.randint(1, 6)):
            command = self.rng.choice((link.VERSIONS, link.CERTS, link.AUTH_CHALLENGE,
                                       link.AUTHENTICATE, link.NETINFO, link.VPADDING,
                                       link.AUTHORIZE, link.CREATE2, self.rng.randrange(256)))
            cells.append(pack(command, self.rng.randbytes(self.rng.randint(0, 300)),
                              self.rng.choice((0, 0, 1))))
        if case % 2:
            self.rng.shuffle(cells)
        self.first_cells(b"".join(cells), case)

    def certs(self, case):
        body = self.certs_body(case)
        cells = pack(link.CERTS, body, self.rng.choice((0, 0, 0, 5)))
        if case % 3 == 0:
            cells += pack(link.AUTHENTICATE, self.authenticate_body())
        self.after_versions(cells + link.netinfo(), case)

    def certs_body(self, case):
        if case % 3 == 0:
            return self.peer_certs
        if case % 3 == 1:
            return mutate(self.rng, self.peer_certs)
        count = self.rng.randrange(256)
        return bytes([count]) + b"".join(
            bytes([self.rng.randrange(9)]) + struct.pack(">H", length) + self.rng.randbytes(length)
            for length in (self.rng.randint(0, 200) for _ in range(min(count, 20))))

    def authenticate_body(self):
        body = struct.pack(">HH", self.rng.choice((1, 3, 3, 3, 9)),
                           self.rng.choice((352, 352, 0, 65535)))
        return mutate(self.rng, body + b"AUTH0003" + self.rng.randbytes(344))

    def authenticate(self, case):
        cells = pack(link.CERTS, self.peer_certs) if case % 2 else b""
        self.after_versions(cells + pack(link.AUTHENTICATE, self.authenticate_body()), case)

    def netinfo(self, case):
        body = struct.pack(">IBB", self.rng.randrange(1 << 32), self.rng.choice((4, 6, 0, 255)),
                           self.rng.randrange(256)) + self.rng.randbytes(self.rng.randint(0, 503))
        self.after_versions(pack(link.NETINFO, body, self.rng.choice((0, 0, 9))), case)

    # ---- kinds that share an open link as long as the relay bears it

    def on_open_link(self, cells):
        for attempt in (1, 2):
            if self.open_link is None:
                self.open_link = Link(self.address, self.port).handshake()
            try:
                self.open_link.send(cells)
                return
            except OSError:
                self.drop_link()
                if attempt == 2:
                    raise

    def drop_link(self):
        if self.open_link:
            self.open_link.close()
            self.open_link = None

    def circid(self):
        return self.rng.choice((0, 1, link.INITIATOR_BIT | 1, link.INITIATOR_BIT | 2,
                                self.rng.randrange(1 << 32)))

    def fixed(self, command, case, body=None):
        body = self.rng.randbytes(link.BODY) if body is None else body
        cell = pack(command, body, self.circid())
        if case % 8 == 0:  # cut off, and the link with it
            self.on_open_link(cell[:self.rng.randint(1, len(cell) - 1)])
            self.drop_link()
        else:
            self.on_open_link(cell)

    def create2(self, case):
        kind, length = self.rng.choice((0, 1, 2, 2, 3, 3, 77)), self.rng.choice((84, 84, 200, 0,
                                                                                505, 506, 65535))
        self.fixed(link.CREATE2, case, struct.pack(">HH", kind, length) + self.rng.randbytes(505))

    def create_fast(self, case):
        self.fixed(link.CREATE_FAST, case)

    def relay(self, case):
        self.fixed(self.rng.choice((link.RELAY, link.RELAY_EARLY)), case)

    def destroy(self, case):
        self.fixed(link.DESTROY, case)

    def padding_negotiate(self, case):
        self.fixed(link.PADDING_NEGOTIATE, case,
                   self.rng.randbytes(8) if case % 2 else
                   bytes([0, self.rng.choice((0, 1, 2, 3))]) + self.rng.randbytes(4))

    def other_commands(self, case):
        command = self.rng.choice((link.CREATE, link.CREATED, link.CREATED_FAST, link.CREATED2,
                                   link.VERSIONS, link.NETINFO, self.rng.randrange(256)))
        if link.is_variable(command):
            self.on_open_link(pack(command, self.rng.randbytes(self.rng.choice(
                (0, 1, 509, 2000, 65535))), self.circid()))
        else:
            self.fixed(command, case)

    def messages(self, _):
        """Relay messages on a good circuit: they decrypt, and then are wrong."""
        if self.open_link is None:
            self.open_link = Link(self.address, self.port).handshake()
        circid = link.INITIATOR_BIT | self.rng.randrange(16, 1 << 30)
        try:
            circuit = self.open_link.create_fast(circid)
            for _ in range(self.rng.randint(1, 3)):
                command = self.rng.choice((14, 14, 14, 15, 1, 2, 3, 4, 5, 8, 9, 10, 11, 13, 6,
                                           self.rng.randrange(256)))
                data = extend2(self.rng) if command == 14 else self.rng.randbytes(
                    self.rng.choice((0, 0, 1, 20, 498)))
                lie = self.rng.choice((None, None, None, 0, 499, 65535))
                circuit.send(command, data, self.rng.choice((0, 0, 1, 65535)), length=lie,
                             early=self.rng.random() < 0.5)
            if self.rng.random() < 0.5:
                self.open_link.send(pack(link.DESTROY, b"\0", circid))
        except (OSError, EOFError):
            self.drop_link()

    KINDS = ("before_tls", "tls_hello", "tls_records", "versions", "handshake_cells", "certs",
             "authenticate", "netinfo", "create2", "create_fast", "relay", "destroy",
             "padding_negotiate", "other_commands", "messages")

    def run(self, kind, cases):
        """A refusal at any point is the relay's right; only its end would be a failure."""
        for case in range(cases):
            try:
                getattr(self, kind)(case)
            except (OSError, EOFError):
                self.drop_link()
        self.drop_link()
