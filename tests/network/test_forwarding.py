# SPDX-License-Identifier: BSD-3-Clause
"""Data through ramson: as guard, as middle, as both, and for many circuits at a time."""

import hashlib
import os

import httpd
from cases import case
from process import Failure, all_at_once

LARGE = 100_000_000
SMALL = 2_000_000


def check_download(net, circuit, length):
    if net.control.download(circuit, length) != httpd.digest(length):
        raise Failure("the bytes that arrived are not those that were sent")


@case(timeout=300)
def download_guard(net):
    """
    client ──► ramson0 ──► exit0 ──► exit1 ──► HTTP server: 100 MB
    """
    check_download(net, net.circuit("ramson0", "exit0", "exit1"), LARGE)


@case(timeout=300)
def download_middle(net):
    """
    client ──► exit0 ──► ramson0 ──► exit1 ──► HTTP server: 100 MB
    """
    check_download(net, net.circuit("exit0", "ramson0", "exit1"), LARGE)


@case()
def ten_circuits(net):
    """
             ┌─ circuit 1 … 10 ─┐
    client ══► ramson0 ══► ramson1 ══► exit0, exit1, exit2 ──► HTTP server

    Each of the ten sends and fetches at the same time.
    """
    circuits = [net.circuit("ramson0", "ramson1", f"exit{i % 3}") for i in range(10)]

    def upload(circuit):
        data = os.urandom(SMALL)
        if net.control.upload(circuit, data) != hashlib.sha256(data).hexdigest():
            raise Failure("the bytes that were sent did not arrive as they were")

    all_at_once([job for c in circuits for job in
                 (lambda c=c: check_download(net, c, SMALL), lambda c=c: upload(c))])
    for circuit in circuits:
        net.control.close_circuit(circuit)


@case()
def many_short_circuits(net):
    """
    client ══► ramson0 ══► ramson1 ──► exit0      made, used and closed, 60 times
    """
    def once():
        circuit = net.circuit("ramson0", "ramson1", "exit0")
        check_download(net, circuit, 20_000)
        net.control.close_circuit(circuit)

    def batch():
        for _ in range(15):
            once()
    all_at_once([batch] * 4)


@case()
def longest_circuit(net):
    """
    client ──► ramson0 ──► exit0 ──► ramson1 ──► exit1 ──► ramson0 ──► exit2 ──► HTTP server

    A relay can be on one circuit twice; seven EXTENDs are within the RELAY_EARLY limit of eight.
    """
    circuit = net.circuit("ramson0", "exit0", "ramson1", "exit1", "ramson0", "exit2")
    check_download(net, circuit, SMALL)


@case()
def two_workers(net):
    """
    client ══► ramson of two workers ══► exit0, exit1, exit2 ──► HTTP server

    Links are spread over the workers, so some circuits cross from one to the other.
    """
    relay = net.add_ramson(workers=2)
    try:
        net.add_to_consensus(relay)
        circuits = [net.circuit(*path) for i in range(3) for path in
                    ((relay, f"exit{i}", f"exit{(i + 1) % 3}"),
                     (f"exit{i}", relay, f"exit{(i + 1) % 3}"))]
        all_at_once([lambda c=c: check_download(net, c, SMALL) for c in circuits])
    finally:
        relay.stop()


@case()
def busy_poll_and_small_mtu(net):
    """
    client ──► ramson, "poll": "busy", MTU 1280 on its tap ──► exit0 ──► HTTP server
    """
    relay = net.add_ramson(poll="busy", mtu=1280)
    try:
        net.add_to_consensus(relay)
        check_download(net, net.circuit(relay, "exit0", "exit1"), 10 * SMALL)
    finally:
        relay.stop()
