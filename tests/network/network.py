# SPDX-License-Identifier: BSD-3-Clause
"""A whole private network: namespace, tor processes, ramson relays, and the client's control."""

import os
import shutil
import tempfile

from client import Client
from link import Link, Target
from netns import Namespace
from process import Failure
from ramson import OR_PORT, Ramson, RamsonClient, StandIn
from tornet import TorNet


class Network(TorNet):
    """Use as a context manager: everything is taken down at its end, however that comes."""

    def __init__(self, debug=None, release=None, ramsons=2, build="debug", stand_in=False,
                 outlives=False, prefix="ramson-test", exits=3, say=lambda _text: None):
        self.binaries = {"debug": debug, "release": release}
        self.stand_in, self.say, self.wanted = stand_in, say, (ramsons, build)
        self.ramsons, self.control, self.failed = [], None, False
        self.standing = []  # the relays that it came with: each test finds them alive
        self.fingerprints = {}
        directory = tempfile.mkdtemp(prefix=prefix + "-")
        super().__init__(Namespace(prefix), directory, exits=exits, outlives=outlives)

    def __enter__(self):
        try:
            self.up()
        except BaseException:
            self.failed = True
            self.down()
            raise
        return self

    def __exit__(self, kind, *_rest):
        self.failed = self.failed or kind is not None
        self.down()

    def up(self):
        self.say(f"namespace {self.namespace.name}: starting {len(self.authorities)} authorities, "
                 f"{len(self.exits)} exits, a client")
        self.start()
        relays = [n.name for n in self.authorities + self.exits + self.ramsons]
        self.say("waiting until the consensus lists all of them as Running")
        entries = self.wait_listed(relays)
        self.wait_client([e.fingerprint for e in entries])

    def start(self):
        self.make_keys()
        self.start_nodes()
        self.start_ramsons()

    def start_ramsons(self):
        count, build = self.wanted
        for _ in range(count):
            self.say("starting ramson")
            self.standing.append(self.add_ramson(build))

    def wait_client(self, fingerprints):
        self.say("waiting until the client has bootstrapped")
        self.control = Client()
        self.control.wait_bootstrapped()
        self.control.wait_knows(fingerprints)

    def add_ramson(self, build="debug", start=True, **options):
        """One more relay. It is not in the consensus yet when this returns."""
        kind = StandIn if self.stand_in else Ramson
        relay = kind(self, len(self.ramsons), self.binaries[build], **options)
        self.ramsons.append(relay)
        return relay.start() if start else relay

    def add_client(self, build="debug", start=True, **options):
        """A ramson that is a client and no relay; options as of RamsonClient."""
        client = RamsonClient(self, len(self.ramsons), self.binaries[build], **options)
        self.ramsons.append(client)
        return client.start() if start else client

    def link_to(self, relay):
        """An open link from this process to a relay."""
        return Link(relay.address, OR_PORT).handshake()

    def target(self, relay):
        """What a circuit by hand needs to be extended to this relay."""
        with self.link_to(relay) as one:
            status, _, text = one.create_fast().request(["GET /tor/server/authority HTTP/1.0"])
        if status != 200:
            raise Failure(f"{relay.name} answers a request for its descriptor by {status}")
        return Target.of(text)

    def fingerprint(self, name):
        if name not in self.fingerprints:
            self.fingerprints.update({n: e.fingerprint for n, e in self.consensus().items()})
        if name not in self.fingerprints:
            raise Failure(f"{name} is not in the consensus")
        return self.fingerprints[name]

    def circuit(self, *names):
        """A circuit of the client through relays given by name or as objects."""
        return self.control.circuit(
            [self.fingerprint(n if isinstance(n, str) else n.name) for n in names])

    def add_to_consensus(self, relay):
        """Waits until the client can use a relay that was added later."""
        entry = self.wait_listed([relay.name])[0]
        self.control.wait_knows([entry.fingerprint])
        return entry

    def down(self):
        if self.control:
            self.control.close()
            self.control = None
        relays = [r.process for r in self.ramsons if r.process]
        for process in reversed(self.processes() + relays):
            if process.is_alive():
                process.popen.terminate()
        for process in reversed(self.processes() + relays):
            process.stop(timeout=6)
        self.namespace.close()
        if not self.failed:
            shutil.rmtree(self.directory, ignore_errors=True)

    def tails(self, prefix="", lines=12):
        """The ends of the logs whose names begin with `prefix`, for a failure."""
        parts = []
        for name in sorted(os.listdir(self.logs)):
            if name.startswith(prefix):
                with open(os.path.join(self.logs, name), errors="replace") as file:
                    parts.append(f"--- {name}\n" + "".join(file.readlines()[-lines:]).rstrip())
        return "\n".join(parts)
