# SPDX-License-Identifier: BSD-3-Clause
"""A network of tor relays with onion services of tor's, and ramson as their visitor.

    host "open"     services of tor's that all may visit, or those with a key, or who works
    subject         ramson, with the right key for one and a wrong one for another
"""

import signal

from onion_pair import Key, RamsonVisitor, TorHost, wait_reachable
from origin import OriginNetwork
from process import all_at_once


class VisitNetwork(OriginNetwork):
    def __init__(self, debug=None, release=None, exits=6, prefix="ramson-visit", **options):
        super().__init__(debug, release, exits=exits, prefix=prefix, subject=False, **options)
        self.key, self.wrong_key, self.service = Key(), Key(), None

    SERVICES = ("open", "shut", "wrong", "missing", "worked")

    def up(self):
        super().up()
        self.service = self.add_client(kind=TorHost, start=False)
        self.subject = self.add_client(kind=RamsonVisitor, start=False)
        for name in self.SERVICES:
            keys = [self.key.public] if name in ("shut", "wrong", "missing") else ()
            self.service.add(name, clients=keys, pow=name == "worked")
        self.service.start()
        for name, key in (("shut", self.key), ("wrong", self.wrong_key)):
            if name in self.SERVICES:
                self.subject.authorise(self.service.host(name), key.private)
        self.subject.start()
        all_at_once([self.service.wait_bootstrapped, self.subject.wait_bootstrapped])
        self.standing += [self.service, self.subject]
        wait_reachable(self.subject, self.service.host("open"))


class DyingNetwork(VisitNetwork):
    """For tests that kill its relays: there are more of them, and fewer services."""

    SERVICES = ("open",)

    def __init__(self, debug=None, release=None, **options):
        super().__init__(debug, release, exits=10, prefix="ramson-dying", **options)
        self.dead = []

    def relays(self, fingerprints):
        """The processes of relays with these fingerprints."""
        names = {name for name, entry in self.consensus().items() if entry.fingerprint in fingerprints}
        return [node for node in self.authorities + self.exits if node.name in names]

    def kill(self, fingerprints):
        """Ends relays at once; `revive` starts them again."""
        self.dead = self.relays(fingerprints)
        for node in self.dead:
            node.process.stop(signal.SIGKILL)
        return self.dead

    def revive(self):
        for node in self.dead:
            self.start_node(node)
        if self.dead:
            self.wait_listed([node.name for node in self.dead])
        self.dead = []
