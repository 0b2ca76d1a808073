#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""A ramson full of onion services' descriptors: whether it keeps what it should within its memory
bound, and what uploads and fetches do to the circuits that it forwards.

    load ══► entry ══► ramson, or another ramson      descriptors of 50 KB, there and back
    client ──► exit0 ──► ramson ──► exit1 ──► HTTP server      bulk, all the time

In turns nobody loads a directory, the load goes to another relay, and it goes to the one that
forwards. Everything but the forwarding worker shares the other CPUs, so the second turn says what
the load itself takes from the bulk's ends, and the third one what it does to the relay.
"""

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "tests", "network"))

import httpd
from compare_tor import circuits
from cpu_time import prefer, threads, used
from hs_descriptor import SIZE_MAX
from interactive import Echo, quantiles
from measurement import run
from network import Network
from process import Failure
from ramson import OR_PORT
from ring_port import RingRamson

BULK_CIRCUITS, BULK_CHUNK = 3, 20_000_000
INSIDE = 0.98  # of what the bound has room for; the rest is the tables'
ENTRY_BYTES = 400  # around a descriptor in memory, at most
RSS_SLACK_MB = 64
PAUSE_S = 1
TURNS = (("alone", None), ("elsewhere", "other"), ("here", "tested"))
TITLES = {"alone": "nobody loads a directory", "elsewhere": "the load goes to another relay",
          "here": "the load goes to this relay"}


class Load:
    """The process that uploads and fetches."""

    def __init__(self, net, entry, targets, options):
        self.process = subprocess.Popen(
            ["/usr/bin/python3", os.path.join(HERE, "hsdir_requests.py")], text=True, bufsize=1,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        described = {}
        for name, relay in targets.items():
            target = net.target(relay)
            described[name] = [v.hex() if isinstance(v, bytes) else v for v in target]
        self.tell(entry=(entry.address, OR_PORT), targets=described, circuits=options.circuits,
                  streams=options.streams, size=options.size)
        self.answer()

    def tell(self, **order):
        self.process.stdin.write(json.dumps(order) + "\n")

    def answer(self):
        line = self.process.stdout.readline()
        answer = json.loads(line) if line else {"failed": "the load's process has ended"}
        if "failed" in answer:
            raise Failure(answer["failed"])
        return answer

    def do(self, do, at, **order):
        self.tell(do=do, at=at, **order)
        return self.answer()

    def stop(self):
        self.process.stdin.close()
        self.process.terminate()
        self.process.wait()


class Bulk:
    """Downloads on some circuits, one after the other, each checked."""

    def __init__(self, net, open_circuits):
        self.control, self.bytes, self.ended, self.error = net.control, 0, False, None
        self.lock, self.wanted = threading.Lock(), httpd.digest(BULK_CHUNK)
        self.threads = [threading.Thread(target=self.run, args=(c,), daemon=True)
                        for c in open_circuits]
        for thread in self.threads:
            thread.start()

    def run(self, circuit):
        try:
            while not self.ended:
                known = 0

                def progress(total):
                    nonlocal known
                    with self.lock:
                        self.bytes += total - known
                    known = total
                if self.control.download(circuit, BULK_CHUNK, progress) != self.wanted:
                    raise Failure("the bulk's bytes are not those that were sent")
        except Exception as error:
            self.error = None if self.ended else error

    def check(self):
        if self.error:
            raise Failure(f"the bulk transfer: {self.error}")


class Relays:
    """The one that is measured, the one that the load comes through, and one to compare."""

    def __init__(self, net, options):
        self.entry, self.tested, self.other = [
            RingRamson(net, i, options.ramson, name, level="notice", memory_mb=256,
                       poll=options.poll if name == "tested" else "adaptive")
            for i, name in enumerate(("entry", "tested", "other"))]
        for relay in self.all():
            relay.neighbours_cpus = options.others
            relay.config["hsdir_cache_mb"] = options.cache_mb
            worker = options.cpu if relay is self.tested else min(options.others)
            relay.config["dataplane"].update(workers=[worker], control=min(options.others))
            net.ramsons.append(relay)
            relay.start()
        prefer(self.tested.process.pid)

    def all(self):
        return self.entry, self.tested, self.other


def rss_mb(relay):
    with open(f"/proc/{relay.process.pid}/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


def share(rows, wanted):
    """Seconds of CPU of the threads whose names are wanted."""
    return sum(row[1] for row in rows if wanted(row[0]))


def is_control(name):
    return name.startswith("ramson") and "worker" not in name


def keeps(load, relay, options, say):
    """Fills the relay up to its bound, fetches all, goes on beyond the bound, and looks again."""
    bound = options.cache_mb << 20
    inside = min(options.descriptors, int(bound * INSIDE) // (options.size + ENTRY_BYTES))
    result = {"inside": inside, "bound_bytes": bound, "rss_mb_before": rss_mb(relay)}

    def step(what, name, do, first, last):
        say(f"{what}: {last - first}")
        done = load.do(do, "tested", first=first, last=last)
        result[name + "_per_s"] = (last - first) / done["seconds"]
        counters = relay.counters()
        if counters["hsdir_bytes"] > bound:
            raise Failure(f"{counters['hsdir_bytes']} bytes are more than the bound")
        return done, counters
    before = threads(relay.process.pid)
    _, counters = step("uploading what is inside the bound", "upload", "publish", 0, inside)
    control_s = share(used(before, threads(relay.process.pid)), is_control)
    result["control_ms_per_upload"] = control_s / inside * 1000
    if counters["hsdir_descriptors"] != inside or counters.get("hsdir_evicted", 0):
        raise Failure(f"{counters['hsdir_descriptors']} of {inside} were kept")
    done, _ = step("fetching them", "fetch", "get", 0, inside)
    if done["missing"]:
        raise Failure(f"{len(done['missing'])} of those inside the bound were lost")
    result["rss_mb_full"] = rss_mb(relay)
    twice = inside // 2
    step("fetching half of them again", "fetch_again", "get", 0, twice)
    if options.descriptors > inside:
        say(f"uploading {options.descriptors - inside} beyond the bound")
        load.do("publish", "tested", first=inside, last=options.descriptors)
    done, counters = step("fetching all", "fetch_all", "get", 0, options.descriptors)
    missing = done["missing"]
    lost_twice = sum(n < twice for n in missing)
    lost_once = sum(twice <= n < inside for n in missing)
    result.update(kept_of_twice_fetched=twice - lost_twice, twice_fetched=twice,
                  kept_of_once_fetched=inside - twice - lost_once, once_fetched=inside - twice,
                  beyond=options.descriptors - inside,
                  kept_of_beyond=options.descriptors - inside
                  - (len(missing) - lost_twice - lost_once),
                  descriptors=counters["hsdir_descriptors"], bytes=counters["hsdir_bytes"],
                  evicted=counters.get("hsdir_evicted", 0), rss_mb_after=rss_mb(relay))
    # At the very moment when the first one comes that has no room, one that was fetched once may
    # be the least fetched of all.
    if lost_twice or lost_once > options.circuits * options.streams:
        raise Failure(f"{lost_twice} that were fetched twice and {lost_once} that were fetched "
                      "once gave way to what nobody fetched")
    if result["rss_mb_after"] - result["rss_mb_before"] > options.cache_mb + RSS_SLACK_MB:
        raise Failure(f"the process has grown by {result['rss_mb_after']:.0f} MB")
    return result


def turn(load, at, relay, bulk, echo, options, inside):
    """One turn: bulk and round trips while the load goes to `at`, or to nobody."""
    if at:
        load.tell(do="mix", at=at, count=min(inside, 200), seconds=options.seconds + 1)
    time.sleep(0.5)
    threads_before, start, bulk_before = threads(relay.process.pid), time.monotonic(), bulk.bytes
    echo.run(options.seconds)
    took = time.monotonic() - start
    moved, rows = bulk.bytes - bulk_before, used(threads_before, threads(relay.process.pid))
    bulk.check()
    result = {"bulk_bytes_per_s": moved / took, **quantiles(echo.times),
              "worker_share": share(rows, lambda n: "worker" in n) / took,
              "control_share": share(rows, is_control) / took}
    if at:
        done = load.answer()
        for name in ("published", "fetched"):
            result[name + "_per_s"] = done[name] / done["seconds"]
        result["load_bytes_per_s"] = ((done["published"] + done["fetched"]) * options.size
                                      / done["seconds"])
    return result


def forwards(load, relay, bulk, echo, options, inside, say):
    turns = {name: [] for name, _ in TURNS}
    load.do("publish", "other", first=0, last=min(inside, 200))
    orders = list(itertools.permutations(TURNS))
    for number in range(options.rounds):
        for name, at in orders[number % len(orders)]:
            time.sleep(PAUSE_S)  # whoever has just used less than its share is preferred for it
            result = turn(load, at, relay, bulk, echo, options, inside)
            turns[name].append(result)
            say(f"round {number + 1} of {options.rounds}, {TITLES[name]}: "
                f"{result['bulk_bytes_per_s'] / 1e6:.1f} MB/s of bulk")
    medians = {name: {key: statistics.median(r[key] for r in some) for key in some[0]}
               for name, some in turns.items()}
    here, elsewhere = medians["here"], medians["elsewhere"]
    return {**medians, "rounds": turns,
            "ratio": here["bulk_bytes_per_s"] / elsewhere["bulk_bytes_per_s"],
            "ratio_to_alone": here["bulk_bytes_per_s"] / medians["alone"]["bulk_bytes_per_s"]}


def measure(options, say):
    load = bulk = None
    net = Network(release=options.ramson, ramsons=0, build="release", prefix="ramson-hsdir",
                  say=say)
    try:
        net.up()
        relays = Relays(net, options)
        say("waiting until the consensus lists the relay that forwards")
        net.control.wait_knows([net.wait_listed([relays.tested.name])[0].fingerprint])
        net.control.control.set_conf("__DisablePredictedCircuits", "1")
        built = circuits(net, relays.tested, BULK_CIRCUITS + 1)
        load = Load(net, relays.entry, {"tested": relays.tested, "other": relays.other}, options)
        echo = Echo(net.control.stream(built[0]))
        bulk = Bulk(net, built[1:])
        kept = keeps(load, relays.tested, options, say)
        bulk.check()
        forwarded = forwards(load, relays.tested, bulk, echo, options, kept["inside"], say)
        bulk.ended = True
    except BaseException:
        net.failed = True
        say(net.tails("tested"))
        say(f"logs are in {net.logs}")
        raise
    finally:
        if bulk:
            bulk.ended = True
        if load:
            load.stop()
        net.down()
    return {"benchmark": "hsdir",
            "options": {k: getattr(options, k) for k in
                        ("descriptors", "size", "cache_mb", "circuits", "streams", "rounds",
                         "seconds", "poll", "cpu")},
            "kept": kept, "forwarded": forwarded}


def table(result):
    o, k, f = result["options"], result["kept"], result["forwarded"]
    lines = [f"{o['descriptors']} descriptors of {o['size'] / 1000:.0f} KB, a bound of "
             f"{o['cache_mb']} MB, {o['circuits']} circuits of {o['streams']} streams", "",
             f"{'inside the bound, all fetched':<44} {k['inside']:8}",
             f"{'  fetched twice, still there at the end':<44} {k['kept_of_twice_fetched']:8} of "
             f"{k['twice_fetched']}",
             f"{'  fetched once, still there at the end':<44} {k['kept_of_once_fetched']:8} of "
             f"{k['once_fetched']}",
             f"{'beyond it and never fetched, still there':<44} {k['kept_of_beyond']:8} of "
             f"{k['beyond']}",
             f"{'bytes held at the end, of the bound':<44} {k['bytes'] / k['bound_bytes']:8.1%}",
             f"{'resident memory before, full, at the end':<44} {k['rss_mb_before']:8.0f}"
             f"{k['rss_mb_full']:8.0f}{k['rss_mb_after']:8.0f} MB",
             f"{'uploads, fetches a second (beside the bulk)':<44} {k['upload_per_s']:8.0f}"
             f"{k['fetch_per_s']:8.0f}",
             f"{'control thread, an upload':<44} {k['control_ms_per_upload']:8.2f} ms", "",
             f"{'medians of ' + str(o['rounds']) + ' rounds':<32} {'bulk':>8} {'load':>8}"
             f" {'round trip, ms':>16} {'worker':>8} {'control':>8}",
             f"{'':<32} {'MB/s':>8} {'MB/s':>8} {'p50':>8}{'p90':>8} {'of a CPU each':>17}"]
    for name, _ in TURNS:
        t = f[name]
        lines.append(f"{TITLES[name]:<32} {t['bulk_bytes_per_s'] / 1e6:8.1f}"
                     f" {t.get('load_bytes_per_s', 0) / 1e6:8.1f} {t['p50_ms']:8.1f}"
                     f"{t['p90_ms']:8.1f} {t['worker_share']:8.0%} {t['control_share']:8.0%}")
    lines += ["", f"Bulk with the load here to bulk with the load elsewhere: {f['ratio']:.2f}; to "
              f"bulk alone: {f['ratio_to_alone']:.2f}"]
    return "\n".join(lines)


def parse():
    parser = argparse.ArgumentParser(prog="hsdir.sh", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--descriptors", type=int, default=10000, help="in all (10000)")
    add("--size", type=int, default=SIZE_MAX, help=f"of each, in bytes, at most ({SIZE_MAX})")
    add("--cache-mb", type=int, default=256, help="the relay's bound (256, the default's)")
    add("--circuits", type=int, default=12, help="that the load uses (12)")
    add("--streams", type=int, default=2, help="on each of them at once (2)")
    add("--rounds", type=int, default=6, help="of each turn (6)")
    add("--seconds", type=float, default=5, help="that a turn takes (5)")
    add("--quick", action="store_true", help="300 descriptors, 8 MB, one round of 3 s")
    add("--cpu", type=int, default=os.cpu_count() - 1,
        help=f"of the forwarding worker ({os.cpu_count() - 1})")
    add("--poll", choices=("busy", "adaptive"), default="adaptive",
        help="how the forwarding worker waits (adaptive)")
    add("--json", action="store_true", help="print one JSON object instead of a table")
    add("--ramson", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.quick:
        options.descriptors, options.cache_mb, options.rounds, options.seconds = 300, 8, 1, 3
    options.others = os.sched_getaffinity(0) - {options.cpu}
    if options.cpu not in os.sched_getaffinity(0) or not options.others:
        parser.error(f"there must be a CPU {options.cpu} for the worker and another for the rest")
    if min(options.descriptors, options.cache_mb, options.circuits, options.streams,
           options.rounds) < 1 or not 1000 <= options.size <= SIZE_MAX:
        parser.error("that many make no sense")
    return options


def main():
    options = parse()
    os.sched_setaffinity(0, options.others)  # and so does everything that is started from here
    run(measure, options, table)


if __name__ == "__main__":
    main()
