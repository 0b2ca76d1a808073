# SPDX-License-Identifier: BSD-3-Clause
"""Circuits that ramson makes for itself, and directory streams that others begin at it."""

from cases import case
from process import Failure, wait_until


@case()
def upload_by_or_port(net):
    """
    ramson ──CREATE_FAST, BEGIN_DIR, POST──► OR ports of 3 authorities ──vote──► consensus

    Its configuration names no directory port.
    """
    relay = net.add_ramson(nickname="orport", start=False)
    for authority in relay.config["directory_authorities"]:
        del authority["dir_port"]
    relay.start()
    try:
        wait_until(lambda: relay.counters().get("descriptors_published", 0) >= len(net.authorities),
                   60, "every authority has the descriptor")
        made = relay.counters().get("own_circuits_made", 0)
        if made < len(net.authorities):
            raise Failure(f"{made} circuits were made")
        net.wait_listed([relay.name])
    finally:
        relay.stop()
