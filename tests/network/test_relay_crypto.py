# SPDX-License-Identifier: BSD-3-Clause
"""What tor's client agrees on with ramson for a hop: Counter Galois Onion, or tor1.

Where a controller chooses the path, tor asks every hop that can do it for congestion control and
CGO, since it may be used as an exit. On paths of its own it asks only the last one: the others get
an ntor-v3 handshake without a request, and tor1.
"""

from cases import case
from process import Failure, all_at_once, wait_until
from test_forwarding import SMALL, check_download

CELLS_OF_SMALL = SMALL // 490  # at least so many carry a download


class Growth:
    """How much a relay's counters have grown since."""

    def __init__(self, relay):
        self.relay, self.before = relay, relay.counters()

    def __getitem__(self, name):
        return self.relay.counters().get(name, 0) - self.before.get(name, 0)

    def check(self, name, least, most=None):
        grown = self[name]
        if grown < least or (most is not None and grown > most):
            raise Failure(f"{self.relay.name}: {name} grew by {grown}, not by {least} or more"
                          if most is None else f"{self.relay.name}: {name} grew by {grown}")


@case()
def cgo_both_hops(net):
    """
    client ══CGO══► ramson0 ══CGO══► ramson1 ──► exit0 ──► HTTP server

    The second hop is extended to over the first one's CGO.
    """
    if net.stand_in:
        return
    growths = [Growth(relay) for relay in net.ramsons[:2]]
    circuit = net.circuit("ramson0", "ramson1", "exit0")
    for growth in growths:
        growth.check("circuits_cgo", 1)
        growth.check("circuits_congestion_control", 1)
    check_download(net, circuit, SMALL)
    for growth in growths:
        growth.check("cells_cgo", CELLS_OF_SMALL)
        growth.check("drop_cell_unrecognised", 0, 0)
    net.control.close_circuit(circuit)


@case()
def cgo_and_tor1_at_once(net):
    """
    client ══► ramson0 (CGO) ──► ramson1 (CGO) ──► exit0 ──► HTTP server
           ══► a guard ──► ramson0 or ramson1 (tor1) ──► an exit ──► HTTP server
    """
    if net.stand_in:
        return
    net.control.control.set_conf("MiddleNodes", [net.fingerprint(n) for n in ("ramson0", "ramson1")])
    try:
        cgo = net.circuit("ramson0", "ramson1", "exit0")
        growths = {relay.name: Growth(relay) for relay in net.ramsons[:2]}
        tor1 = net.control.control.new_circuit(await_build=True, timeout=30)
        names = [name for _, name in net.control.control.get_circuit(tor1).path]
        if names[1] not in growths:
            raise Failure(f"tor's own path is {', '.join(names)}")
        middle = growths[names[1]]
        middle.check("handshakes_ntor_v3", 1)
        middle.check("circuits_cgo", 0, 0)
        all_at_once([lambda c=c: check_download(net, c, SMALL) for c in (cgo, tor1)])
        both = middle["cells_forward"] + middle["cells_backward"]
        middle.check("cells_cgo", CELLS_OF_SMALL, both - CELLS_OF_SMALL)
        for circuit in (cgo, tor1):
            net.control.close_circuit(circuit)
    finally:
        net.control.control.reset_conf("MiddleNodes")


@case()
def cgo_streams_are_refused(net):
    """
    client ══► exit0 ──► ramson0: BEGIN, and END in answer, in cells of format v1
    """
    if net.stand_in:
        return
    growth = Growth(net.ramsons[0])
    circuit = net.circuit("exit0", "ramson0")
    growth.check("circuits_cgo", 1)
    for _ in range(3):
        known = len(net.control.failures)
        try:
            net.control.download(circuit, 1)
        except Failure:
            pass  # the SOCKS port says so, too
        else:
            raise Failure("ramson ended a stream")
        wait_until(lambda: len(net.control.failures) > known, 10, "the stream's end")
        if "EXITPOLICY" not in net.control.failures[-1]:
            raise Failure(net.control.failures[-1])
    if not net.control.circuit_is_open(circuit):
        raise Failure("the circuit did not outlive its streams")
    growth.check("cells_recognised", 3)
    growth.check("cells_originated", 3)
    net.control.close_circuit(circuit)
