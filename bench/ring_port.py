# SPDX-License-Identifier: BSD-3-Clause
"""A port of ramson's that costs about what a NIC's would: a veth pair's end, by AF_PACKET's rings."""

import array
import fcntl
import json
import os
import socket
import struct

from netns import ip
from ramson import Ramson

ETHTOOL, SET_CHECKSUMS, SET_TSO, SET_GSO, SET_GRO = 0x8946, 0x17, 0x1f, 0x24, 0x2c


def as_a_nic_would(interface, gro):
    """Frames of the MTU's size with whole checksums: what a wire carries, and virtual links don't."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        for command in (SET_TSO, SET_GSO, SET_GRO, SET_CHECKSUMS):
            value = array.array("B", struct.pack("II", command, gro and command == SET_GRO))
            request = struct.pack("16sP", interface.encode(), value.buffer_info()[0])
            fcntl.ioctl(any_socket, ETHTOOL, request)


def acknowledge_at_once():
    """Has TCP between addresses of this namespace acknowledge at once, as if each link carried others'
    traffic, too. Without any the kernel holds an ACK back for 40 ms, for which tor's next cell waits
    (Nagle's algorithm): CONNECTED goes, and the first DATA does not."""
    for route in json.loads(ip("-json", "route", "show", "table", "local", "type", "local")):
        if route["dev"] == "lo" and not route["dst"].startswith("127."):
            ip("route", "replace", "local", route["dst"], "dev", "lo", "table", "local", "proto",
               "kernel", "scope", "host", "src", route["prefsrc"], "quickack", "1")


def pids(name):
    """Of the processes, the kernel's too, whose name begins so."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/comm") as file:
                if file.read().startswith(name):
                    found.append(int(pid))
        except OSError:
            pass  # it ended meanwhile
    return found


def own_receiver(namespace, interface, cpus):
    """Has the kernel receive at this end in a thread of its own, on these CPUs: its pid."""
    name = f"napi/{interface}-"
    others = pids(name)  # of other namespaces, and one that is on its way out
    ip("netns", "exec", namespace, "sh", "-c", f"echo 1 >/sys/class/net/{interface}/threaded")
    found = [pid for pid in pids(name) if pid not in others]
    for pid in found:
        os.sched_setaffinity(pid, cpus)
    return found[0]


class RingPort:
    """For a ramson of tests/network/ramson.py: one end of a veth pair, by rings that it shares with
    the kernel (AF_PACKET). `neighbours_cpus` is where the kernel's end is served."""

    neighbours_cpus = os.sched_getaffinity(0)

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.config["dataplane"]["interfaces"][0]["device"] = (
            f"net_af_packet0,iface={self.interface},framecnt=4096,qdisc_bypass=1")

    def start(self):
        kernels_end = f"{self.interface}k"
        ip("link", "add", kernels_end, "type", "veth", "peer", "name", self.interface)
        as_a_nic_would(self.interface, gro=False)
        as_a_nic_would(kernels_end, gro=True)
        for end in (self.interface, kernels_end):
            ip("link", "set", end, "up", "mtu", str(self.mtu))
        # What comes to ramson's end is ramson's alone: the kernel would send it back to that end.
        with open(f"/proc/sys/net/ipv4/conf/{self.interface}/forwarding", "w") as file:
            file.write("0")
        ip("address", "replace", f"{self.gateway}/24", "dev", kernels_end)
        # The neighbours' TCP is the neighbours' work: it has a thread of its own, and is not done
        # in the worker's system call.
        own_receiver(self.net.namespace.name, kernels_end, self.neighbours_cpus)
        return super().start()

    def wait_up(self):
        self.wait_ready()

    def stop(self, *arguments):
        took = super().stop(*arguments)
        if f"{self.interface}k" in (name for _, name in socket.if_nameindex()):
            ip("link", "delete", f"{self.interface}k")
        return took


class RingRamson(RingPort, Ramson):
    """A relay."""
