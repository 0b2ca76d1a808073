#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The demonstration behind ./demo.sh: a private Tor network with ramson as guard and as middle, and an
onion service on ramson that is met through it."""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import demo_onion
import httpd
from network import Network
from process import Failure
from ramson import OR_PORT

LENGTH = 100_000_000
STATE = "/run/ramson-demo.json"
PREFIX = "ramson-demo"

SUMMARY = (
    ("links", ("links_accepted", "links_made", "links_open")),
    ("circuits", ("circuits_created", "circuits_extended", "circuits_open")),
    ("handshakes", ("handshakes_fast", "handshakes_ntor", "handshakes_ntor_v3")),
    ("cells in and out", ("cells_in", "cells_out")),
    ("cells passed on", ("cells_forward", "cells_backward")),
    ("cells of its own", ("cells_recognised", "cells_originated", "cells_padding")),
    ("TLS records", ("tls_records_in", "tls_records_out")),
    ("bytes", ("rx_bytes", "tx_bytes")),
    ("packets", ("rx_packets", "tx_packets", "tcp_retransmits")),
)


class Progress:
    """One line on a terminal that says what goes on; a line for each step elsewhere."""

    def __init__(self):
        self.start, self.terminal, self.last = time.monotonic(), sys.stdout.isatty(), 0

    def seconds(self):
        return f"[{time.monotonic() - self.start:4.0f} s] "

    def now(self, text):
        """What goes on at this moment; the next text takes its place on a terminal."""
        if self.terminal:
            print("\r\033[K" + self.seconds() + text, end="", flush=True)
        else:
            print(self.seconds() + text, flush=True)

    def often(self, text):
        """As `now`, for what changes all the time."""
        pause = 0.2 if self.terminal else 5
        if time.monotonic() - self.last > pause:
            self.last = time.monotonic()
            self.now(text)

    def done(self, text):
        print(("\r\033[K" if self.terminal else "") + self.seconds() + text, flush=True)


def bar(share, width=30):
    full = int(share * width)
    return "█" * full + "░" * (width - full)


def download(net, progress, role, path):
    """100 MB over a circuit with these relays, with its speed and its SHA-256."""
    names = " → ".join(["client", *path, "HTTP server"])
    progress.now(f"ramson as {role}: building {names}")
    circuit = net.circuit(*path)
    start = time.monotonic()

    def show(total):
        speed = total / (time.monotonic() - start) / 1e6
        progress.often(f"ramson as {role} {bar(total / LENGTH)} {total / 1e6:3.0f} of "
                       f"{LENGTH / 1e6:.0f} MB, {speed:.1f} MB/s")
    got = net.control.download(circuit, LENGTH, show)
    took = time.monotonic() - start
    if got != httpd.digest(LENGTH):
        raise Failure(f"SHA-256 of what arrived is {got}, and not {httpd.digest(LENGTH)}")
    progress.done(f"ramson as {role}: {names}\n         100 MB in {took:.1f} s, "
                  f"{LENGTH / took / 1e6:.1f} MB/s, SHA-256 is right: {got[:16]}…")
    net.control.close_circuit(circuit)


def summarize(relay):
    counted = relay.counters()
    if not counted:
        return
    print(f"\nWhat {relay.name} counted:")
    for title, names in SUMMARY:
        values = (f"{name} {counted.get(name, 0):,}" for name in names)
        print(f"  {title:<17} {'   '.join(values)}")
    drops = {n: v for n, v in counted.items() if n.startswith("drop_") and v}
    print(f"  {'drops':<17} " + ("   ".join(f"{n[5:]} {v:,}" for n, v in sorted(drops.items()))
                                 or "none"))


def start_time(pid):
    """Tells a process from a later one with the same number."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[19]
    except OSError:
        return None


def keep(net, visitor):
    """Leaves the network up for use by hand; `visitor` as of demo_onion.show."""
    processes = [p.pid for p in net.processes() + [r.process for r in net.ramsons]]
    with open(STATE, "w") as file:
        json.dump({"namespace": net.namespace.name, "directory": net.directory,
                   "processes": [(pid, start_time(pid)) for pid in processes]}, file)
    # From here on the client chooses its circuits itself, with ramson as its guard.
    net.control.control.set_conf("EntryNodes", net.fingerprint(net.ramsons[0].name))
    net.control.close()
    inside = f"sudo ip netns exec {net.namespace.name}"
    relay = net.ramsons[0]
    print(f"""
The network is up. Its client has SOCKS at 127.0.0.1:9050, and ramson as its guard:

  {inside} curl --socks5-hostname 127.0.0.1:9050 http://10.90.0.200/bytes/1000000 | sha256sum
  {inside} torsocks curl http://10.90.0.200/bytes/1000000 | sha256sum
{demo_onion.by_hand(inside, visitor) if visitor else ""}
ramson listens at {relay.address}:{OR_PORT}; logs are in {net.logs}.
Its counters go to {relay.log} with: sudo kill -USR1 {relay.process.pid}

Take it down with: sudo ./demo.sh --down""")


def take_down():
    """Ends what an earlier --keep has left up. False when there is nothing."""
    try:
        with open(STATE) as file:
            state = json.load(file)
    except FileNotFoundError:
        return False
    ours = [pid for pid, start in state["processes"] if start and start_time(pid) == start]
    for pid in ours:
        os.kill(pid, signal.SIGTERM)
    end = time.monotonic() + 6
    while any(alive(pid) for pid in ours) and time.monotonic() < end:
        time.sleep(0.1)
    for pid in filter(alive, ours):
        os.kill(pid, signal.SIGKILL)
    # A reboot may have taken it down already.
    subprocess.run(["ip", "netns", "delete", state["namespace"]], capture_output=True)
    shutil.rmtree(state["directory"], ignore_errors=True)
    os.remove(STATE)
    return True


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def show(net, progress, report):
    relay = net.ramsons[0]
    entry = net.wait_listed([relay.name])[0]
    progress.done(f"the consensus of {len(net.authorities)} authorities lists {relay.name} "
                  f"({relay.address}): {' '.join(entry.flags)}")
    download(net, progress, "guard", (relay.name, "exit0", "exit1"))
    download(net, progress, "middle", ("exit0", relay.name, "exit1"))
    summarize(relay)
    print()
    return None if net.stand_in else demo_onion.show(net, progress, report)


def main():
    parser = argparse.ArgumentParser(prog="demo.sh", description=__doc__)
    parser.add_argument("--ramson", help=argparse.SUPPRESS)
    parser.add_argument("--stand-in", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--keep", action="store_true", help="leave the network up")
    parser.add_argument("--report", metavar="DIR",
                        help="leave a page there that draws the onion service's circuits")
    parser.add_argument("--down", action="store_true", help="take down what --keep has left up")
    arguments = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _frame: sys.exit(128 + number))
    if arguments.down:
        print("taken down" if take_down() else "nothing was up")
        return 0
    if take_down():
        print("an earlier network was still up: taken down")
    progress = Progress()
    net = Network(release=arguments.ramson, ramsons=1, exits=5, build="release", prefix=PREFIX,
                  stand_in=arguments.stand_in, outlives=arguments.keep, say=progress.now)
    try:
        net.up()
        visitor = show(net, progress, arguments.report)
        if arguments.keep:
            keep(net, visitor)
        return 0
    except KeyboardInterrupt:
        progress.done("interrupted")
        return 130
    except Exception as error:
        net.failed = True
        progress.done(f"failed: {error}")
        print(net.tails())
        print(f"logs are in {net.logs}")
        return 1
    finally:
        if not os.path.exists(STATE):
            net.down()
            print("everything is taken down")


if __name__ == "__main__":
    sys.exit(main())
