#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""C tor's client and ramson's, in turn in one private network of tor relays.

    curl-like program ──SOCKS──► tor or ramson ──► tor ──► tor ──► tor (exit) ──► HTTP server

Each turn starts with an empty data directory. Measured are the seconds from the start of the process
until it says that it has bootstrapped, and until the first byte of an answer has come through it; then
the milliseconds to the first byte of further streams; then megabytes per second of one stream and of
several at once, with the CPU time for each GB: of tor the whole process; of ramson the busy cycles of
its worker (all of its CPU time when it may sleep: --poll adaptive), and the rest of the process. The
client has a CPU to itself; everything else, and ramson's control thread, shares the others. Both
clients are behind a veth pair that carries frames of a wire's size; applications reach them by a Unix
socket. The relays acknowledge at once what they send each other, as links with others' traffic do;
--delayed-acks leaves that to the kernel.
"""

import argparse
import collections
import functools
import os
import shutil
import statistics
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "tests", "network"))

import socks
from cpu_time import prefer, threads, used, waited
from measurement import machine, run
from origin import NAME, OriginClient, OriginNetwork, TorClient
from netns import ip
from process import Process, all_at_once, wait_until
from ring_port import RingPort, acknowledge_at_once, as_a_nic_would, own_receiver
from tornet import HTTP_PORT, tor

ONE, FIRST_BYTES = 1, 20
PORT_POLL_S = 0.005


class RingClient(RingPort, OriginClient):
    """ramson as a client."""


class WireTorClient(TorClient):
    """tor as a client behind the same kind of port as ramson: a veth pair that carries frames of the
    MTU's size, its end in a namespace of its own. What the kernel does there to receive is done by
    a thread of that port's, and counts as tor's."""

    neighbours_cpus = os.sched_getaffinity(0)

    def __init__(self, net, index, *arguments, **options):
        super().__init__(net, index, *arguments, **options)
        self.gateway, self.address = f"10.91.{index}.1", f"10.91.{index}.2"
        self.interface, self.cpus = f"tcl{index}", None
        self.text = self.text.replace(f"10.92.{index}.3", self.address)
        self.namespace = net.namespace.name + "-far"

    def start(self):
        near = f"{self.interface}k"
        ip("netns", "add", self.namespace)
        ip("link", "add", near, "type", "veth", "peer", "name", self.interface)
        for end in (near, self.interface):
            as_a_nic_would(end, gro=True)
            ip("link", "set", end, "up")
        ip("link", "set", self.interface, "netns", self.namespace)
        for command in (("link", "set", "lo", "up"), ("link", "set", self.interface, "up"),
                        ("address", "add", f"{self.address}/24", "dev", self.interface),
                        ("route", "add", "default", "via", self.gateway)):
            ip("-n", self.namespace, *command)
        ip("address", "add", f"{self.gateway}/24", "dev", near)
        own_receiver(self.net.namespace.name, near, self.neighbours_cpus)
        self.write([a.line() for a in self.net.authorities])
        self.process = Process(self.name, ["ip", "netns", "exec", self.namespace, "tor", "--quiet",
                                           "--defaults-torrc", "/dev/null", "-f", self.torrc], self.log)
        self.receiver = own_receiver(self.namespace, self.interface, self.cpus)
        return self

    def threads(self):
        return {**threads(self.process.pid), **threads(self.receiver)}

    def stop(self, *arguments):
        super().stop(*arguments)
        ip("link", "delete", f"{self.interface}k")
        ip("netns", "delete", self.namespace)


def first_byte(client):
    """Seconds until the first byte of an answer, from the opening of the SOCKS connection."""
    start = time.monotonic()
    with socks.connect(client.unix, NAME, HTTP_PORT,
                       early=b"GET /bytes/%d HTTP/1.0\r\n\r\n" % ONE) as stream:
        stream.recv(1)
    return time.monotonic() - start


def look(client):
    rows = client.threads() if isinstance(client, TorClient) else threads(client.process.pid)
    return rows, client.counters().get("cycles_busy", 0)


def cpu_seconds(before, after, hz):
    """{thread: seconds}. A worker that polls has worked for its busy cycles only, less what others
    had of its CPU meanwhile."""
    busy = (after[1] - before[1]) / hz if hz else None
    seconds = collections.Counter()
    for row in used(before[0], after[0]):
        polls = busy is not None and "worker" in row[0]
        seconds[row[0]] += busy * (1 - waited([row])) if polls else row[1]
    return seconds


def throughput(client, megabytes, streams, hz):
    each = megabytes * 1_000_000 // streams
    before, start = look(client), time.monotonic()
    all_at_once([lambda: socks.download(client.unix, NAME, each)] * streams)
    took = time.monotonic() - start
    gigabytes = each * streams / 1e9
    seconds = {name: s / gigabytes for name, s in cpu_seconds(before, look(client), hz).items()}
    return {"megabytes_per_s": gigabytes / took * 1e3, "cpu_seconds_per_gb": sum(seconds.values()),
            "threads": {name: s for name, s in seconds.items() if s > 0.1}}


def port_answers(client):
    try:
        socks.open_port(client.unix).close()
        return True
    except OSError:
        return False


def measure(net, client, options):
    """One turn of one client."""
    shutil.rmtree(client.directory, ignore_errors=True)
    os.makedirs(os.path.join(client.directory, "data"), mode=0o700)
    os.chmod(client.directory, 0o700)
    is_tor = isinstance(client, TorClient)
    hz = None if is_tor or options.poll == "adaptive" else machine(options)["tsc_hz"]
    start = time.monotonic()
    client.start()
    try:
        prefer(client.process.pid, {options.cpu} if is_tor else None)
        wait_until(functools.partial(port_answers, client), 30, "its SOCKS port", PORT_POLL_S)
        first_byte(client)
        first = time.monotonic() - start
        client.wait_bootstrapped()
        bytes_s = [first_byte(client) for _ in range(FIRST_BYTES)]
        throughput(client, max(1, options.megabytes // 10), 1, hz)  # the window is learned
        return {"first_answer_s": first,
                "first_byte_ms": statistics.median(bytes_s) * 1e3,
                "one": throughput(client, options.megabytes, 1, hz),
                "several": throughput(client, options.megabytes, options.streams, hz)}
    finally:
        client.stop()


def compare(options, say):
    net = OriginNetwork(release=options.ramson, build="release", prefix="ramson-compare", say=say,
                        subject=False)
    rounds = {"tor": [], "ramson": []}
    try:
        net.up()
        if not options.delayed_acks:
            acknowledge_at_once()
        clients = {"tor": net.add_client(start=False, kind=WireTorClient),
                   "ramson": net.add_client(start=False, level="notice", poll=options.poll,
                                            kind=OriginClient if options.device == "tap" else
                                            RingClient)}
        ramson = clients["ramson"]
        clients["tor"].cpus = {options.cpu}
        for client in clients.values():
            client.neighbours_cpus = options.others
        ramson.config["dataplane"].update(workers=[options.cpu], control=min(options.others))
        for number in range(options.rounds):
            for name in sorted(clients, reverse=number % 2 == 0):
                say(f"round {number + 1} of {options.rounds}: {name}")
                rounds[name].append(measure(net, clients[name], options))
                r = rounds[name][-1]
                say(f"    first answer after {r['first_answer_s']:.2f} s, first byte after "
                    f"{r['first_byte_ms']:.1f} ms, {r['one']['megabytes_per_s']:.1f} and "
                    f"{r['several']['megabytes_per_s']:.1f} MB/s, "
                    f"{r['one']['cpu_seconds_per_gb']:.1f} and "
                    f"{r['several']['cpu_seconds_per_gb']:.1f} s of CPU per GB")
    except BaseException:
        net.failed = True
        say(net.tails("client"))
        say(f"logs are in {net.logs}")
        raise
    finally:
        net.down()
    return {"benchmark": "compare-client", "machine": machine(options),
            "tor_version": tor("--version").splitlines()[0].rstrip("."),
            "options": {k: getattr(options, k)
                        for k in ("megabytes", "streams", "rounds", "device", "poll", "cpu",
                                  "delayed_acks")},
            "median": {name: median(some) for name, some in rounds.items()}, "rounds": rounds}


def median(rounds):
    """Of each field over the rounds."""
    first = rounds[0]
    if not isinstance(first, dict):
        return statistics.median(rounds)
    return {key: median([r[key] for r in rounds if key in r]) for key in first}


ROWS = (("first answer, from the start", "s", lambda m: m["first_answer_s"], False),
        ("first byte of a further stream", "ms", lambda m: m["first_byte_ms"], False),
        ("one stream", "MB/s", lambda m: m["one"]["megabytes_per_s"], True),
        ("  CPU", "s/GB", lambda m: m["one"]["cpu_seconds_per_gb"], False),
        ("several streams", "MB/s", lambda m: m["several"]["megabytes_per_s"], True),
        ("  CPU", "s/GB", lambda m: m["several"]["cpu_seconds_per_gb"], False))


def table(result):
    medians = result["median"]
    lines = [f"{'medians of ' + str(result['options']['rounds']) + ' rounds':<34}"
             f"{'C tor':>10}{'ramson':>10}{'better by':>11}"]
    for name, unit, field, more_is_better in ROWS:
        theirs, ours = field(medians["tor"]), field(medians["ramson"])
        ratio = ours / theirs if more_is_better else theirs / ours
        lines.append(f"{name + ', ' + unit:<34}{theirs:>10.2f}{ours:>10.2f}{ratio:>10.2f}x")
    for key in ("one", "several"):
        parts = ", ".join(f"{n} {s:.1f}" for n, s in medians["ramson"][key]["threads"].items())
        lines.append(f"ramson's threads, {key}, s/GB: {parts}")
    return "\n".join(lines)


def parse():
    parser = argparse.ArgumentParser(prog="compare-client.sh", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=100, help="in each transfer (100)")
    parser.add_argument("--streams", type=int, default=8, help="several streams are so many (8)")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each client (3)")
    parser.add_argument("--device", choices=("af_packet", "tap"), default="af_packet",
                        help="ramson's port (af_packet)")
    parser.add_argument("--poll", choices=("busy", "adaptive"), default="busy",
                        help="how ramson's worker waits (busy)")
    parser.add_argument("--delayed-acks", action="store_true",
                        help="between the relays, too, the kernel decides when")
    count = os.cpu_count()
    parser.add_argument("--cpu", type=int, default=count - 1,
                        help=f"the client's own ({count - 1})")
    parser.add_argument("--json", action="store_true",
                        help="print one JSON object instead of a table")
    for hidden in ("--ramson", "--bench"):
        parser.add_argument(hidden, help=argparse.SUPPRESS)
    options = parser.parse_args()
    cpus = os.sched_getaffinity(0)
    options.others = cpus - {options.cpu}
    if options.cpu not in cpus or not options.others:
        parser.error(f"there must be a CPU {options.cpu} for the client and another for the rest")
    if options.megabytes < 1 or options.rounds < 1 or not 1 <= options.streams <= 64:
        parser.error("that many make no sense")
    return options


def main():
    options = parse()
    os.sched_setaffinity(0, options.others)  # and so does everything that is started from here
    run(compare, options, table)


if __name__ == "__main__":
    main()
