#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Makes the documents beside this file: what the authorities of a private network of `tor` serve.

make.py DIRECTORY   as root; needs tor, tor-gencert and python3-stem. Its network has keys of its
own, lives for a minute in a namespace, and reaches nothing outside.
"""

import os
import shutil
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../../../network"))

from netns import Namespace  # noqa: E402
from process import wait_until  # noqa: E402
from tornet import TorNet  # noqa: E402

CONSENSUS = "/tor/status-vote/current/consensus"
PARAMETERS = "ConsensusParams CircuitPriorityHalflifeMsec=30000 circwindow=900 wary=-5\n"


class Net(TorNet):
    def nodes(self):
        return self.authorities + self.exits  # no client


def save(directory, name, text):
    with open(os.path.join(directory, name), "wb") as file:
        file.write(text)


def microdescriptors(consensus):
    digests = [line.split()[1] for line in consensus.decode().splitlines() if line[:2] == "m "]
    return "/tor/micro/d/" + "-".join(digests)


def gather(net, out):
    names = [node.name for node in net.nodes()]
    authority = net.authorities[0]

    def signed():
        """Both flavours of one hour, signed by all; not one that will be replaced just now."""
        flavours = [authority.get(CONSENSUS + f) for f in ("", "-microdesc")]
        # One signature of each authority in the first, one of each in the second.
        if all(f and f.count(b"directory-signature") == len(net.authorities) for f in flavours):
            return flavours
        return None

    net.wait_listed(names, 180, "Guard")
    plain, micro = wait_until(signed, 60, "both consensuses, signed by all", 0.5)
    save(out, "consensus", plain)
    save(out, "consensus-microdesc", micro)
    save(out, "certificates", authority.get("/tor/keys/all"))
    save(out, "microdescriptors", authority.get(microdescriptors(micro)))
    save(out, "descriptors", authority.get("/tor/server/all"))
    save(out, "extra-infos", authority.get("/tor/extra/all"))


def main():
    out = sys.argv[1]
    directory = tempfile.mkdtemp(prefix="ramson-netdoc-")
    namespace = Namespace("ramson-netdoc")
    net = Net(namespace, directory, authorities=5, exits=3)
    for authority in net.authorities:
        authority.text += PARAMETERS
    try:
        net.start()
        gather(net, out)
    finally:
        for process in net.processes():
            process.stop()
        namespace.close()
        shutil.rmtree(directory, ignore_errors=True)


main()
