# SPDX-License-Identifier: BSD-3-Clause
"""What `ramson run` says when it can't start. (Unit test config-cli has the rest of the command.)"""

import json
import os
import re
import shutil
import subprocess
import tempfile

from cases import case
from process import Failure

NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]


def config(directory, **changes):
    data = os.path.join(directory, "data")
    os.makedirs(data, mode=0o700, exist_ok=True)
    return {
        "nickname": "ramson0", "contact": "none", "data_directory": data,
        "address": ["10.91.9.2"], "or_port": 9001, "testing_network": True,
        "dataplane": {"workers": [0], "control": 0, "hugepages": False, "memory_mb": 64,
                      "poll": "adaptive",
                      "interfaces": [{"device": "net_ring0", "addresses": ["10.91.9.2/24"],
                                      "gateway": "10.91.9.1"}]},
        **changes}


def run(ramson, verb, path, prefix=()):
    done = subprocess.run([*prefix, ramson, verb, "--config", path], capture_output=True,
                          text=True, timeout=30, env=dict(os.environ, ASAN_OPTIONS="detect_leaks=0"))
    return done.returncode, done.stdout + done.stderr


def expect_one_line(status, text, *words):
    lines = text.strip().splitlines()
    if status != 1 or len(lines) != 1 or not all(w in lines[0] for w in words):
        raise Failure(f"status {status}, and not one line with {words}: {text.strip()[:600]}")


def huge_pages():
    with open("/proc/meminfo") as file:
        return int(re.search(r"HugePages_Total:\s+(\d+)", file.read())[1])


@case()
def start_errors(net):
    """
    ramson run with a device that isn't there, without permission, without its data directory

    Each is one line that says what to do; no stack trace, no DPDK panic.
    """
    if net.stand_in:
        return
    with tempfile.TemporaryDirectory() as directory:
        # A copy that `nobody` can run, wherever the source tree is.
        ramson = shutil.copy(net.binaries["debug"], directory)
        path = os.path.join(directory, "ramson.json")

        def expect(words, prefix=(), **changes):
            with open(path, "w") as file:
                json.dump(config(directory, **changes), file, indent=2)
            expect_one_line(*run(ramson, "run", path, prefix), *words)

        def on_device(device, **more):
            interface = {"device": device, "addresses": ["10.91.9.2/24"], "gateway": "10.91.9.1"}
            return {**config(directory)["dataplane"], "interfaces": [interface], **more}

        expect(("net_nosuch0",), dataplane=on_device("net_nosuch0"))
        expect(("ffff:1f:1f.7",), dataplane=on_device("ffff:1f:1f.7"))
        if not huge_pages():
            expect(("hugepages",), dataplane=on_device("net_ring0", hugepages=True))
        expect(("data_directory",), data_directory="/proc/none/x")
        os.chmod(directory, 0o755)
        os.chown(os.path.join(directory, "data"), 65534, 65534)
        expect(("ramx",), NOBODY, dataplane=on_device("net_tap0,iface=ramx"))
