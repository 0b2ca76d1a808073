# SPDX-License-Identifier: BSD-3-Clause
"""Descriptors of services in ramson: where they are, who can read them, and when they move on."""

import os
import re
import socket
import time

import socks
from cases import case
from hs_ring import SPREAD_STORE, Lookups, decode
from onion_pair import RamsonHost, RamsonVisitor, TorHost, TorVisitor, fetch, wait_reachable
from origin import OriginNetwork
from process import Failure, Process, all_at_once, wait_until
from test_onion import make_frontend
from tornet import HTTP_PORT, LOCAL

PUBLISHED, BALANCED = "test_onion_publish.PublishNetwork", "test_onion_publish.BalancedHosts"
POINTS = 3
EDGES_S = 300  # a run of the shared random value has 240: there are edges of both kinds in this time


class PublishNetwork(OriginNetwork):
    """HSDirs in tor and in ramson, a host in each, and visitors in both."""

    def __init__(self, debug=None, release=None, **options):
        super().__init__(debug, release, ramsons=2, exits=6, prefix="ramson-publish", subject=False,
                         **options)
        self.hosts, self.visitor, self.other_visitor = {}, None, None

    def up(self):
        super().up()
        kinds = {"ramson": TorHost if self.stand_in else RamsonHost, "tor": TorHost}
        for name, kind in kinds.items():
            self.hosts[name] = self.add_client(kind=kind, start=False).add("open")
        self.visitor = self.add_client(kind=TorVisitor, start=False)
        self.other_visitor = self.add_client(kind=TorVisitor if self.stand_in else RamsonVisitor,
                                             start=False)
        everybody = [*self.hosts.values(), self.visitor, self.other_visitor]
        for one in everybody:
            one.start()
        all_at_once([one.wait_bootstrapped for one in everybody])
        self.standing += [*self.hosts.values(), self.other_visitor]


def wait_published(lookups, address, timeout=90):
    """Waits until all directories that a client would ask have it."""
    return wait_until(lambda: whole(lookups.look(address)), timeout,
                      f"{address[:6]}… is at all its directories", 1)


def whole(texts):
    return texts if all(texts.values()) else None


@case(timeout=300, network=PUBLISHED)
def onion_publish(net):
    """
    ramson's descriptors at HSDirs in tor and in ramson: where the specification says, and read by
    stem as tor's are
    """
    lookups = Lookups(net)
    shapes = {}
    holders = set()
    for name, host in net.hosts.items():
        address = host.host("open")
        wait_published(lookups, address)
        texts = lookups.look(address, spread=SPREAD_STORE)
        if not whole(texts):
            raise Failure(f"{name}'s descriptor is not at {[n for n, t in texts.items() if not t]}")
        text = next(iter(texts.values()))
        inner = decode(text, address)
        if len(inner.introduction_points) != POINTS:
            raise Failure(f"{name}'s descriptor has {len(inner.introduction_points)} introduction points")
        shapes[name] = keywords(text), keywords(str(inner)), len(text.replace(str(revision(text)), "", 1))
        holders.update(texts)
    if shapes["ramson"] != shapes["tor"]:
        raise Failure(f"ramson's descriptor differs from tor's: {shapes}")
    if not any(n.startswith("ramson") for n in holders) or not any(n.startswith("exit") for n in holders):
        raise Failure(f"the directories were only {sorted(holders)}")


def keywords(text):
    """The first words of its lines outside of objects."""
    words, outside = [], True
    for line in text.splitlines():
        if line.startswith("-----"):
            outside = line.startswith("-----END")
        elif outside:
            words.append(line.split(" ")[0])
    return words


@case(timeout=200, network=PUBLISHED)
def onion_publish_hsfetch(net):
    """
    controller ──HSFETCH──► tor client ──► … ──► HSDir: ramson's descriptor, which the client believes
    """
    address = net.hosts["ramson"].host("open")
    wait_published(Lookups(net), address)
    text = hsfetch(net.visitor.socks_port[1] + 500, address)
    if len(decode(text, address).introduction_points) != POINTS:
        raise Failure("what came has other introduction points")
    fetch(net.visitor, address, 100_000)


@case(timeout=200, network=PUBLISHED)
def onion_publish_restart(net):
    """
    ramson is killed and started again: its descriptors are of a higher revision, at all directories
    """
    lookups, host = Lookups(net), net.hosts["ramson"]
    address = host.host("open")
    before = wait_published(lookups, address)
    host.restart()
    host.wait_bootstrapped()

    def newer():
        texts = lookups.look(address)
        return whole(texts) and all(revision(t) > revision(before[n]) for n, t in texts.items() if n in before)
    wait_until(newer, 60, "newer descriptors are at all directories", 1)
    wait_reachable(net.visitor, address)


def revision(text):
    return int(re.search(r"^revision-counter (\d+)$", text, re.M)[1])


def hsfetch(port, address, timeout=60):
    """What the tor client with this control port gets. stem's controller takes it to be of version 2."""
    with socket.create_connection((LOCAL, port), timeout) as control:
        lines = control.makefile("rw", newline="\r\n")
        for command in ("AUTHENTICATE", "SETEVENTS HS_DESC_CONTENT",
                        f"HSFETCH {address.removesuffix('.onion')}"):
            print(command, file=lines, end="\r\n", flush=True)
            if (answer := lines.readline()) != "250 OK\r\n":
                raise Failure(f"{command}: {answer}")
        text = []
        while (line := lines.readline()) != "650 OK\r\n":
            text.append(line.rstrip("\r\n"))
    if text[-1] != "." or len(text) < 3:
        raise Failure(f"HSFETCH brought {text}")
    return "\n".join(text[1:-1]) + "\n"


@case(timeout=600, network=PUBLISHED)
def onion_publish_edges(net):
    """
    four minutes are a run of the shared random value here, and a time period: over an edge of each
    kind all directories that a client would ask have ramson's descriptor as they have tor's, and
    who visits by ramson keeps the streams that there are and can begin others
    """
    lookups = Lookups(net)
    addresses = {name: host.host("open") for name, host in net.hosts.items()}
    for address in addresses.values():
        wait_published(lookups, address)
    talks = [Talk(net.other_visitor, address) for address in addresses.values()]
    missing = dict.fromkeys(addresses, 0)
    nowhere = dict.fromkeys(addresses, 0)
    periods, halves, asked = set(), set(), 0
    end = time.monotonic() + EDGES_S
    while len(periods) < 2 or len(halves) < 3:
        if time.monotonic() > end:
            raise Failure(f"no edge was crossed: {periods}, {halves}")
        time.sleep(3)
        consensus = lookups.consensus()
        periods.add(consensus.period()[0])
        halves.add(consensus.valid_after // (consensus.run // 2))
        for name, address in addresses.items():
            texts = lookups.look(address, consensus)
            missing[name] += sum(not t for t in texts.values())
            nowhere[name] += not any(texts.values())
            for text in filter(None, texts.values()):
                decode(text, address)
            fetch(net.other_visitor, address, 1000, user=("user", str(time.monotonic())))
        asked += len(texts)
        for talk in talks:
            talk.go_on()
    said = f"of {asked} each, missing: {missing}; found nowhere: {nowhere}"
    net.say(said)
    if nowhere["ramson"] or missing["ramson"] > max(missing["tor"], asked // 50):
        raise Failure(said)
    fetch(net.visitor, addresses["ramson"], 100_000)


class Talk:
    """A stream that stays."""

    def __init__(self, visitor, address):
        self.connection = socks.connect(visitor.socks_port, address, HTTP_PORT,
                                        early=b"ECHO / HTTP/1.0\r\n\r\n")
        socks.read_head(self.connection)

    def go_on(self):
        self.connection.sendall(b"still here")
        if socks.exactly(self.connection, 10) != b"still here":
            raise Failure("the stream changed its mind")


class BalancedHosts(PublishNetwork):
    """For onionbalance, which takes a test network's voting interval to be 20 seconds: behind it are
    two services in ramson."""

    AUTHORITIES_ALSO = OriginNetwork.AUTHORITIES_ALSO + "V3AuthVotingInterval 20 seconds\n"

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.frontend = self.key = None

    def up(self):
        OriginNetwork.up(self)
        directory = os.path.join(self.directory, "balance")
        os.makedirs(directory, mode=0o700)
        self.frontend, self.key = make_frontend(directory)
        for i in range(2):
            host = self.add_client(kind=RamsonHost, start=False)
            self.hosts[f"host{i}"] = host.add("instance", onionbalance=True)
            with open(os.path.join(host.services["instance"], "ob_config"), "w") as file:
                file.write(f"MasterOnionAddress {self.frontend}\n")
        self.visitor = self.add_client(kind=TorVisitor, start=False)
        both = [*self.hosts.values(), self.visitor]
        for one in both:
            one.start()
        all_at_once([one.wait_bootstrapped for one in both])
        self.standing += self.hosts.values()


@case(timeout=600, network=BALANCED)
def onion_publish_balance(net):
    """
    visitor ──► onionbalance's address, which is one of two services in ramson; then one of them dies
    """
    lines = "".join(f"  - address: {h.host('instance')}\n    name: {n}\n" for n, h in net.hosts.items())
    config = os.path.join(net.directory, "balance", "config.yaml")
    with open(config, "w") as file:
        file.write(f"services:\n- instances:\n{lines}  key: {net.key}\n")
    balance = Process("onionbalance", ["onionbalance", "--is-testnet", "-i", LOCAL, "-p",
                                       str(net.visitor.socks_port[1] + 500), "-c", config, "-v", "debug"],
                      os.path.join(net.logs, "onionbalance.log"))
    visitors = [net.add_client(kind=TorVisitor) for _ in range(2)]
    try:
        wait_reachable(visitors[0], net.frontend, 300)
        fetch(visitors[0], net.frontend, 1_000_000)
        lookups = Lookups(net)

        def balanced():  # onionbalance does not see to it that all directories have it
            texts = filter(None, lookups.look(net.frontend).values())
            return any(len(decode(t, net.frontend).introduction_points) > POINTS for t in texts)
        wait_until(balanced, 90, "the address in front has both services' introduction points", 1)
        first = net.hosts["host0"]
        net.standing.remove(first)
        first.stop()
        wait_reachable(visitors[1], net.frontend, 120)
        fetch(visitors[1], net.frontend, 1_000_000)
    finally:
        balance.stop()
