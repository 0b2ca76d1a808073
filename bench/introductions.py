# SPDX-License-Identifier: BSD-3-Clause
"""Introductions to an onion service by hand, many at once (rend-spec-v3, 3.2 and 3.3).

    this process ──► rendezvous point      a circuit of one hop for each cookie
    this process ──► entry ──► introduction point      a circuit of two hops for each introduction

All circuits stand before the first INTRODUCE1 goes out: what is measured is how fast the service
answers, each time by a circuit of its own and RENDEZVOUS1.
"""

import hashlib
import os
import struct
import threading
import time

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from stem.descriptor.hidden_service import HiddenServiceDescriptorV3

import link
from process import Failure

PROTOID = b"tor-hs-ntor-curve25519-sha3-256-1"
KEY_LEN, PLAINTEXT_MIN = 32, 150
PATIENCE_S = 20


class Point:
    """An introduction point as the descriptor says it."""

    def __init__(self, read):
        specifiers = {s.type: s.value for s in read.link_specifiers}
        self.identity = specifiers[2]
        self.auth_key = read.auth_key_cert.key
        self.enc_key = read.enc_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


class Service:
    """What its descriptor (the outer text, as a directory has it) says to everybody."""

    def __init__(self, address, text):
        read = HiddenServiceDescriptorV3.from_str(text)
        inner = read.decrypt(address)
        identity = HiddenServiceDescriptorV3.identity_key_from_address(address)
        blinded = read.signing_cert.signing_key()
        credential = hashlib.sha3_256(b"credential" + identity).digest()
        self.subcredential = hashlib.sha3_256(b"subcredential" + credential + blinded).digest()
        self.points = [Point(p) for p in inner.introduction_points]


def introduce(service, point, cookie, rendezvous):
    """The body of INTRODUCE1 for a rendezvous at a relay (link.Target)."""
    private = X25519PrivateKey.generate()
    public = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    shared = private.exchange(X25519PublicKey.from_public_bytes(point.enc_key))
    secret = shared + point.auth_key + public + point.enc_key + PROTOID
    material = hashlib.shake_256(secret + PROTOID + b":hs_key_extract" + PROTOID + b":hs_key_expand"
                                 + service.subcredential).digest(2 * KEY_LEN)
    plain = (cookie + b"\0" + struct.pack(">BH", 1, KEY_LEN) + rendezvous.onion_key
             + rendezvous.specifiers()).ljust(PLAINTEXT_MIN, b"\0")
    cipher = Cipher(algorithms.AES(material[:KEY_LEN]), modes.CTR(bytes(16))).encryptor()
    body = (bytes(20) + struct.pack(">BH", 2, KEY_LEN) + point.auth_key + b"\0" + public
            + cipher.update(plain))
    key = material[KEY_LEN:]
    return body + hashlib.sha3_256(struct.pack(">Q", len(key)) + key + body).digest()


class Burst:
    """So many introductions, ready to go."""

    def __init__(self, service, count, entry, rendezvous, relays):
        """`entry` and `rendezvous` are relays to connect to; `relays` are all, by identity."""
        self.entry = link.Link(entry.address, entry.port).handshake()
        self.rendezvous = link.Link(rendezvous.address, rendezvous.port).handshake()
        self.cells, self.waiting, self.answers = [], {}, []
        points = [p for p in service.points if p.identity in relays and p.identity != entry.identity]
        if not points:
            raise Failure("no introduction point can be reached")
        for i in range(count):
            circid, point = link.INITIATOR_BIT | (i + 1), points[i % len(points)]
            cookie = os.urandom(20)
            there = self.rendezvous.create_fast(circid)
            there.send(link.ESTABLISH_RENDEZVOUS, cookie)
            if there.receive()[0] != link.RENDEZVOUS_ESTABLISHED:
                raise Failure("the rendezvous point refuses a cookie")
            self.waiting[circid] = there
            circuit = self.entry.create_fast(circid).extend(relays[point.identity])
            self.cells.append(circuit.seal(link.INTRODUCE1, introduce(service, point, cookie, rendezvous)))

    def close(self):
        self.entry.close()
        self.rendezvous.close()

    def _listen(self, end):
        self.rendezvous.tls.settimeout(0.5)
        while self.waiting and time.monotonic() < end:
            try:
                circid, command, body = self.rendezvous.receive()
            except TimeoutError:
                continue
            circuit = self.waiting.get(circid)
            if circuit and command == link.RELAY and circuit.open(body)[0] == link.RENDEZVOUS2:
                self.answers.append(time.monotonic())
            if circuit:
                del self.waiting[circid]

    def go(self):
        """Sends all of them: (how many were answered, seconds until the last answer)."""
        start = time.monotonic()
        listening = threading.Thread(target=self._listen, args=(start + PATIENCE_S,), daemon=True)
        listening.start()
        self.entry.send(b"".join(self.cells))
        listening.join()
        return len(self.answers), (self.answers[-1] - start if self.answers else 0)
