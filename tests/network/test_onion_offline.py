# SPDX-License-Identifier: BSD-3-Clause
"""A service in ramson whose secret key is on another machine."""

import os
import shutil
import subprocess

from cases import case
from hs_ring import Lookups
from onion_pair import RamsonHost, fetch, private_directory, wait_reachable
from process import Failure

PERIODS = 30


def ramson_onion(net, *words):
    done = subprocess.run([net.binaries["debug"], "onion", *words], capture_output=True, text=True,
                          timeout=60)
    if done.returncode != 0:
        raise Failure(f"ramson onion {words}: {done.stderr.strip()}")
    return done.stdout.strip()


@case(timeout=300, network="test_onion_publish.PublishNetwork")
def onion_offline_key(net):
    """
    ramson onion sign ──offline_keys──► ramson without the secret key ◄── … ◄── tor client
    """
    if net.stand_in:
        return
    home = os.path.join(net.directory, "home")
    address = ramson_onion(net, "new", home, "--prefix", "z")
    number, minutes = Lookups(net).consensus().period()
    keys = os.path.join(net.directory, "offline_keys")
    ramson_onion(net, "sign", home, "--periods", str(PERIODS), "--first", str(number),
                 "--minutes", str(minutes), "--out", keys)
    host = net.add_client(kind=RamsonHost, start=False)
    away = private_directory(host.directory, "away")
    shutil.copy(os.path.join(home, "hs_ed25519_public_key"), away)
    shutil.copy(keys, away)
    host.add("away", directory=away)
    host.start()
    host.wait_bootstrapped()
    if host.host("away") != address or not address.startswith("z"):
        raise Failure(f"the address is {host.host('away')}, not {address}")
    wait_reachable(net.visitor, address)
    fetch(net.visitor, address, 100_000)
    if os.path.exists(os.path.join(away, "hs_ed25519_secret_key")):
        raise Failure("a secret key was made")
