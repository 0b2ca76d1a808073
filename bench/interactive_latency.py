#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Round trips of 8 bytes behind 50 bulk circuits on a full link, with ramson and with Debian's tor
in turn as the middle relay.

    client ──► far relay ◄══narrow══ ramson or tor ◄── exit1 ◄── HTTP server
"""

import argparse
import os
import statistics
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "tests", "network"))

import interactive
from far import FarRelay
from measurement import run
from network import Network

ROWS = (("link idle", "idle"), ("a circuit of its own", "interactive"),
        ("on one of the bulk circuits", "bulk"))


def measure(options, say):
    rounds = {"ramson": [], "tor": []}
    with Network(release=options.ramson, ramsons=1, build="release", prefix="ramson-bench",
                 say=say) as net:
        far = FarRelay(net)
        try:
            net.start_node(far)
            net.add_to_consensus(far)
            for number in range(options.rounds):
                for kind, middle in (("ramson", net.ramsons[0]), ("tor", net.exits[2])):
                    say(f"round {number + 1} of {options.rounds}: {kind}")
                    rounds[kind].append(interactive.measure(net, far, middle, middle.address))
        finally:
            far.stop()
    return {"benchmark": "interactive", "circuits": interactive.BULK_CIRCUITS,
            "link_bytes_per_s": interactive.LINK_BYTES_PER_S,
            "link_queue_bytes": interactive.LINK_QUEUE_BYTES, "rounds": rounds}


def median(results, *keys):
    values = []
    for result in results:
        for key in keys:
            result = result[key]
        values.append(result)
    return statistics.median(values)


def table(result):
    lines = [f"{result['circuits']} bulk circuits on a link of {result['link_bytes_per_s'] // 1000} "
             f"kB/s with a queue of {result['link_queue_bytes'] // 1000} kB; medians of "
             f"{len(result['rounds']['tor'])} rounds", "",
             f"{'round trip, ms':<30} {'ramson':>16} {'C tor':>16}",
             f"{'':<30} {'p50':>8}{'p90':>8} {'p50':>8}{'p90':>8}"]
    for title, key in ROWS:
        cells = [f"{median(result['rounds'][kind], key, p):8.0f}"
                 for kind in ("ramson", "tor") for p in ("p50_ms", "p90_ms")]
        lines.append(f"{title:<30} {cells[0]}{cells[1]} {cells[2]}{cells[3]}")
    rates = [median(result["rounds"][kind], "bulk_bytes_per_s") / 1000 for kind in ("ramson", "tor")]
    lines.append(f"{'bulk, kB/s of content':<30} {rates[0]:16.0f} {rates[1]:16.0f}")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(prog="interactive.sh", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="turns of each relay (3)")
    parser.add_argument("--json", action="store_true",
                        help="print one JSON object instead of a table")
    parser.add_argument("--ramson", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.rounds < 1:
        parser.error("that many make no sense")
    run(measure, options, table)


if __name__ == "__main__":
    main()
