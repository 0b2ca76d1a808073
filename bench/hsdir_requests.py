#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Uploads and fetches descriptors as hsdir_load.py tells it, in a process of its own.

A line of JSON is an order, one in answer is what came of it. Who has which descriptor is told by
their numbers only: a descriptor's text is made again to be compared.
"""

import itertools
import json
import os
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "tests", "network"))

import link
from hs_descriptor import Descriptor
from many_requests import ManyRequests, publish
from process import Failure


class Load:
    """`entry` is a relay's address and port; `targets` are relays by name, as Target's fields."""

    def __init__(self, entry, targets, circuits, streams, size):
        self.size, self.now, self.revisions = size, int(time.time()), {}
        self.requests = {}
        for name, target in targets.items():
            target = link.Target(*[bytes.fromhex(v) if i > 1 else v for i, v in enumerate(target)])
            one = link.Link(*entry, timeout=60).handshake()
            self.requests[name] = ManyRequests(
                [one.create_fast(link.INITIATOR_BIT | 1 + i).extend(target)
                 for i in range(circuits)], streams)

    def descriptor(self, number):
        return Descriptor(number, self.now)

    def text(self, at, number):
        return self.descriptor(number).text(self.size, revision=self.revisions[at, number])

    def upload(self, at, number):
        self.revisions[at, number] = self.revisions.get((at, number), 0) + 1
        return (number, *publish(self.text(at, number)))

    def fetch(self, number):
        return number, [f"GET {self.descriptor(number).path} HTTP/1.0"], b""

    def publish(self, at, first, last):
        count = 0
        for number, (status, _, _) in self.requests[at].run(
                self.upload(at, number) for number in range(first, last)):
            if status != 200:
                raise Failure(f"the upload of descriptor {number} was answered by {status}")
            count += 1
        return {"published": count}

    def get(self, at, first, last):
        """What is there must be what was uploaded; what is not is counted, and named."""
        missing, found = [], 0
        for number, (status, _, body) in self.requests[at].run(
                self.fetch(number) for number in range(first, last)):
            if status == 404:
                missing.append(number)
            elif status != 200 or body != self.text(at, number):
                raise Failure(f"the fetch of descriptor {number} was answered by {status} and "
                              f"{len(body)} bytes")
            else:
                found += 1
        return {"found": found, "missing": missing}

    def mix(self, at, count, seconds):
        """New revisions of the first `count`, and fetches of them, for a while."""
        end, counts = time.monotonic() + seconds, {"published": 0, "fetched": 0}

        def requests():
            for number in itertools.cycle(range(count)):
                if time.monotonic() >= end:
                    return
                yield self.upload(at, number)
                yield self.fetch((number + count // 2) % count)
        for number, (status, _, body) in self.requests[at].run(requests()):
            if status != 200:
                raise Failure(f"a request for descriptor {number} was answered by {status}")
            counts["fetched" if body.startswith(b"hs-descriptor") else "published"] += 1
        return counts


def main():
    load = Load(**json.loads(sys.stdin.readline()))
    print(json.dumps({}), flush=True)
    for line in sys.stdin:
        order, start = json.loads(line), time.monotonic()
        try:
            answer = getattr(load, order.pop("do"))(**order)
        except (Failure, OSError, EOFError) as error:
            answer = {"failed": f"{type(error).__name__}: {error}"}
        print(json.dumps({**answer, "seconds": time.monotonic() - start}), flush=True)


if __name__ == "__main__":
    main()
