# SPDX-License-Identifier: BSD-3-Clause
"""The process: killed and started again, signals, and what it costs when nothing happens."""

import signal
import time

from cases import case
from process import Failure, wait_until
from test_forwarding import SMALL, check_download


def recover(net, *path):
    """Relays remember for a while whom they could not reach."""
    def recovered():
        try:
            check_download(net, net.circuit(*path), SMALL)
            return True
        except (Failure, OSError):
            return False
    wait_until(recovered, 90, "data flows again", 1)


@case()
def kill_and_restart(net):
    """
    client ──► ramson0 ✗ killed, started again ──► exit0 ──► exit1 ──► HTTP server

    The old circuit breaks, and the client makes a new one through the same guard.
    """
    relay = net.ramsons[0]
    before = net.circuit(relay, "exit0", "exit1")
    check_download(net, before, SMALL)
    relay.restart()

    recover(net, relay, "exit0", "exit1")
    if net.control.circuit_is_open(before):
        raise Failure("the circuit through the killed relay still counts as open")


@case()
def next_hop_dies(net):
    """
    client ──► ramson0 ──► ramson1 ✗ killed ──► exit0

    ramson0 tells the client at once, and extends to ramson1 again when it is back.
    """
    circuit = net.circuit("ramson0", "ramson1", "exit0")
    check_download(net, circuit, SMALL)
    net.ramsons[1].stop(signal.SIGTERM)
    wait_until(lambda: not net.control.circuit_is_open(circuit), 30, "the circuit is closed")
    net.ramsons[1].restart()
    recover(net, "ramson0", "ramson1", "exit0")


@case()
def counters(net):
    """
    client ──► ramson0 ──► ramson1 ──► exit0      SIGUSR1 before and after 2 MB
    """
    if net.stand_in:
        return
    relay = net.ramsons[0]
    before = relay.counters()
    circuit = net.circuit("ramson0", "ramson1", "exit0")
    check_download(net, circuit, SMALL)
    after = relay.counters()
    cells = SMALL // 498
    for name, least in (("cells_in", cells), ("cells_out", cells), ("cells_backward", cells),
                        ("rx_bytes", SMALL), ("tx_bytes", SMALL), ("circuits_created", 1),
                        ("tls_records_in", 1), ("tls_records_out", 1)):
        gained = after.get(name, 0) - before.get(name, 0)
        if gained < least:
            raise Failure(f"{name} grew by {gained}, and at least {least} was expected")


@case()
def ends_in_order(net):
    """
    ramson of its own, two links open ✗ SIGTERM: ends within 5 s; SIGINT: the same; twice: at once
    """
    for signals in ((signal.SIGTERM,), (signal.SIGINT,), (signal.SIGTERM, signal.SIGTERM)):
        relay = net.add_ramson()
        links = [net.link_to(relay) for _ in range(2)]
        for number in signals[:-1]:
            relay.process.send_signal(number)
        took = relay.stop(signals[-1], timeout=8)
        for one in links:
            one.close()
        if took > 5:
            raise Failure(f"took {took:.1f} s to end after {len(signals)} × {signals[0].name}")
        if len(signals) == 1 and relay.process.popen.returncode != 0 and not net.stand_in:
            raise Failure(f"ended with status {relay.process.popen.returncode}")


@case()
def idle_cpu(net):
    """
    ramson, release build, "poll": "adaptive": published and then left alone for 10 s
    """
    relay = net.add_ramson(build="release")
    try:
        net.wait_listed([relay.name])
        time.sleep(5)
        before = relay.process.cpu_seconds()
        time.sleep(10)
        share = (relay.process.cpu_seconds() - before) / 10
        if share >= 0.03:
            raise Failure(f"an idle relay took {share:.1%} of a core")
    finally:
        relay.stop()
