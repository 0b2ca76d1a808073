# SPDX-License-Identifier: BSD-3-Clause
"""ramson as HSDir, by hand: what it keeps, what it refuses, and what gives way."""

import argparse
import contextlib
import os
import sys
import time

import link
from cases import case
from hs_descriptor import SIZE_MAX, Descriptor, key_of
from many_requests import ManyRequests, publish
from process import Failure
from test_relay_crypto import Growth

CIRCUITS, PER_CIRCUIT = 9, 2
BENCH = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "bench")
SMALL = 2_000


class Directory:
    """The HSDir of a relay over a circuit of two hops, each request on a stream of its own."""

    def __init__(self, net, relay, hops=2):
        first = net.ramsons[1] if hops == 2 else relay
        self.link = net.link_to(first)
        self.circuit = self.link.create_fast()
        if hops == 2:
            self.circuit.extend(net.target(relay))
        self.stream = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.link.close()

    def request(self, head, body=b""):
        self.stream += 1
        return self.circuit.request(head, body, stream=self.stream)

    def publish(self, text):
        return self.request(*publish(text))[0]

    def fetch(self, path):
        status, _, body = self.request([f"GET {path} HTTP/1.0"])
        return body if status == 200 else status

    def check_publish(self, text, status, what):
        if (got := self.publish(text)) != status:
            raise Failure(f"{what}: {got}, not {status}")

    def check_fetch(self, path, wanted, what):
        if (got := self.fetch(path)) != wanted:
            raise Failure(f"{what}: {got if isinstance(got, int) else 'another text'}")


@case()
def hsdir_by_hand(net):
    """
    test ──► ramson1 ──► ramson0: uploads and fetches, byte for byte; over one hop neither
    """
    relay = net.ramsons[0]
    one, large = Descriptor(os.urandom(8)), Descriptor(os.urandom(8))
    with Directory(net, relay) as far, Directory(net, relay, hops=1) as near:
        near.check_publish(one.text(SMALL), 503, "an upload over one hop")
        far.check_fetch(one.path, 404, "what was refused")
        far.check_publish(one.text(SMALL), 200, "an upload")
        far.check_fetch(one.path, one.text(SMALL), "a fetch")
        near.check_fetch(one.path, 503, "a fetch over one hop")
        far.check_publish(large.text(), 200, "an upload of nearly 50 KB")
        far.check_fetch(large.path, large.text(), "a fetch of nearly 50 KB")
        # By its revision alone, and not by what else is in it.
        for revision, status in ((1, 400), (0, 400), (7, 200), (6, 400), (7, 400), (2**64 - 1, 200)):
            far.check_publish(one.text(SMALL, revision=revision), status, f"revision {revision}")
        far.check_fetch(one.path, one.text(SMALL, revision=2**64 - 1), "the newest revision")
        padded = [] if net.stand_in else [one.path[-43:] + "="]
        for key in (*padded, "", "A", "A" * 42, "A" * 43, "A" * 44, "!" * 43, "%41" * 43, "../" * 14 + "A",
                    one.path[-43:].swapcase() + "A" * 5000):
            far.check_fetch("/tor/hs/3/" + key, 404, f"the key {key[:50]!r}")
        for path in ("/tor/hs/2/" + "a" * 32, one.path.replace("/3/", "/4/")):
            far.check_fetch(path, 404, path)


def wrong_texts(net, d):
    """(what is wrong, the text): each is right but for that."""
    other = key_of("other")
    good = d.text(SMALL)
    cert = d.cert()
    yield "signed by another key", d.text(SMALL, signed_by=other)
    yield "signed by the blinded key", d.text(SMALL, signed_by=d.blinded)
    yield "changed", good.replace(b"descriptor-lifetime 180", b"descriptor-lifetime 181")
    yield "changed in its encrypted part", changed_at(good, good.index(b"BEGIN MESSAGE") + 99)
    yield "changed in its signature", changed_at(good, len(good) - 40)
    yield "certified by another key", d.text(SMALL, cert=d.cert(signed_by=other))
    yield "certified by itself", d.text(SMALL, cert=d.cert(signed_by=d.signing))
    yield "certificate of type 4", d.text(SMALL, cert=d.cert(kind=4))
    yield "certificate without the blinded key", d.text(SMALL, cert=d.cert(embedded=False))
    yield "certificate expired", d.text(SMALL, cert=d.cert(expires_s=int(time.time()) - 7200))
    yield "certificate cut", d.text(SMALL, cert=cert[:-1])
    yield "version 2", d.text(SMALL, version=2)
    yield "version 4", d.text(SMALL, version=4)
    if not net.stand_in:  # C tor takes these two
        yield "lifetime 0", d.text(SMALL, lifetime=0)
        yield "a negative revision", d.text(SMALL, revision=-1)
    yield "lifetime 721", d.text(SMALL, lifetime=721)
    yield "a revision of 2^64", d.text(SMALL, revision=2**64)
    yield "two revisions", d.text(SMALL, more="revision-counter 2\n")
    yield "without a signature", good[:good.index(b"signature ")]
    yield "more behind the signature", good + b"more 1\n"
    yield "something before its version", b"more 1\n" + good
    yield "cut", good[:len(good) // 2]
    yield "nothing", b""
    yield "garbage", os.urandom(SMALL)
    yield "a NUL", good.replace(b"superencrypted", b"super\0encrypted")
    yield "nothing encrypted", d.text(encrypted=bytes(48))
    yield "too large", d.text(SIZE_MAX + 1 + 65)
    yield "much too large", d.text(4 * SIZE_MAX)


def changed_at(text, at):
    return text[:at] + (b"B" if text[at:at + 1] == b"A" else b"A") + text[at + 1:]


@case()
def hsdir_refused(net):
    """
    test ──► ramson1 ──► ramson0: descriptors with one thing wrong: 400, and nothing is kept
    """
    growth, d = Growth(net.ramsons[0]), Descriptor(os.urandom(8))
    with Directory(net, net.ramsons[0]) as far:
        for what, text in wrong_texts(net, d):
            far.check_publish(text, 400, what)
        far.check_fetch(d.path, 404, "what was refused")
        if not net.stand_in:
            growth.check("hsdir_stored", 0, 0)
            growth.check("drop_hsdir_signature", 8, 8)
        far.check_publish(d.text(SMALL), 200, "the same with nothing wrong")
        for what, text in wrong_texts(net, d):
            far.check_publish(text, 400, what)
        far.check_fetch(d.path, d.text(SMALL), "what was there before")


@contextlib.contextmanager
def relay_with_bound(net, megabytes, build="debug"):
    relay = net.add_ramson(build, start=False)
    relay.config["hsdir_cache_mb"] = megabytes
    relay.start()
    try:
        yield relay
    finally:
        relay.stop()


@case()
def hsdir_flood(net):
    """
    test ──60 descriptors that nobody wants──► ramson of 1 MB: the one that was fetched stays
    """
    if net.stand_in:
        return
    with relay_with_bound(net, 1) as relay, Directory(net, relay) as far:
        wanted, fakes = Descriptor("wanted"), [Descriptor(i) for i in range(60)]
        far.check_publish(wanted.text(), 200, "an upload")
        far.check_fetch(wanted.path, wanted.text(), "a fetch")
        for fake in fakes:
            far.check_publish(fake.text(), 200, "an upload that makes others give way")
        far.check_fetch(wanted.path, wanted.text(), "what is fetched, after a flood")
        # A newer revision has the fetches of the older one.
        far.check_publish(wanted.text(revision=2), 200, "a newer one")
        for fake in fakes:
            far.check_publish(fake.text(revision=2), 200, "an upload that makes others give way")
        far.check_fetch(wanted.path, wanted.text(revision=2), "the newer one, after a flood")
        # The last one that came has its place, however full it is.
        far.check_fetch(fakes[-1].path, fakes[-1].text(revision=2), "the last one")
        counted = relay.counters()
        if counted["hsdir_bytes"] > 1 << 20 or counted["hsdir_descriptors"] < 18:
            raise Failure(f"{counted['hsdir_descriptors']} descriptors in "
                          f"{counted['hsdir_bytes']} bytes")
        if counted["hsdir_stored"] - counted["hsdir_evicted"] < counted["hsdir_descriptors"]:
            raise Failure(f"{counted['hsdir_evicted']} gave way of {counted['hsdir_stored']}")


@case()
def hsdir_many_at_once(net):
    """
    test ══9 circuits of 2 streams══► ramson1 ══► ramson0: 60 descriptors of 50 KB there and back
    """
    descriptors = [Descriptor(("many", os.urandom(8))) for _ in range(60)]
    target = net.target(net.ramsons[0])
    with net.link_to(net.ramsons[1]) as one:
        circuits = [one.create_fast(link.INITIATOR_BIT | 1 + i).extend(target)
                    for i in range(CIRCUITS)]
        many = ManyRequests(circuits, PER_CIRCUIT)
        uploads = ((d, *publish(d.text())) for d in descriptors)
        wrong = [status for _, (status, _, _) in many.run(uploads) if status != 200]
        if wrong:
            raise Failure(f"uploads were answered by {wrong}")
        fetches = ((d, [f"GET {d.path} HTTP/1.0"], b"") for d in descriptors)
        for d, (status, _, body) in many.run(fetches):
            if status != 200 or body != d.text():
                raise Failure(f"a fetch was answered by {status} and {len(body)} bytes")


@case()
def hsdir_bound(net):
    """
    bench/hsdir.sh, but small: 2 MB filled and overfilled by way of ramson1

    All inside the bound come back, what was fetched stays, memory is at its bound.
    """
    if net.stand_in or not net.binaries["release"]:
        return
    sys.path.append(BENCH)
    import hsdir_load
    options = argparse.Namespace(descriptors=80, cache_mb=2, size=SIZE_MAX, circuits=CIRCUITS,
                                 streams=PER_CIRCUIT)
    with relay_with_bound(net, 2, "release") as relay:
        load = hsdir_load.Load(net, net.ramsons[1], {"tested": relay}, options)
        try:
            kept = hsdir_load.keeps(load, relay, options, net.say)
        finally:
            load.stop()
    if kept["bytes"] < 0.9 * kept["bound_bytes"]:
        raise Failure(f"only {kept['bytes']} bytes are held of {kept['bound_bytes']}")
