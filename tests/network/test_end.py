# SPDX-License-Identifier: BSD-3-Clause
"""The end, after all the other tests."""

import signal

from cases import case
from process import Failure
from test_forwarding import SMALL, check_download


@case()
def ends_after_all_this(net):
    """
    client ──► ramson0 ──► ramson1 ──► exit0, open ✗ SIGTERM to both: status 0, and no leak

    They start again on what they have stored, and serve.
    """
    check_download(net, net.circuit("ramson0", "ramson1", "exit0"), SMALL)
    for relay in net.ramsons[:2]:
        took = relay.stop(signal.SIGTERM)
        if took > 5 or relay.process.popen.returncode != 0:
            raise Failure(f"{relay.name} took {took:.1f} s to end, with status "
                          f"{relay.process.popen.returncode}")
    for relay in net.ramsons[:2]:
        relay.start()
    check_download(net, net.circuit("ramson0", "exit0", "exit1"), SMALL)
