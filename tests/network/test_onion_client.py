# SPDX-License-Identifier: BSD-3-Clause
"""ramson visits onion services of tor's."""

import base64
import hashlib
import os
import subprocess
import threading
import time

import stem.control
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

import httpd
import socks
from cases import case
from onion_pair import TorHost, TorVisitor, fetch, wait_reachable
from process import Failure, all_at_once, wait_until
from tornet import HTTP_PORT, LOCAL

# An introduction point that refused is not tried again for two minutes, by tor's clients as by ours;
# all do that lost their service together with the relay that died.
RECOVERS_S = 150

# In a network of a dozen relays the one that dies often is tor's own service's guard, and then nobody
# reaches that for minutes: these are run only when asked for.
dying_case = case if os.environ.get("DYING_RELAYS") else lambda **_: lambda function: function

VISITS, DYING = "onion_visit.VisitNetwork", "onion_visit.DyingNetwork"
BIG, MIDDLE, SMALL = 50_000_000, 5_000_000, 200_000
NOT_FOUND, INVALID, INTRODUCTION, RENDEZVOUS, NO_KEY, WRONG_KEY, BAD_ADDRESS, TIMEOUT = range(0xf0, 0xf8)


def an_address():
    """One that is well formed; nobody has it."""
    raw = serialization.Encoding.Raw, serialization.PublicFormat.Raw
    key = ed25519.Ed25519PrivateKey.generate().public_key().public_bytes(*raw)
    check = hashlib.sha3_256(b".onion checksum" + key + b"\3").digest()[:2]
    return base64.b32encode(key + check + b"\3").decode().lower() + ".onion"


def expect(code, wanted, what):
    if code != wanted:
        raise Failure(f"{what}: code {code:#x}, not {wanted:#x}")


def proxy(client):
    return ["--socks5-hostname", "%s:%d" % client.socks_port]


@case(timeout=300, network=VISITS)
def onion_client_bulk(net):
    """
    curl, torsocks curl ──SOCKS──► ramson ──► … ──► rendezvous ◄── … ◄── tor's service: 50 MB each way
    """
    client, host = net.subject, net.service.host("open")
    url = f"http://{host}/bytes/{BIG}"
    socks.check_bytes(socks.curl(*proxy(client), url, timeout=200), BIG)
    path = os.path.join(net.directory, "upload")
    with open(path, "wb") as file:
        file.write(httpd.content(BIG))
    answer = socks.curl(*proxy(client), "--upload-file", path, f"http://{host}/x", timeout=200)
    if answer.decode() != httpd.digest(BIG):
        raise Failure("the service was sent other bytes")
    done = subprocess.run(["torsocks", "--address", client.socks_port[0], "--port", str(client.socks_port[1]),
                           "curl", "--silent", "--show-error", "--fail", "--max-time", "100",
                           f"http://www.{host.upper()}/bytes/{SMALL}"], capture_output=True)
    if done.returncode != 0:
        raise Failure(f"torsocks curl: {done.stderr.decode().strip()}")
    socks.check_bytes(done.stdout, SMALL)


@case(timeout=200, network=VISITS)
def onion_client_parallel(net):
    """
    ten connections at once on one circuit, and ten with credentials of their own on ten
    """
    port, host = net.subject.socks_port, net.service.host("open")
    before = net.subject.counters()["onion_rendezvous"]
    all_at_once([lambda: socks.download(port, host, SMALL)] * 10)
    one = net.subject.counters()["onion_rendezvous"]
    if one > before + 1:
        raise Failure(f"{one - before} rendezvous for one application")
    all_at_once([lambda i=i: socks.download(port, host, SMALL, user=("user", str(i))) for i in range(10)])
    ten = net.subject.counters()["onion_rendezvous"]
    if ten - one < 10:
        raise Failure(f"{ten - one} rendezvous for ten applications with credentials of their own")


@case(timeout=200, network=VISITS)
def onion_client_authorisation(net):
    """
    services that only some may visit: with the right key, a wrong one, none
    """
    port = net.subject.socks_port
    wait_reachable(net.subject, net.service.host("shut"))
    fetch(net.subject, net.service.host("shut"), SMALL)
    expect(socks.refusal(port, net.service.host("wrong")), WRONG_KEY, "a wrong key")
    expect(socks.refusal(port, net.service.host("missing")), NO_KEY, "no key")
    # Tor's clients say the same of it.
    peer = net.add_client(kind=TorVisitor, start=False)
    peer.text = peer.text.replace("SocksPort 127", "SocksPort 127", 1).replace(
        " IPv6Traffic", " IPv6Traffic ExtendedErrors")
    peer.authorise(net.service.host("wrong"), net.wrong_key.private)
    peer.start()
    peer.wait_bootstrapped()
    try:
        expect(socks.refusal(peer.socks_port, net.service.host("wrong")), WRONG_KEY, "tor: a wrong key")
        expect(socks.refusal(peer.socks_port, net.service.host("missing")), NO_KEY, "tor: no key")
    finally:
        peer.stop()


@case(timeout=200, network=VISITS)
def onion_client_wrong_addresses(net):
    """
    addresses that are malformed, of version 2, nobody's; a port that the service does not have
    """
    port, good = net.subject.socks_port, net.service.host("open")
    other = "b" if good[20] != "b" else "c"
    for what, host in (("version 2", "expyuzz4wqqyqhjn.onion"), ("too short", "a.onion"),
                       ("a wrong checksum", good[:20] + other + good[21:])):
        expect(socks.refusal(port, host), BAD_ADDRESS, what)
    expect(socks.refusal(port, an_address()), NOT_FOUND, "nobody's address")
    expect(socks.refusal(port, good, 0, socks.RESOLVE), socks.HOST_UNREACHABLE, "RESOLVE")
    if socks.refusal(port, good, 81) == socks.SUCCEEDED:
        raise Failure("a port that the service does not have")
    fetch(net.subject, good, SMALL)


@case(timeout=200, network=VISITS)
def onion_client_work(net):
    """
    a service that may ask for proofs of work
    """
    wait_reachable(net.subject, net.service.host("worked"))
    fetch(net.subject, net.service.host("worked"), MIDDLE)


@case(timeout=300, network=VISITS)
def onion_client_restart(net):
    """
    the visitor is killed, and started again
    """
    net.subject.restart()
    net.subject.wait_bootstrapped()
    took = wait_reachable(net.subject, net.service.host("open"))
    if took > 60:
        raise Failure(f"{took:.0f} s until the service was reached")


@case(timeout=300, network=VISITS)
def onion_client_service_dies(net):
    """
    a service that dies: its introduction points say so; when it is there again it is reached again
    """
    host = net.add_client(kind=TorHost, start=False).add("mortal")
    try:
        host.start()
        host.wait_bootstrapped()
        address = host.host("mortal")
        wait_reachable(net.subject, address)
        host.stop()
        code = socks.refusal(net.subject.socks_port, address)
        if code not in (NOT_FOUND, INTRODUCTION, RENDEZVOUS, TIMEOUT):
            raise Failure(f"a service that is down: code {code:#x}")
        host.start()
        wait_reachable(net.subject, address)
    finally:
        host.stop()


def long_download(net, host, killed):
    """Fetches much, and has something killed in the middle of it. Returns whether it failed."""
    begun, outcome = threading.Event(), []

    def run():
        try:
            socks.download(net.subject.socks_port, host, 4 * BIG, user=("long", "one"),
                           progress=lambda total: total > MIDDLE and begun.set())
            outcome.append(False)
        except (Failure, OSError):
            outcome.append(True)
    thread = threading.Thread(target=run)
    thread.start()
    if not begun.wait(120):
        raise Failure("the download has not begun")
    killed()
    thread.join(300)
    return outcome[0]


def circuit_of_stream(net):
    """The relays of the circuit that the long download is on, by their fingerprints."""
    status = net.subject.status()
    carrying = {s["circuit"] for s in status["streams"] if s["state"] == "connected"}
    circuits = [c for c in status["circuits"] if c["id"] in carrying and c["purpose"] == "client rendezvous"]
    if not circuits:
        raise Failure("no circuit carries the download")
    return [hop["fingerprint"] for hop in circuits[0]["hops"]]


def hop_dies(net, hop):
    """A relay of the visitor's circuit dies in mid-stream."""
    host = net.service.host("open")
    wait_reachable(net.subject, host)
    killed = []

    def kill():
        fingerprint = circuit_of_stream(net)[hop]
        killed.extend(net.kill([fingerprint]))
    try:
        if not long_download(net, host, kill):
            raise Failure(f"the stream has outlived {killed[0].name}")
        wait_reachable(net.subject, host, RECOVERS_S)
    finally:
        net.revive()


@dying_case(timeout=400, network=DYING)
def onion_client_rendezvous_dies(net):
    """
    the rendezvous point dies in mid-stream: the stream ends, the next one begins at another
    """
    hop_dies(net, -1)


@dying_case(timeout=400, network=DYING)
def onion_client_guard_dies(net):
    """
    the visitor's guard dies in mid-stream: another one is taken
    """
    hop_dies(net, 0)


@dying_case(timeout=500, network=DYING)
def onion_client_points_die(net):
    """
    introduction points die: others are found as soon as tor's client finds them
    """
    host, peer = net.service.host("open"), net.add_client(kind=TorVisitor)
    took = {}
    try:
        for visitor in (net.subject, peer):
            wait_reachable(visitor, host)
        # Who loses a guard builds no circuits for a while.
        needed = {hop["fingerprint"] for c in net.subject.status()["circuits"] for hop in c["hops"][:1]}
        needed |= {hop for node in (net.service, peer) for hop in guards(node)}
        points = set(net.service.meeting_places("HS_SERVICE_INTRO")) - needed
        net.kill(points)
        if not net.dead:
            return  # all of them are guards, too

        def measure(visitor):
            took[visitor] = wait_new(visitor, host)
        all_at_once([lambda v=v: measure(v) for v in (net.subject, peer)])
        if took[net.subject] > took[peer] + 20:
            raise Failure(f"{took[net.subject]:.0f} s until the service was reached, tor {took[peer]:.0f} s")
    finally:
        peer.stop()
        net.revive()


def guards(node):
    with stem.control.Controller.from_port(LOCAL, node.socks_port[1] + 500) as control:
        control.authenticate()
        return {hop for c in control.get_circuits() for hop, _ in c.path[:1]}


def wait_new(visitor, host):
    """How long it takes until a new rendezvous is possible."""
    start = time.monotonic()

    def reached():
        try:
            socks.download(visitor.socks_port, host, 100, user=("new", str(time.monotonic())))
            return True
        except (Failure, OSError):
            return False
    wait_until(reached, 250, f"{visitor.name} meets the service again", 0.5)
    return time.monotonic() - start
