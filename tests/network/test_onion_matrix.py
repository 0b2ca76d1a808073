# SPDX-License-Identifier: BSD-3-Clause
"""Onion services: the service in ramson or in tor, its visitor in ramson or in tor."""

import os
import subprocess
import xml.dom.minidom

import httpd
import onion_page
import socks
from cases import case
from onion_pair import RamsonHost, RamsonVisitor, fetch, wait_reachable
from process import Failure, all_at_once, wait_until
from ramson import SANITIZERS
from six_steps import SixSteps
from tornet import HTTP_PORT

PAIRS = "onion_pair.PairNetwork"
BYTES, AT_ONCE = 50_000_000, 10
SMALL = 1_000_000
ONION_MALFORMED = 0xf6


def visit(net, host, visitor):
    """50 MB each way over ten connections at once; the same service for those with a key, and one
    that asks for work."""
    host, visitor = net.hosts[host], net.visitors[visitor]
    port, address = visitor.socks_port, host.host("open")
    wait_reachable(visitor, address)
    each = BYTES // AT_ONCE
    data = httpd.content(each)
    all_at_once([lambda: socks.download(port, address, each)] * AT_ONCE)
    all_at_once([lambda: socks.upload(port, address, data)] * AT_ONCE)
    for name in ("shut", "worked"):
        address = host.host(name)
        wait_reachable(visitor, address)
        fetch(visitor, address, SMALL)


@case(timeout=400, network=PAIRS)
def onion_matrix_tor_tor(net):
    """
    visitor in tor ──► … ──► rendezvous ◄── … ◄── service in tor: what the others are compared with
    """
    visit(net, "tor", "tor")


@case(timeout=400, network=PAIRS)
def onion_matrix_ramson_tor(net):
    """
    visitor in tor ──► … ──► rendezvous ◄── … ◄── service in ramson
    """
    visit(net, "ramson", "tor")


@case(timeout=400, network=PAIRS)
def onion_matrix_tor_ramson(net):
    """
    visitor in ramson ──► … ──► rendezvous ◄── … ◄── service in tor
    """
    visit(net, "tor", "ramson")


@case(timeout=400, network=PAIRS)
def onion_matrix_ramson_ramson(net):
    """
    visitor in ramson ──► … ──► rendezvous ◄── … ◄── service in ramson
    """
    visit(net, "ramson", "ramson")


@case(timeout=200, network=PAIRS)
def onion_petnames(net):
    """
    names that are given while ramson runs: in each kind of request, looked up first, unknown ones
    """
    if net.stand_in:
        return
    visitor, address = net.visitors["ramson"], net.hosts["tor"].host("open")

    def petname(*words):
        done = subprocess.run([visitor.binary, "petname", *words, "--config", visitor.write_config()],
                              capture_output=True, text=True, env={**os.environ, **SANITIZERS})
        if done.returncode != 0:
            raise Failure(f"ramson petname: {done.stderr}")
    port = visitor.socks_port
    if (code := socks.refusal(port, "wiki.pet")) != ONION_MALFORMED:
        raise Failure(f"a petname that is not there is refused by {code:#x}")
    petname("add", "wiki", address)
    wait_reachable(visitor, "wiki.pet")
    where, url = "%s:%d" % port, f"http://wiki.pet/bytes/{SMALL}"
    for proxy in (["--socks5-hostname", where], ["--socks4a", where],
                  ["--proxytunnel", "--proxy", f"http://{where}"]):
        socks.check_bytes(socks.curl(*proxy, url), SMALL)
    done = subprocess.run(["torsocks", "--address", port[0], "--port", str(port[1]), "curl", "--silent", "--show-error",
                           "--fail", "--max-time", "60", url], capture_output=True)
    if done.returncode != 0:
        raise Failure(f"torsocks curl: {done.stderr.decode().strip()}")
    socks.check_bytes(done.stdout, SMALL)
    petname("remove", "wiki")
    if (code := socks.refusal(port, "wiki.pet")) != ONION_MALFORMED:
        raise Failure(f"a petname that is no more is refused by {code:#x}")


@case(timeout=200, network=PAIRS)
def onion_six_steps(net):
    """
    what ./demo.sh shows and draws: each step as the logs tell it, and the circuits as the status has them
    """
    if net.stand_in:
        return
    host, visitor = (net.add_client(kind=kind, start=False) for kind in (RamsonHost, RamsonVisitor))
    host.add("shown")
    for end in (host, visitor):
        open(end.log, "w").close()
    names = {name: entry.fingerprint for name, entry in net.consensus().items()}
    steps = SixSteps(host, visitor, names, lambda _step: None)
    try:
        host.start()
        visitor.start()
        visitor.wait_bootstrapped()
        address = host.host("shown")
        wait_until(lambda: any(s.number == 2 for s in steps.steps), 60, "the service is published")
        wait_reachable(visitor, address)
        wait_until(lambda: {s.number for s in steps.steps} >= {1, 2, 3, 4, 5}, 10, "each step is seen")
        status = host.status(), visitor.status()
    finally:
        steps.stop()
        visitor.end_well()
        host.end_well()
    for one, purpose, path in ((status[0], "rendezvous", steps.meeting[1]),
                               (status[1], "client rendezvous", steps.meeting[0]),
                               *((status[0], "intro", path) for path in steps.intro.values())):
        there = [[hop["nickname"] for hop in c["hops"]] for c in one["circuits"] if c["purpose"] == purpose]
        if path not in there:
            raise Failure(f"a {purpose} circuit is drawn by {path}; there are {there}")
    if len(steps.intro) < 3 or steps.asked[-1] not in steps.intro:
        raise Failure(f"introduction points {steps.intro}, of which {steps.asked} was asked")
    if not steps.fetch or steps.fetch[-1] not in steps.uploads:
        raise Failure(f"the descriptor came by {steps.fetch}, and went to {list(steps.uploads)}")
    with open(onion_page.write(net.directory, steps, [], [])) as file:
        drawing = file.read().partition("<svg")[2].partition("</svg>")[0]
    xml.dom.minidom.parseString(f"<svg{drawing}</svg>")
    if drawing.count("<rect") < 3 * 4 + 8:
        raise Failure("the drawing lacks relays")
