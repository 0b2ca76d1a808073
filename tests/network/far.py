#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""A relay behind a narrow link, so that the queue before it is the queue of whoever sends to it.

    the namespace ── far0 ═══ this program ═══ far1 ── a namespace of its own: 10.92.0.2, a tor relay

Packets from one address go on at a fixed rate, out of a short queue; all others at once. The two
ends are TUN devices, so nothing of the kernel's traffic control is needed.

Usage: far.py NAMESPACE SOURCE BYTES_PER_S QUEUE_BYTES
"""

import collections
import fcntl
import os
import select
import socket
import struct
import sys
import time

from netns import _enter, ip
from process import Process, wait_until
from tornet import LISTEN, OR_PORT, TorNode

GATEWAY, ADDRESS = "10.92.0.1", "10.92.0.2"
NEAR, FAR = "far0", "far1"
PACKET_MAX = 65536
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454ca, 0x0001, 0x1000


class FarRelay(TorNode):
    """A tor relay that is reached over the narrow link."""

    def __init__(self, net, name="far"):
        super().__init__(net, name, ADDRESS, LISTEN + "ExitPolicy reject *:*\nExitRelay 0\n")
        self.namespace = net.namespace.name + "-far"
        self.link = None
        ip("netns", "add", self.namespace)
        ip("-n", self.namespace, "link", "set", "lo", "up")

    def start(self):
        tor = ["tor", "--quiet", "--defaults-torrc", "/dev/null", "-f", self.torrc]
        self.narrow("0.0.0.0", 1, 1)  # nobody's packets
        self.process = Process(self.name, ["ip", "netns", "exec", self.namespace, *tor],
                               os.path.join(self.net.logs, self.name + ".log"))
        wait_until(self.listens, 30, "the far relay listens")
        return self.process

    def narrow(self, source, bytes_per_s, queue_bytes):
        """Makes the link narrow for what comes from `source`. Its connections live on."""
        if self.link:
            self.link.stop()
            wait_until(lambda: not exists(NEAR), 10, "the old link is gone")
        self.link = Process("far-link", ["/usr/bin/python3", os.path.abspath(__file__),
                                         self.namespace, source, str(bytes_per_s),
                                         str(queue_bytes)],
                            os.path.join(self.net.logs, "far-link.log"))
        wait_until(lambda: exists(NEAR) and FAR in ip("-n", self.namespace, "link"), 10,
                   "the narrow link's ends")
        ip("address", "add", f"{GATEWAY}/24", "dev", NEAR)
        ip("link", "set", NEAR, "up")
        ip("-n", self.namespace, "address", "add", f"{ADDRESS}/24", "dev", FAR)
        ip("-n", self.namespace, "link", "set", FAR, "up")
        ip("-n", self.namespace, "route", "add", "default", "via", GATEWAY)

    def listens(self):
        try:
            socket.create_connection((ADDRESS, OR_PORT), timeout=2).close()
            return True
        except OSError:
            return False

    def stop(self):
        for process in (self.process, self.link):
            if process:
                process.stop()
        ip("netns", "delete", self.namespace)


def exists(interface):
    return interface in (name for _, name in socket.if_nameindex())


# ---- the program

def tun(name):
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TUN | IFF_NO_PI))
    return device


class NarrowWay:
    """One direction: writes what comes from `source` to `device` at a rate, the rest at once."""

    def __init__(self, device, source, bytes_per_s, queue_bytes):
        self.device, self.source = device, socket.inet_aton(source)
        self.rate, self.room = bytes_per_s, queue_bytes
        self.queue, self.next = collections.deque(), 0.0

    def take(self, packet):
        if packet[12:16] != self.source:
            send(self.device, packet)
        elif len(packet) <= self.room:
            self.room -= len(packet)
            self.queue.append(packet)

    def advance(self):
        """Writes what is due. Returns how long to wait for the next, or None."""
        while self.queue:
            now = time.monotonic()
            if now < self.next:
                return self.next - now
            packet = self.queue.popleft()
            self.room += len(packet)
            # What was slept too long is made up for, but no more than two packets of it.
            self.next = max(self.next, now - 2 * len(packet) / self.rate) + len(packet) / self.rate
            send(self.device, packet)
        return None


def send(device, packet):
    try:
        os.write(device, packet)
    except OSError:
        pass  # a full queue, or an interface that is not up yet: lost, as on any link


def receive(device):
    try:
        return os.read(device, PACKET_MAX)
    except OSError:
        return None


def main():
    namespace, source, rate, queue = sys.argv[1:]
    near = tun(NEAR)
    with open(f"/run/netns/{namespace}") as inside:
        _enter(inside)
    far = tun(FAR)
    way = NarrowWay(far, source, float(rate), int(queue))
    poll = select.poll()
    poll.register(near, select.POLLIN)
    poll.register(far, select.POLLIN)
    while True:
        wait = way.advance()
        poll.poll(None if wait is None else max(1, wait * 1000))
        while packet := receive(near):
            way.take(packet)
        while packet := receive(far):
            send(near, packet)


if __name__ == "__main__":
    main()
