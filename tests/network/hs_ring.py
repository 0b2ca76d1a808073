# SPDX-License-Identifier: BSD-3-Clause
"""Where a client looks for an onion service's descriptor, by the letter of rend-spec-v3 2.2, and what
is there: by circuits of this process's own, which ask each responsible directory."""

import base64
import calendar
import hashlib
import re
import struct
import time
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from stem.descriptor import hidden_service

from link import Link, Target
from process import Failure, wait_until
from tornet import OR_PORT

REPLICAS, SPREAD_FETCH, SPREAD_STORE = 2, 3, 4
ROUNDS = 24  # of votes in a run of the shared random value
BASE_POINT = ("(15112221349535400772501151409588531511454012693041857206046113283949847762202, "
              "46316835694926478169428394003475163141307993866256225615783033603165251855960)")


def h(*parts):
    return hashlib.sha3_256(b"".join(parts)).digest()


def int8(n):
    return struct.pack(">Q", n)


def blind(identity, number, length):
    """The blinded public key of a time period."""
    nonce = h(b"Derive temporary signing key\0", identity, BASE_POINT.encode(), b"key-blind",
              int8(number), int8(length))
    return hidden_service._blinded_pubkey(Ed25519PublicKey.from_public_bytes(identity), nonce)


def identity_of(address):
    return base64.b32decode(address.removesuffix(".onion").upper())[:32]


class Entry(NamedTuple):
    """A relay of the consensus."""
    nickname: str
    fingerprint: str
    address: str
    flags: list


class Consensus:
    """What the microdesc consensus says that matters here."""

    def __init__(self, text):
        text = text.decode()
        self.valid_after, fresh_until = (stamp(text, n) for n in ("valid-after", "fresh-until"))
        self.interval = fresh_until - self.valid_after
        self.srv_previous, self.srv_current = (srv(text, n) for n in ("previous", "current"))
        self.entries = [
            Entry(m[1], base64.b64decode(m[2] + "=").hex().upper(), m[3], m[4].split())
            for m in re.finditer(r"^r (\S+) (\S+) \S+ \S+ (\S+) .*\n(?:[^sr] .*\n|pr .*\n)*s (.*)$", text,
                                 re.M)]

    @property
    def run(self):
        return self.interval * ROUNDS

    def in_run(self):
        """Seconds since this run of the shared random value began."""
        return self.valid_after % self.run

    def period(self):
        """(number, length in minutes); in a testing network as long as a run."""
        length = self.run // 60
        return (self.valid_after // 60 - self.interval * ROUNDS // 2 // 60) // length, length

    def srv_of_client(self):
        number, length = self.period()
        srv = self.srv_previous if self.in_run() < self.run // 2 else self.srv_current
        return srv or h(b"shared-random-disaster", int8(length), int8(number))


def stamp(text, name):
    when = re.search(rf"^{name} (.*)$", text, re.M)[1]
    return calendar.timegm(time.strptime(when, "%Y-%m-%d %H:%M:%S"))


def srv(text, which):
    """A shared random value, or None."""
    found = re.search(rf"^shared-rand-{which}-value \d+ (\S+)$", text, re.M)
    return base64.b64decode(found[1]) if found else None


class Lookups:
    """Looks for descriptors in a network."""

    def __init__(self, net):
        self.net, self.targets = net, {}

    def consensus(self):
        for authority in self.net.authorities:
            if text := authority.get("/tor/status-vote/current/consensus-microdesc"):
                return Consensus(text)
        raise Failure("no authority has a consensus")

    def target(self, entry):
        if entry.fingerprint not in self.targets:
            text = wait_until(lambda: self.net.descriptor_text(entry.fingerprint), 10,
                              f"{entry.nickname}'s descriptor")
            self.targets[entry.fingerprint] = Target.of(text)
        return self.targets[entry.fingerprint]

    def ring(self, consensus):
        """[(index, nickname, target)], sorted."""
        number, length = consensus.period()
        ring = []
        for entry in consensus.entries:
            if "HSDir" in entry.flags:
                target = self.target(entry)
                index = h(b"node-idx", target.ed_identity, consensus.srv_of_client(), int8(number),
                          int8(length))
                ring.append((index, entry.nickname, target))
        return sorted(ring)

    def responsible(self, address, consensus, spread=SPREAD_FETCH):
        """(the blinded key, [(nickname, target)])"""
        number, length = consensus.period()
        blinded = blind(identity_of(address), number, length)
        ring, chosen = self.ring(consensus), []
        for replica in range(1, REPLICAS + 1):
            at = h(b"store-at-idx", blinded, int8(replica), int8(length), int8(number))
            turned = [r for r in ring if r[0] >= at] + [r for r in ring if r[0] < at]
            fresh = [r[1:] for r in turned if r[1:] not in chosen]
            chosen += fresh[:spread]
        return blinded, chosen

    def ask(self, target, blinded):
        """The text that this directory has, or None."""
        key = base64.b64encode(blinded).decode().rstrip("=")
        first = next(a for a in self.net.authorities if a.address != target.address)
        for last in (False, True):
            with Link(first.address, OR_PORT).handshake() as link:
                try:
                    circuit = link.create_fast().extend(target)
                except Failure:  # the authority's own link there may have been about to close
                    if last:
                        raise
                    continue
                status, _, text = circuit.request([f"GET /tor/hs/3/{key} HTTP/1.0"])
                return text.decode() if status == 200 else None

    def look(self, address, consensus=None, spread=SPREAD_FETCH):
        """{nickname: the text, or None} of the directories that a client would ask."""
        blinded, chosen = self.responsible(address, consensus or self.consensus(), spread)
        return {nickname: self.ask(target, blinded) for nickname, target in chosen}


def decode(text, address):
    """stem's inner layer of it; it validates signatures and both layers."""
    descriptor = hidden_service.HiddenServiceDescriptorV3.from_str(text, validate=True)
    return descriptor.decrypt(address)
