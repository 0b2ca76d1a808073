# SPDX-License-Identifier: BSD-3-Clause
"""A network namespace that this process makes, moves into and takes down."""

import ctypes
import os
import re
import subprocess

CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def ip(*arguments):
    """Runs iproute2's `ip` in the namespace this process is in."""
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"ip {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout


def _enter(file):
    if _libc.setns(file.fileno(), CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), f"can't enter {file.name}")


class Namespace:
    """Made at once; every thread and child started later is inside it.

    Nothing in it reaches the world outside: it has a loopback device and what tests add to it.
    """

    def __init__(self, prefix):
        remove_stale(prefix)
        self.name = f"{prefix}-{os.getpid()}"
        ip("netns", "add", self.name)
        self.outside = open("/proc/self/ns/net")
        with open(f"/run/netns/{self.name}") as inside:
            _enter(inside)
        ip("link", "set", "lo", "up")
        for setting, value in (("ip_forward", "1"), ("conf/all/rp_filter", "0"),
                               ("conf/default/rp_filter", "0")):
            with open(f"/proc/sys/net/ipv4/{setting}", "w") as file:
                file.write(value)

    def add_address(self, address):
        ip("address", "add", f"{address}/32", "dev", "lo")

    def close(self):
        _enter(self.outside)
        self.outside.close()
        ip("netns", "delete", self.name)


def remove_stale(prefix):
    """Removes namespaces whose maker was killed before it could."""
    for line in ip("netns", "list").splitlines():
        match = re.match(rf"({re.escape(prefix)}-(\d+)(?:-far\d*)?)(?=\s|$)", line)
        if match and not os.path.exists(f"/proc/{match[2]}"):
            # A demo that was left up on purpose still has its processes.
            if not ip("netns", "pids", match[1]).strip():
                ip("netns", "delete", match[1])
