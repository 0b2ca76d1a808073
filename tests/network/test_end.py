# SPDX-License-Identifier: BSD-3-Clause
"""The end, after all the other tests."""

from cases import case
from test_forwarding import SMALL, check_download


@case()
def ends_after_all_this(net):
    """
    client ──► ramson0 ──► ramson1 ──► exit0, open ✗ SIGTERM to both: status 0, and no leak

    They start again on what they have stored, and serve.
    """
    check_download(net, net.circuit("ramson0", "ramson1", "exit0"), SMALL)
    for relay in net.ramsons[:2]:
        relay.end_well()
    for relay in net.ramsons[:2]:
        relay.start()
    check_download(net, net.circuit("ramson0", "exit0", "exit1"), SMALL)
