#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""CPU seconds per GB of Debian's tor and of ramson, in turn as the middle relay of one network.

    client ──► exit0 (guard) ──► tor or ramson (middle) ──► exit1 ──► HTTP server

All but the middle are tor processes of a private network in a namespace of its own. The middle has
a CPU to itself; everything else shares the others. What counts is CPU time: of tor the whole
process; of ramson the busy cycles of its polling worker, and the rest of the process.
"""

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "tests", "network"))

import httpd
from cpu_time import kernel_share, prefer, threads, used, waited
from measurement import machine, run
from network import Network
from process import Failure, all_at_once, wait_until
from ramson import Ramson
from ring_port import RingRamson
from tornet import LISTEN, OR_PORT, TorNode, tor

WARM_UP_BYTES = 4_000_000
DISTURBED = 0.05  # share of its time in which the middle waited for its CPU
MIDDLE = "ExitPolicy reject *:*\nExitRelay 0\n"
STAGES = ("rx", "tcp_in", "tls_open", "cells", "tls_seal", "tx")
STAGE_NAMES = {"rx": "driver's receive burst, ethernet, IP", "tcp_in": "TCP in, events",
               "tls_open": "open records", "cells": "cells",
               "tls_seal": "schedule, seal, TCP out", "tx": "driver's transmit burst"}


# ---- the two relays

class TorMiddle:
    """C tor on the middle's CPU, with all of its threads."""

    kind = "tor"

    def __init__(self, net, options):
        self.net, self.cpu = net, options.cpu
        self.node = TorNode(net, "tormiddle", "10.90.0.31", LISTEN + MIDDLE)
        self.name = self.node.name
        net.namespace.add_address(self.node.address)

    def start(self):
        self.net.start_node(self.node)
        prefer(self.node.process.pid, {self.cpu})
        wait_until(lambda: listens(self.node), 30, "tor listens")
        prefer(self.node.process.pid, {self.cpu})  # the threads that it has started since

    def stop(self):
        if self.node.process:
            self.node.process.stop()

    def look(self):
        return threads(self.node.process.pid)

    def cost(self, before, after, gigabytes):
        rows = used(before, after)
        seconds = sum(r[1] for r in rows)
        return {"seconds_per_gb": seconds / gigabytes,
                "kernel_seconds_per_gb": seconds * kernel_share(rows) / gigabytes,
                "waited_share": waited(rows)}


class RamsonMiddle:
    """ramson with its worker on the middle's CPU, and its control thread on another."""

    kind = "ramson"

    def __init__(self, net, options):
        self.hz = machine(options)["tsc_hz"]
        kind = RingRamson if options.device == "af_packet" else Ramson
        self.relay = kind(net, 0, options.ramson, poll=options.poll, mtu=options.mtu,
                            hugepages=options.hugepages, level="notice")
        self.relay.neighbours_cpus = options.others
        self.relay.config["dataplane"].update(workers=[options.cpu], control=min(options.others))
        self.name = self.relay.name
        net.ramsons.append(self.relay)

    def start(self):
        self.relay.start()
        prefer(self.relay.process.pid)

    def stop(self):
        self.relay.stop()

    def look(self):
        return self.relay.counters(), threads(self.relay.process.pid)

    def cost(self, before, after, gigabytes):
        rows = used(before[1], after[1])
        workers = [r for r in rows if "worker" in r[0]]
        control = [r for r in rows if r[0].startswith("ramson")]
        rest = [r for r in rows if r not in workers and r not in control]
        # Cycles go on while others have the worker's CPU.
        share = 1 - waited(workers)

        def seconds(counter):
            cycles = after[0].get(counter, 0) - before[0].get(counter, 0)
            return cycles / self.hz * share / gigabytes

        stages = {stage: seconds(f"cycles_{stage}") for stage in STAGES}
        busy = seconds("cycles_busy")
        control_s, rest_s = (sum(r[1] for r in some) / gigabytes for some in (control, rest))
        cells = after[0]["cells_out"] - before[0]["cells_out"]
        return {"seconds_per_gb": busy + control_s + rest_s,
                "worker_busy_seconds_per_gb": busy,
                "driver_seconds_per_gb": stages["rx"] + stages["tx"],
                "without_driver_seconds_per_gb":
                    busy - stages["rx"] - stages["tx"] + control_s + rest_s,
                "control_seconds_per_gb": control_s,
                "other_threads_seconds_per_gb": rest_s,
                "worker_thread_seconds_per_gb": sum(r[1] for r in workers) / gigabytes,
                "worker_thread_kernel_seconds_per_gb":
                    sum(r[1] for r in workers) * kernel_share(workers) / gigabytes,
                "stages_seconds_per_gb": stages,
                "cells": cells,
                "cells_per_record_out":
                    cells / max(1, after[0]["tls_records_out"] - before[0]["tls_records_out"]),
                "waited_share": waited(workers)}


def listens(node):
    try:
        socket.create_connection((node.address, OR_PORT), timeout=2).close()
        return True
    except OSError:
        return False


# ---- measuring

def circuits(net, middle, count):
    """Relays remember for a while whom they could not reach."""
    def built():
        try:
            return [net.circuit("exit0", middle.name, "exit1") for _ in range(count)]
        except Failure:
            return None
    return wait_until(built, 90, f"circuits through {middle.name}", 1)


def transfer(net, open_circuits, total):
    """Fetches `total` bytes over all the circuits at once, and checks them."""
    each = total // len(open_circuits)

    def one(circuit):
        if net.control.download(circuit, each) != httpd.digest(each):
            raise Failure("the bytes that arrived are not those that were sent")
    all_at_once([lambda c=c: one(c) for c in open_circuits])
    return each * len(open_circuits)


def measure(net, middle, options):
    """One turn of one relay: from its start to its end."""
    middle.start()
    try:
        open_circuits = circuits(net, middle, options.circuits)
        transfer(net, open_circuits, WARM_UP_BYTES)
        before, start = middle.look(), time.monotonic()
        moved = transfer(net, open_circuits, options.megabytes * 1_000_000)
        took, after = time.monotonic() - start, middle.look()
        for circuit in open_circuits:
            net.control.close_circuit(circuit)
    finally:
        middle.stop()
    cost = middle.cost(before, after, moved / 1e9)
    return {"relay": middle.kind, "bytes": moved, "seconds": took, **cost}


def introduce(net, middles, say):
    """Lets the consensus and the client know both; they keep their keys over restarts."""
    for middle in middles:
        middle.start()
    try:
        say("waiting until the consensus lists both middles")
        entries = net.wait_listed([m.name for m in middles])
        net.control.wait_knows([e.fingerprint for e in entries])
        for middle in middles:
            net.fingerprint(middle.name)
    finally:
        for middle in middles:
            middle.stop()


def summary(rounds):
    """Medians over the rounds that nobody disturbed (over all, if there are none), by field."""
    def median(values):
        if isinstance(values[0], dict):
            return {k: median([v[k] for v in values]) for k in values[0]}
        return values[0] if isinstance(values[0], str) else statistics.median(values)
    quiet = [r for r in rounds if r["waited_share"] <= DISTURBED]
    result = median(quiet or rounds)
    result["least_seconds_per_gb"] = min(r["seconds_per_gb"] for r in quiet or rounds)
    result["disturbed_rounds"] = len(rounds) - len(quiet)
    return result


def compare(options, say):
    rounds = {"tor": [], "ramson": []}
    described = machine(options)
    net = Network(release=options.ramson, ramsons=0, build="release", prefix="ramson-compare",
                  say=say)
    try:
        net.up()
        net.control.control.set_conf("__DisablePredictedCircuits", "1")
        middles = [TorMiddle(net, options), RamsonMiddle(net, options)]
        introduce(net, middles, say)
        for number in range(options.rounds):
            for middle in middles if number % 2 == 0 else reversed(middles):
                say(f"round {number + 1} of {options.rounds}: {options.megabytes} MB through "
                    f"{middle.kind}")
                result = measure(net, middle, options)
                rounds[middle.kind].append(result)
                say(f"    {result['seconds']:.1f} s, {result['bytes'] / result['seconds'] / 1e6:.1f}"
                    f" MB/s, {result['seconds_per_gb']:.2f} s of CPU per GB")
    except BaseException:
        net.failed = True
        say(net.tails("ramson"))
        say(f"logs are in {net.logs}")
        raise
    finally:
        net.down()
    both = {kind: summary(some) for kind, some in rounds.items()}
    tor_cost, ramson_cost = both["tor"]["seconds_per_gb"], both["ramson"]["seconds_per_gb"]
    return {"benchmark": "compare-tor", "machine": described,
            "tor_version": tor("--version").splitlines()[0].rstrip("."),
            "options": {"megabytes": options.megabytes, "rounds": options.rounds,
                        "circuits": options.circuits, "device": options.device,
                        "mtu": options.mtu, "poll": options.poll,
                        "hugepages": options.hugepages, "cpu": options.cpu},
            **both,
            "ratio": tor_cost / ramson_cost,
            "ratio_without_driver": tor_cost / both["ramson"]["without_driver_seconds_per_gb"],
            "rounds": rounds}


# ---- telling

DRIVERS = {
    "af_packet": ("The port is AF_PACKET's rings on one end of a veth pair: the kernel copies each "
                  "frame in a system\ncall, one for a burst. A NIC's driver has no such call."),
    "tap": ("The port is a tap device: a system call for each packet, in which the kernel also "
            "does a part of\nthe neighbours' TCP, and a signal for each that comes, which the "
            "control thread takes. A NIC's\ndriver has none of that."),
}


def table(result):
    t, r, o = result["tor"], result["ramson"], result["options"]
    lines = [f"{result['tor_version']} and ramson as the middle relay of the same network",
             f"{o['rounds']} × {o['megabytes']} MB over {o['circuits']} circuits, in turns; the "
             f"middle on CPU {o['cpu']} of {result['machine']['cpus']}, the rest on the others",
             f"CPU {result['machine']['cpu']}; ramson: device {o['device']}, MTU {o['mtu']}, poll "
             f"{o['poll']}", "",
             f"{'CPU seconds per GB':<44} {'median':>8} {'least':>8}"]

    def row(name, value, least=None):
        lines.append(f"{name:<44} {value:8.2f}" + (f" {least:8.2f}" if least else ""))
    row("C tor, its whole process", t["seconds_per_gb"], t["least_seconds_per_gb"])
    row("  of it in the kernel", t["kernel_seconds_per_gb"])
    row("ramson, all of it", r["seconds_per_gb"], r["least_seconds_per_gb"])
    row("  worker, busy", r["worker_busy_seconds_per_gb"])
    for stage in STAGES:
        row(f"    {STAGE_NAMES[stage]}", r["stages_seconds_per_gb"][stage])
    row("  control thread", r["control_seconds_per_gb"])
    row("  other threads", r["other_threads_seconds_per_gb"])
    row("ramson without the driver's two bursts", r["without_driver_seconds_per_gb"])
    lines += ["", f"C tor needs {result['ratio']:.1f} times ramson's CPU per GB, and "
              f"{result['ratio_without_driver']:.1f} times what ramson needs without the driver's "
              "bursts.",
              "", DRIVERS[o["device"]],
              f"The worker's thread took {r['worker_thread_seconds_per_gb']:.2f} s per GB in all, "
              f"{r['worker_thread_kernel_seconds_per_gb']:.2f} of them in the kernel: what is not "
              "busy is polling\nor sleeping. "
              f"{r['cells_per_record_out']:.1f} cells a record; others had the middle's CPU for "
              f"{t['waited_share']:.1%} (tor) and {r['waited_share']:.1%} (ramson) of its time."]
    for kind in ("tor", "ramson"):
        if result[kind]["disturbed_rounds"]:
            lines.append(f"{result[kind]['disturbed_rounds']} of {o['rounds']} rounds of {kind} "
                         f"were disturbed: others had its CPU for more than {DISTURBED:.0%}.")
    return "\n".join(lines)


def parse():
    parser = argparse.ArgumentParser(prog="compare-tor.sh", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    count = os.cpu_count()
    parser.add_argument("--megabytes", type=int, default=200, help="in each turn (200)")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each relay (3)")
    parser.add_argument("--circuits", type=int, default=4, help="that the bytes go over (4)")
    parser.add_argument("--cpu", type=int, default=count - 1,
                        help=f"the middle's own ({count - 1})")
    parser.add_argument("--mtu", type=int, default=1500, help="of ramson's port (1500)")
    parser.add_argument("--device", choices=("af_packet", "tap"), default="af_packet",
                        help="ramson's port: a veth pair's end by AF_PACKET's rings, or a tap "
                             "(af_packet)")
    parser.add_argument("--poll", choices=("busy", "adaptive"), default="busy",
                        help="how ramson's worker waits (busy)")
    parser.add_argument("--hugepages", action="store_true", help="ramson uses the system's")
    parser.add_argument("--json", action="store_true",
                        help="print one JSON object instead of a table")
    parser.add_argument("--report", metavar="DIR", help="write an HTML page with charts there")
    for hidden in ("--ramson", "--bench", "--directory"):
        parser.add_argument(hidden, help=argparse.SUPPRESS)
    options = parser.parse_args()
    cpus = os.sched_getaffinity(0)
    options.others = cpus - {options.cpu}
    if options.cpu not in cpus or not options.others:
        parser.error(f"there must be a CPU {options.cpu} for the middle and another for the rest")
    if options.device == "af_packet" and options.mtu > 1500:
        parser.error("AF_PACKET's driver has an MTU of at most 1500: --device tap")
    if options.megabytes < 1 or options.rounds < 1 or not 1 <= options.circuits <= 64:
        parser.error("that many make no sense")
    return options


def main():
    options = parse()
    os.sched_setaffinity(0, options.others)  # and so does everything that is started from here
    result = run(compare, options, table)
    if options.report:
        folder = os.path.join(options.directory or "", options.report)
        subprocess.run([options.bench, "page", "--report", folder], input=json.dumps(result),
                       text=True, check=True)


if __name__ == "__main__":
    main()
