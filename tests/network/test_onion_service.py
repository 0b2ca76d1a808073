# SPDX-License-Identifier: BSD-3-Clause
"""ramson as the host of onion services, visited by tor: what survives when something on the way dies."""

import os
import time

import httpd
import socks
from cases import case
from onion_pair import RamsonHost, TorHost, TorVisitor, fetch, wait_reachable
from origin import OriginNetwork
from process import Failure, all_at_once, wait_until
from tornet import HTTP, HTTP_PORT

SERVICES = "test_onion_service.ServiceNetwork"
BIG, SMALL = 50_000_000, 200_000
DEAD_PORT = 4242  # where nobody listens
FEW = 2


class ServiceNetwork(OriginNetwork):
    """Of tor relays. Two hosts with the same services, in ramson and in tor, and a visitor in tor.

    "open" leads to the HTTP server, at port 81 to nobody; "strict" bears FEW streams of a visitor;
    "bare" (only ramson's) does not hide.
    """

    PORTS = [{"port": HTTP_PORT, "target": f"{HTTP}:{HTTP_PORT}"},
             {"port": 81, "target": f"{HTTP}:{DEAD_PORT}"}]
    STRICT = ("HiddenServiceMaxStreams 2", "HiddenServiceMaxStreamsCloseCircuit 1")

    def __init__(self, debug=None, release=None, **options):
        super().__init__(debug, release, exits=7, prefix="ramson-service", subject=False, **options)
        self.host = self.peer = self.visitor = None

    def up(self):
        super().up()
        self.host = self.add_client(kind=TorHost if self.stand_in else RamsonHost, start=False)
        self.peer = self.add_client(kind=TorHost, start=False)
        self.visitor = self.add_client(kind=TorVisitor, start=False)
        for host in (self.host, self.peer):
            if isinstance(host, TorHost):
                host.add("open", options=[f"HiddenServicePort 81 {HTTP}:{DEAD_PORT}"])
                host.add("strict", options=self.STRICT)
            else:
                host.add("open", ports=self.PORTS)
                host.add("strict", max_streams=FEW, max_streams_closes_circuit=True)
                host.add("bare", single_onion=True)
        for process in (self.host, self.peer, self.visitor):
            process.start()
        all_at_once([p.wait_bootstrapped for p in (self.host, self.peer, self.visitor)])
        self.standing += [self.host, self.peer, self.visitor]
        for host in (self.host, self.peer):
            wait_reachable(self.visitor, host.host("open"))

    def relay(self, name):
        return next(n for n in self.exits + self.authorities if n.name == name)

    def revive(self, node):
        """A relay that was killed is back in the consensus."""
        self.start_node(node)
        self.wait_listed([node.name])


def service_of(net, name="open"):
    """What `ramson status` says of a service."""
    address = net.host.host(name)
    return next(s for s in net.host.status()["onion_services"] if s["address"] == address)


def points_of(net, state="established"):
    return [p["nickname"] for p in service_of(net)["introduction_points"] if p["state"] == state]


def guards_of(host):
    return sorted(g["fingerprint"] for g in host.status()["guards"] if g["primary"])


def expendable(net, names):
    """Of these relays one that is nobody's guard."""
    guards = {g["nickname"] for g in net.host.status()["guards"] if g["primary"]}
    for name in names:
        if name.startswith("exit") and name not in guards:
            return net.relay(name)
    return None


def new_circuits(net):
    """Whom the visitor meets from now on it meets anew."""
    return ("visitor", str(time.monotonic()))


@case(timeout=600, network=SERVICES)
def onion_service_bulk(net):
    """
    tor's visitor ──► … ──► rendezvous ◄── … ◄── ramson ──► HTTP server: 50 MB each way on one stream,
    and both ways at once
    """
    address, port = net.host.host("open"), net.visitor.socks_port
    data = httpd.content(BIG)
    fetch(net.visitor, address, BIG)
    socks.upload(port, address, data)
    all_at_once([lambda: fetch(net.visitor, address, BIG // 2),
                 lambda: socks.upload(port, address, data[:BIG // 2])])
    if net.stand_in:
        return
    wait_until(lambda: service_of(net)["streams"] == 0, 20, "no stream is left")
    status = service_of(net)
    if status["visitors"] == 0 or status["introductions"] == 0:
        raise Failure(f"ramson status says {status}")
    if any(d["uploaded"] != d["wanted"] for d in status["descriptors"]):
        raise Failure(f"descriptors are not where they should be: {status['descriptors']}")


def code_of(net, host, port, user):
    """The SOCKS code of the visitor for this port of the host's open service."""
    with socks.open_port(net.visitor.socks_port) as connection:
        try:
            socks.ask(connection, socks.CONNECT, host.host("open"), port, user)
        except socks.Refused as refused:
            return refused.code
    return socks.SUCCEEDED


@case(timeout=200, network=SERVICES)
def onion_service_refusals(net):
    """
    a port that is none: what the visitor hears is what tor's service says; a target that is dead is refused
    """
    codes = {h.name: code_of(net, h, 99, new_circuits(net)) for h in (net.host, net.peer)}
    if len(set(codes.values())) != 1 or socks.SUCCEEDED in codes.values():
        raise Failure(f"a port that is none: {codes}")
    code = code_of(net, net.host, 81, new_circuits(net))
    if not net.stand_in and code != socks.REFUSED:
        raise Failure(f"a dead target: {code}")
    fetch(net.visitor, net.host.host("open"), SMALL)


@case(timeout=200, network=SERVICES)
def onion_service_max_streams(net):
    """
    a visitor with more streams than it may have loses its circuit; others don't hear of it
    """
    for host in (net.host, net.peer):
        address, port, user = host.host("strict"), net.visitor.socks_port, new_circuits(net)
        wait_reachable(net.visitor, address)
        other = socks.connect(port, address, HTTP_PORT, new_circuits(net))
        streams = [socks.connect(port, address, HTTP_PORT, user) for _ in range(FEW)]
        try:
            socks.connect(port, address, HTTP_PORT, user).close()
        except Failure:
            pass
        for stream in streams:
            if stream.recv(1) != b"":
                raise Failure(f"{host.name}: a stream of the circuit goes on")
            stream.close()
        with other:
            other.sendall(b"GET /bytes/100 HTTP/1.0\r\n\r\n")
            body = socks.read_head(other)
            if socks.read_body(other, 100, body) != httpd.digest(100):
                raise Failure(f"{host.name}: another visitor's stream is broken")


@case(timeout=200, network=SERVICES)
def onion_service_bare(net):
    """
    tor's visitor ──► … ──► rendezvous ◄── ramson, which does not hide
    """
    if net.stand_in:
        return
    address = net.host.host("bare")
    wait_reachable(net.visitor, address)
    fetch(net.visitor, address, BIG // 10)
    circuits = [c for c in net.host.status()["circuits"]
                if c["state"] == "open" and c["purpose"] == "rendezvous" and len(c["hops"]) == 1]
    if not circuits:
        raise Failure("no circuit to a rendezvous point has one hop")


@case(timeout=300, network=SERVICES)
def onion_service_intro_dies(net):
    """
    the relay that is an introduction point is killed: another takes its place, and visitors come
    """
    if net.stand_in:
        return
    wait_until(lambda: len(points_of(net)) == 3, 60, "three introduction points stand")
    victim = wait_until(lambda: expendable(net, points_of(net)), 1, "an introduction point to kill")
    victim.process.stop(9)
    try:
        start = time.monotonic()
        wait_until(lambda: victim.name not in points_of(net) and len(points_of(net)) == 3, 200,
                   "another introduction point has its place", 0.5)
        address = net.host.host("open")
        wait_reachable(net.visitor, address, 60)
        print(f"another introduction point after {time.monotonic() - start:.0f} s")
    finally:
        net.revive(victim)


@case(timeout=300, network=SERVICES)
def onion_service_rendezvous_dies(net):
    """
    the rendezvous point is killed in mid-stream: the stream ends, the next one comes through
    """
    if net.stand_in:
        return
    address = net.host.host("open")
    slow, victim = visit_at_expendable(net, address)
    visitors = service_of(net)["visitors"]
    victim.process.stop(9)
    try:
        with slow:
            slow.settimeout(60)
            got = 0
            while more := slow.recv(1 << 18):
                got += len(more)
        if got >= BIG:
            raise Failure("the stream went on to its end without its rendezvous point")
        start = time.monotonic()
        wait_reachable(net.visitor, address, 90)
        print(f"the next visit after {time.monotonic() - start:.0f} s")
        wait_until(lambda: service_of(net)["visitors"] <= visitors, 60,
                   "the service has let the dead rendezvous go")
    finally:
        net.revive(victim)


def visit_at_expendable(net, address):
    """A slow download, and the relay where it meets the service, which is nobody's guard."""
    for _ in range(20):
        before = {c["hops"][-1]["fingerprint"] for c in rendezvous_of(net)}
        slow = socks.connect(net.visitor.socks_port, address, HTTP_PORT, new_circuits(net))
        slow.sendall(b"GET /bytes/%d HTTP/1.0\r\n\r\n" % BIG)
        slow.recv(1000)
        newest = [c["hops"][-1] for c in rendezvous_of(net)
                  if c["hops"][-1]["fingerprint"] not in before]
        if victim := expendable(net, [hop.get("nickname", "") for hop in newest]):
            return slow, victim
        slow.close()
    raise Failure("no rendezvous point may be killed")


def rendezvous_of(net):
    return [c for c in net.host.status()["circuits"]
            if c["purpose"] == "rendezvous" and c["state"] == "open" and len(c["hops"]) == 4]


@case(timeout=600, network=SERVICES)
def onion_service_restarts(net):
    """
    ten restarts: the address and the guards are the same, and the visitor comes back
    """
    address, guards = net.host.host("open"), None if net.stand_in else guards_of(net.host)
    for i in range(10):
        if i == 0:
            net.host.end_well()
            net.host.start()
        else:
            net.host.restart()
        net.host.wait_bootstrapped()
        if net.host.host("open") != address:
            raise Failure("the service has another address")
        if not net.stand_in and guards_of(net.host) != guards:
            raise Failure(f"the guards were {guards}, and are {guards_of(net.host)}")
    took = wait_reachable(net.visitor, address)
    print(f"reachable {took:.0f} s after the last restart")
    fetch(net.visitor, address, SMALL)


@case(timeout=300, network=SERVICES)
def onion_service_crowd(net):
    """
    100 streams of 10 visitors at once, while others leave in the middle
    """
    address, port = net.host.host("open"), net.visitor.socks_port

    def leave(i):
        user = ("leaver", str(i % 5))
        with socks.connect(port, address, HTTP_PORT, user) as connection:
            connection.sendall(b"GET /bytes/%d HTTP/1.0\r\n\r\n" % BIG)
            connection.recv(5000)

    def stay(i):
        socks.download(port, address, SMALL, user=("stayer", str(i % 5)))
    all_at_once([lambda i=i: leave(i) for i in range(50)] + [lambda i=i: stay(i) for i in range(50)])
    if not net.stand_in:
        wait_until(lambda: service_of(net)["streams"] == 0, 60, "no stream is left")


@case(timeout=300, network=SERVICES)
def onion_service_of_a_relay(net):
    """
    a relay that hosts a service, too; it does not lead its own circuits through itself
    """
    if net.stand_in:
        return
    relay = net.add_ramson(start=False)
    directory = os.path.join(relay.directory, "service")
    relay.config["onion_services"] = [
        {"directory": directory, "ports": [{"port": HTTP_PORT, "target": f"{HTTP}:{HTTP_PORT}"}]}]
    relay.start()
    try:
        path = os.path.join(directory, "hostname")
        wait_until(lambda: os.path.exists(path), 20, "the service has an address")
        with open(path) as file:
            address = file.read().strip()
        wait_reachable(net.visitor, address)
        fetch(net.visitor, address, SMALL)
        own = relay.status()
        if any(hop["fingerprint"] == own["relay"]["fingerprint"]
               for circuit in own["circuits"] for hop in circuit["hops"]):
            raise Failure("a circuit of the service goes through its own relay")
    finally:
        relay.end_well()
