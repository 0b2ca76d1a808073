# SPDX-License-Identifier: BSD-3-Clause
"""An interactive circuit behind bulk circuits on a full link, in ramson and in C tor."""

import interactive
from cases import case
from far import FarRelay
from process import Failure


@case(timeout=300)
def interactive_behind_bulk(net):
    """
    client ──► far relay ◄══narrow══ ramson0, then exit2 (C tor) ◄── exit1 ◄── HTTP server

    Which cell goes next is for the middle to say. In a queue for all, a byte typed waits as long as
    one of a file does.
    """
    far = FarRelay(net)
    try:
        net.start_node(far)
        net.add_to_consensus(far)
        results = [interactive.measure(net, far, middle, middle.address)
                   for middle in (net.ramsons[0], net.exits[2])]
    finally:
        far.stop()
    lines = [interactive.line(*each) for each in zip(("ramson", "C tor"), results)]
    print("\n    " + "\n    ".join(lines))
    check(results[0])


def check(result):
    """However full the link and the machine: in a queue for all both would wait alike."""
    if result["interactive"]["p50_ms"] * 4 > result["bulk"]["p50_ms"]:
        raise Failure("who types waits with the files")
