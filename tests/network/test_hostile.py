# SPDX-License-Identifier: BSD-3-Clause
"""Input that is wrong on purpose."""

import socket
import time

import link
from cases import case
from fuzz import Fuzzer
from process import Failure, all_at_once, wait_until
from ramson import OR_PORT
from test_forwarding import SMALL, check_download

CASES_PER_KIND = 200


def fuzz(net, kinds, *counted):
    """The kinds at once, and a download of someone else's meanwhile and afterwards.

    Counters whose names begin with one of `counted` must have noticed, and no link may stay.
    """
    relay = net.ramsons[0]
    circuit = net.circuit(relay, "exit0", "exit1")
    before = relay.counters()
    jobs = [lambda k=k: Fuzzer(relay.address, OR_PORT, k).run(k, CASES_PER_KIND) for k in kinds]
    all_at_once(jobs + [lambda: check_download(net, circuit, SMALL)])
    if not relay.is_alive():
        raise Failure("ramson is gone")
    check_download(net, circuit, SMALL)
    check_download(net, net.circuit(relay, "exit0", "exit1"), SMALL)
    if net.stand_in:
        return
    after = relay.counters()
    seen = sum(after[n] - before.get(n, 0) for n in after if n.startswith(counted))
    if seen < CASES_PER_KIND // 4:
        raise Failure(f"only {seen} of the wrong inputs were counted under {', '.join(counted)}")
    wait_until(lambda: relay.counters().get("links_open", 0) <= before.get("links_open", 0) + 2, 30,
               "the links of the fuzzers are closed", 1)


@case(timeout=300)
def hostile_tls(net):
    """
    test ──bytes, TLS records, ClientHellos, 200 of each──► ramson0 ◄── client's circuit
    """
    fuzz(net, ("before_tls", "tls_hello", "tls_records"), "drop_link_tls", "drop_tls_")


@case(timeout=300)
def hostile_handshakes(net):
    """
    test ──VERSIONS, CERTS, AUTHENTICATE, NETINFO, 200 of each──► ramson0 ◄── client's circuit
    """
    fuzz(net, ("versions", "handshake_cells", "certs", "authenticate", "netinfo"),
         "drop_link_handshake")


@case(timeout=300)
def hostile_cells(net):
    """
    test ──CREATE2, CREATE_FAST, RELAY, DESTROY …, 200 of each──► ramson0 ◄── client's circuit
    """
    fuzz(net, ("create2", "create_fast", "relay", "destroy", "padding_negotiate",
               "other_commands"), "drop_cell_", "drop_create_", "drop_handshake_bad", "drop_link_")


@case(timeout=300)
def hostile_messages(net):
    """
    test ──EXTEND2, TRUNCATE, BEGIN, SENDME …, well encrypted and wrong──► ramson0 ◄── client's
    """
    fuzz(net, ("messages",), "drop_extend_", "drop_relay_message", "circuits_destroyed_protocol",
         "drop_cell_")


@case()
def silent_peers(net):
    """
    test ══100 connections that say nothing══► ramson0 ◄── client's circuit, a new one
    """
    relay = net.ramsons[0]
    silent = [socket.create_connection((relay.address, OR_PORT), timeout=10) for _ in range(100)]
    try:
        check_download(net, net.circuit(relay, "exit0", "exit1"), SMALL)
    finally:
        for connection in silent:
            connection.close()


@case()
def reader_that_stops(net):
    """
    test ──CREATE_FAST … and never reads an answer──► ramson0 ◄── client's circuit

    What is queued for the one that doesn't read is bounded, and nobody else waits for it.
    """
    relay = net.ramsons[0]
    with link.Link(relay.address, OR_PORT) as one:
        one.handshake()
        one.tls.settimeout(5)
        end = time.monotonic() + 20
        try:
            for number in range(1, 20001):
                one.send(link.pack(link.CREATE_FAST, bytes(20), link.INITIATOR_BIT | number))
                if time.monotonic() > end:
                    break
        except OSError:
            pass  # the relay pushed back, or closed the link: both are right
        check_download(net, net.circuit(relay, "exit0", "exit1"), SMALL)


@case()
def extend_to_wrong_identity(net):
    """
    test ──CREATE_FAST, EXTEND2 to exit0's address with another's identity──► ramson0 ──✗ exit0
    """
    relay, exit0 = net.ramsons[0], net.exits[0]
    where = socket.inet_aton(exit0.address) + (5000).to_bytes(2, "big")
    body = (bytes([3, 0, 6]) + where + bytes([2, 20]) + bytes(20) + bytes([3, 32]) + bytes(32)
            + bytes([0, 2, 0, 84]) + bytes(84))
    with link.Link(relay.address, OR_PORT, timeout=40) as one:
        circuit = one.handshake().create_fast()
        circuit.send(14, body, early=True)
        command, reason, _ = circuit.receive()
        if command is not None and command != 9:
            raise Failure(f"relay command {command} in answer to a wrong identity")
    check_download(net, net.circuit(relay, "exit0", "exit1"), SMALL)
