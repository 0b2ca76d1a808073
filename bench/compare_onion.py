#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""An onion service and its visitor: both C tor, or both ramson, in turn in one private network.

    program ──SOCKS──► visitor ──► 3 relays ──► 3 relays ──► host ──► HTTP server

Each turn starts both anew, with nothing of before: a descriptor of the service's last turn would lead its
visitor to introduction points that are no more. Measured are the seconds from the
start until the service has been reached; the milliseconds to the first byte of a further stream;
megabytes per second of one stream down and up and of several at once, with the CPU time for each GB
of the host and of the visitor; and how the host answers introductions: so many at once, each a circuit
to the rendezvous point and RENDEZVOUS1, how many a second that makes, and how much CPU time each took.

The host and the visitor have a CPU to themselves; the relays, the HTTP server, the programs, and
ramson's control threads if there are CPUs for them, share the others. Both kinds are behind veth pairs
that carry frames of a wire's size.
"""

import argparse
import functools
import os
import shutil
import statistics
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "tests", "network"))

import httpd
import socks
from compare_client import WireTorClient, look, median
from cpu_time import prefer, used
from introductions import Burst, Service
from link import Target
from measurement import machine, run
from onion_pair import RamsonHost, RamsonVisitor, TorHost, TorVisitor, private_directory, wait_reachable
from origin import OriginNetwork
from process import Failure, all_at_once, wait_until
from ring_port import RingPort
from tornet import HTTP_PORT, LOCAL, SOCKS_PORT, tor

SERVICE, FIRST_BYTES = "bench", 10
REACHED_S, STARTS_MAX = 60, 3


class WireTorHost(TorHost, WireTorClient):
    """tor with an onion service."""


class WireTorVisitor(TorVisitor, WireTorClient):
    """tor as its visitor, who is reached where another namespace's ports are not."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.socks_port = self.unix


class RingHost(RingPort, RamsonHost):
    """ramson with an onion service."""


class RingVisitor(RingPort, RamsonVisitor):
    """ramson as its visitor."""


KINDS = {"tor": (WireTorHost, WireTorVisitor), "ramson": (RingHost, RingVisitor)}
TAP_KINDS = {**KINDS, "ramson": (RamsonHost, RamsonVisitor)}


def cpu_seconds(before, after):
    return sum(row[1] for row in used(before[0], after[0]))


class NetClient:
    """The network's own tor client, as somebody else who visits."""

    name, socks_port = "client", (LOCAL, SOCKS_PORT)


# ---- throughput

def transfer(pair, megabytes, work):
    """Megabytes per second while `work` moves so many, and what each end took of its CPU."""
    before, start = [look(end) for end in pair], time.monotonic()
    work()
    took = time.monotonic() - start
    host, visitor = (cpu_seconds(b, look(end)) / megabytes * 1000 for b, end in zip(before, pair))
    return {"megabytes_per_s": megabytes / took, "host_cpu_s_per_gb": host,
            "visitor_cpu_s_per_gb": visitor}


def first_byte(visitor, address):
    start = time.monotonic()
    with socks.connect(visitor.unix, address, HTTP_PORT, early=b"GET /bytes/1 HTTP/1.0\r\n\r\n") as s:
        s.recv(1)
    return time.monotonic() - start


def throughput(pair, address, options):
    port, total = pair[1].unix, options.megabytes
    down = functools.partial(socks.download, port, address, total * 1_000_000)
    each = functools.partial(socks.download, port, address, total * 1_000_000 // options.streams)
    data = httpd.content(total * 1_000_000)
    socks.download(port, address, max(1, total // 10) * 1_000_000)  # the window is learned
    return {"first_byte_ms": statistics.median(first_byte(pair[1], address)
                                               for _ in range(FIRST_BYTES)) * 1e3,
            "down": transfer(pair, total, down),
            "up": transfer(pair, total, lambda: socks.upload(port, address, data)),
            "several": transfer(pair, total, lambda: all_at_once([each] * options.streams))}


# ---- introductions

def descriptor(net, address):
    """What a directory has of the service, by way of the network's own client."""
    wait_reachable(NetClient, address)
    return Service(address, net.control.control.get_info(f"hs/client/desc/id/{address[:56]}"))


def relays_of(net):
    targets = (Target.of(net.descriptor_text(e.fingerprint)) for e in net.consensus().values())
    return {t.identity: t for t in targets}


def introductions(net, host, address, options):
    service, relays = descriptor(net, address), relays_of(net)
    points = {p.identity for p in service.points}
    free = [t for identity, t in relays.items() if identity not in points]
    if len(free) < 2:
        raise Failure("every relay is an introduction point")
    burst = Burst(service, options.introductions, free[0], free[1], relays)
    try:
        before = look(host)
        answered, took = burst.go()
        seconds = cpu_seconds(before, look(host))
    finally:
        burst.close()
    if answered == 0:
        raise Failure("no introduction was answered")
    return {"sent": options.introductions, "answered": answered, "per_s": answered / took,
            "cpu_ms_each": seconds / answered * 1e3}


# ---- turns

def begin(pair, options):
    """Starts both with empty directories. Seconds until the service has been reached."""
    start = time.monotonic()
    shutil.rmtree(pair[0].services[SERVICE])
    pair[0].make_service(SERVICE, directory=pair[0].services[SERVICE])
    for end in pair:
        shutil.rmtree(end.directory, ignore_errors=True)
        private_directory(end.directory, "data")
        private_directory(end.directory, "client-keys")
        os.chmod(end.directory, 0o700)
        end.start()
        prefer(end.process.pid, {options.cpu} if isinstance(end, TorHost | TorVisitor) else None)
    wait_until(functools.partial(os.path.exists, pair[1].unix), 30, "the visitor's SOCKS port")
    wait_reachable(pair[1], pair[0].host(SERVICE), REACHED_S)
    return time.monotonic() - start


def measure(net, pair, options, say):
    host = pair[0]
    try:
        for left in range(STARTS_MAX - 1, -1, -1):
            try:
                took = begin(pair, options)
                break
            except Failure as failure:  # tor gives guards up that answer late on a busy machine
                say(f"{failure}; {left} more tries")
                if not left:
                    raise
                for end in pair:
                    end.stop()
        address = host.host(SERVICE)
        return {"reached_s": took, **throughput(pair, address, options),
                "introductions": introductions(net, host, address, options)}
    finally:
        for end in pair:
            end.stop()


def make_pairs(net, options):
    pairs = {}
    for name, kinds in (KINDS if options.device == "af_packet" else TAP_KINDS).items():
        made = pairs[name] = []
        for kind in kinds:
            end = net.add_client(start=False, kind=kind, level="notice", poll="adaptive")
            end.neighbours_cpus = options.others
            if name == "ramson":
                end.config["dataplane"].update(workers=[options.cpu], control=options.cpu)
            else:
                end.cpus = {options.cpu}
                end.namespace = f"{net.namespace.name}-far{end.gateway.split('.')[2]}"
            made.append(end)
        pairs[name][0].add(SERVICE, directory=os.path.join(net.directory, f"service-{name}"))
    return pairs


def compare(options, say):
    net = OriginNetwork(release=options.ramson, build="release", prefix="ramson-compare", exits=6, say=say,
                        subject=False)
    rounds = {"tor": [], "ramson": []}
    try:
        net.up()
        pairs = make_pairs(net, options)
        for number in range(options.rounds):
            for name in sorted(pairs, reverse=number % 2 == 0):
                say(f"round {number + 1} of {options.rounds}: {name}")
                rounds[name].append(measure(net, pairs[name], options, say))
                r = rounds[name][-1]
                say(f"    reached after {r['reached_s']:.1f} s; {r['down']['megabytes_per_s']:.1f} MB/s down, "
                    f"{r['up']['megabytes_per_s']:.1f} up; {r['introductions']['answered']} introductions "
                    f"answered, {r['introductions']['per_s']:.0f} a second")
    except BaseException:
        net.failed = True
        for name in ("host", "visitor", "torclient"):
            say(net.tails(name))
        say(f"logs are in {net.logs}")
        raise
    finally:
        net.down()
    return {"benchmark": "compare-onion", "machine": machine(options),
            "tor_version": tor("--version").splitlines()[0].rstrip("."),
            "options": {k: getattr(options, k) for k in ("megabytes", "streams", "introductions", "rounds",
                                                         "device", "cpu")},
            "median": {name: median(some) for name, some in rounds.items()}, "rounds": rounds}


ROWS = (("reached, from the start", "s", lambda m: m["reached_s"], False),
        ("first byte of a further stream", "ms", lambda m: m["first_byte_ms"], False),
        *((f"{title}", "MB/s", lambda m, k=key: m[k]["megabytes_per_s"], True) if field is None else
          (f"  {title}", "s/GB", lambda m, k=key, f=field: m[k][f], False)
          for key, what in (("down", "one stream, down"), ("up", "one stream, up"),
                            ("several", "several streams"))
          for field, title in ((None, what), ("host_cpu_s_per_gb", "the host's CPU"),
                               ("visitor_cpu_s_per_gb", "the visitor's CPU"))),
        ("introductions answered", "1/s", lambda m: m["introductions"]["per_s"], True),
        ("  the host's CPU for each", "ms", lambda m: m["introductions"]["cpu_ms_each"], False))


def table(result):
    medians = result["median"]
    lines = [f"{'medians of ' + str(result['options']['rounds']) + ' rounds':<38}"
             f"{'C tor':>10}{'ramson':>10}{'better by':>11}"]
    for name, unit, field, more_is_better in ROWS:
        theirs, ours = field(medians["tor"]), field(medians["ramson"])
        ratio = ours / theirs if more_is_better else theirs / ours
        lines.append(f"{name + ', ' + unit:<38}{theirs:>10.2f}{ours:>10.2f}{ratio:>10.2f}x")
    return "\n".join(lines)


def parse():
    parser = argparse.ArgumentParser(prog="compare-onion.sh", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=50, help="in each transfer (50)")
    parser.add_argument("--streams", type=int, default=8, help="several streams are so many (8)")
    parser.add_argument("--introductions", type=int, default=200, help="at once (200)")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each kind (3)")
    parser.add_argument("--device", choices=("af_packet", "tap"), default="af_packet",
                        help="ramson's ports (af_packet)")
    count = os.cpu_count()
    parser.add_argument("--cpu", type=int, default=count - 1,
                        help=f"the host's and the visitor's own ({count - 1})")
    parser.add_argument("--json", action="store_true",
                        help="print one JSON object instead of a table")
    for hidden in ("--ramson", "--bench"):
        parser.add_argument(hidden, help=argparse.SUPPRESS)
    options = parser.parse_args()
    cpus = os.sched_getaffinity(0)
    options.others = cpus - {options.cpu}
    if options.cpu not in cpus or not options.others:
        parser.error(f"there must be a CPU {options.cpu} for both ends and another for the rest")
    if min(options.megabytes, options.rounds, options.introductions) < 1 or not 1 <= options.streams <= 64:
        parser.error("that many make no sense")
    return options


def main():
    options = parse()
    os.sched_setaffinity(0, options.others)  # and so does everything that is started from here
    run(compare, options, table)


if __name__ == "__main__":
    main()
