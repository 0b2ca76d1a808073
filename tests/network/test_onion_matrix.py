# SPDX-License-Identifier: BSD-3-Clause
"""Onion services: the service in ramson or in tor, its visitor in ramson or in tor."""

import hashlib

import httpd
import socks
from cases import case
from onion_pair import fetch, wait_reachable
from process import Failure, all_at_once
from tornet import HTTP_PORT

PAIRS = "onion_pair.PairNetwork"
BYTES, AT_ONCE = 50_000_000, 10
SMALL = 1_000_000


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
