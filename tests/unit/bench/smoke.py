#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""ramson-bench with loads so small that they say nothing of speed: does it run, is everything there
that it promises, and do its checks fail when they should?

usage: smoke.py TEST RAMSON-BENCH
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import xml.dom.minidom

SMALL = ("--links", "4", "--circuits", "8", "--record-cells", "8", "--seconds", "0.05")
SANITIZER = re.compile(r"ERROR: \w+Sanitizer|runtime error:")


def run(bench, *arguments, status=0, text=None):
    done = subprocess.run([bench, *arguments], capture_output=True, text=True, input=text)
    shown = f"{' '.join(arguments)}: status {done.returncode}\n{done.stdout[-800:]}{done.stderr}"
    assert done.returncode == status and not SANITIZER.search(done.stderr), shown
    return done


def objects(bench, *arguments, **options):
    return json.loads(run(bench, *arguments, "--json", **options).stdout)


def expect_keys(what, *keys):
    missing = [key for key in keys if key not in what]
    assert not missing, f"without {missing}: {sorted(what)}"


def expect_machine(result):
    expect_keys(result["machine"], "cpu", "cpus", "flags", "kernel", "governor", "huge_pages",
                "load", "others_share", "stolen_share", "tsc_hz", "cell_cipher", "ipsec_mb")


def expect_page(path, *words):
    """Well-formed, with everything in itself, and with a chart."""
    with open(path) as file:
        text = file.read()
    assert not re.search(r"""(?:src|href)\s*=|url\(|@import""", text), f"{path} needs a network"
    charts = re.findall(r"<svg.*?</svg>", text, re.S)
    assert charts, f"{path} has no chart"
    for chart in charts:
        xml.dom.minidom.parseString(chart)
        assert "nan" not in chart and "inf" not in chart, f"a chart in {path} has no numbers"
    for word in words:
        assert word in text, f"{path} says nothing of {word}"


def relay(bench):
    """Two MTUs, both directions, with loss: every cell comes out, and right."""
    result = objects(bench, "relay", *SMALL, "--mtu", "1500,9000", "--loss", "0.5")
    expect_machine(result)
    assert [r["options"]["mtu"] for r in result["runs"]] == [1500, 9000]
    for one in result["runs"]:
        expect_keys(one, "options", "maximum", "crypto_floor", "ratio", "loads", "checked", "wrong",
                    "lost", "generators_were_the_limit", "relay_memory_bytes")
        expect_keys(one["maximum"], "gbit_per_core", "cells_per_second", "cycles_per_cell",
                    "ns_per_cell", "stages_cycles", "drops", "retransmits")
        expect_keys(one["maximum"]["stages_cycles"], "rx", "tcp_in", "tls_open", "cells",
                    "tls_seal", "tx")
        assert one["checked"] > 0 and one["wrong"] == 0 and one["lost"] == 0, one
        assert one["maximum"]["cycles_per_cell"] > 0 and one["ratio"] > 0, one
        assert [l["load"] for l in one["loads"]] == [0.1, 0.25, 0.5, 0.8, 0.95]
        for load in one["loads"]:
            expect_keys(load["latency"], "p50_us", "p99_us", "p999_us", "cells")
            expect_keys(load, "latency_all_windows", "worker_turn", "generator_turn")


def wrong_keys(bench):
    """The check can fail: with other keys than the relay's, every cell is wrong, and it says so."""
    for cipher in ("tor1", "cgo"):
        result = objects(bench, "relay", *SMALL, "--mtu", "1500", "--no-latency", "--cell-cipher",
                         cipher, "--wrong-keys", status=1)
        assert result["runs"][0]["wrong"] >= result["runs"][0]["checked"] > 0, cipher


def two_workers(bench):
    """Circuits that cross from worker to worker are measured next to those that don't."""
    result = objects(bench, "relay", *SMALL, "--links", "8", "--circuits", "32", "--mtu", "1500",
                     "--workers", "2", "--no-latency", "--direction", "25", "--cell-cipher", "cgo")
    one = result["runs"][0]
    expect_keys(one, "crossing", "staying", "crossing_ratio")
    assert one["wrong"] == 0 and one["lost"] == 0 and one["checked"] > 0, one


def joined(bench):
    """A rendezvous point's circuits, next to extended ones: on one worker, and between two."""
    for more in ((), ("--workers", "2", "--cross", "all", "--links", "8", "--circuits", "32"),
                 ("--workers", "2", "--cross", "any", "--loss", "0.5", "--cpu-time")):
        result = objects(bench, "relay", *SMALL, "--mtu", "1500", "--joined", "--no-latency", *more)
        one = result["runs"][0]
        expect_keys(one, "joined", "extended", "joined_ratio")
        expect_keys(one["joined"], "gbit_per_core", "cycles_per_cell")
        assert one["joined"]["cycles_per_cell"] > 0 and one["joined_ratio"] > 0, one
        assert one["wrong"] == 0 and one["lost"] == 0 and one["checked"] > 0, one
    result = objects(bench, "relay", *SMALL, "--mtu", "1500", "--joined", "--no-latency",
                     "--wrong-keys", status=1)
    assert result["runs"][0]["wrong"] >= result["runs"][0]["checked"] > 0
    with tempfile.TemporaryDirectory() as top:
        folder = os.path.join(top, "report")
        text = run(bench, "relay", *SMALL, "--mtu", "1500", "--joined", "--report", folder).stdout
        assert "joined in pairs" in text
        expect_page(os.path.join(folder, "relay.html"), "joined in pairs")


def report(bench):
    """The pages of all of them, for people without a network."""
    with tempfile.TemporaryDirectory() as top:
        folder = os.path.join(top, "report")
        text = run(bench, "relay", *SMALL, "--mtu", "1500", "--report", folder).stdout
        for word in ("Gbit/s of cells per core", "crypto floor", "p99.9", "0 were wrong"):
            assert word in text, word
        expect_page(os.path.join(folder, "relay.html"), "MTU 1500", "governor", "huge pages")
        for kind in ("stages", "latency"):
            with open(os.path.join(folder, f"relay-{kind}-1500.svg")) as file:
                xml.dom.minidom.parseString(file.read())
        run(bench, "page", "--report", folder, text=json.dumps(COMPARED))
        expect_page(os.path.join(folder, "compare-tor.html"), "10.0 times", "C tor")
        run(bench, "page", "--report", folder, text="{}", status=1)
        blocked = os.path.join(top, "file")
        open(blocked, "w").close()
        run(bench, "page", "--report", blocked, text=json.dumps(COMPARED), status=1)


def scale(bench):
    """The point that is within bounds, and its page."""
    with tempfile.TemporaryDirectory() as folder:
        result = objects(bench, "scale", "--links", "100", "--circuits", "1000", "--rounds", "1",
                         "--seconds", "0.2", "--report", folder)
        expect_machine(result)
        points = [(p["links"], p["circuits"]) for p in result["results"]]
        assert points == [(100, 1000)], points
        assert all(p["ns_per_cell"] > 0 and p["memory_bytes"] > 0 for p in result["results"])
        expect_keys(result, "growth", "bytes")
        expect_page(os.path.join(folder, "scale.html"), "circuits")


def handshake(bench):
    with tempfile.TemporaryDirectory() as folder:
        result = objects(bench, "handshake", "--rounds", "1", "--report", folder)
        expect_machine(result)
        assert all(r["per_second"] > 0 for r in result["results"]) and result["results"]
        lone = result["lone_latency_us"]
        assert 0 < lone["least"] <= lone["p50"] <= lone["p99"] <= lone["most"]
        expect_page(os.path.join(folder, "handshake.html"))


def crypto(bench):
    with tempfile.TemporaryDirectory() as folder:
        result = objects(bench, "crypto", "--report", folder)
        expect_machine(result)
        assert all(r["ramson_ns"] > 0 for r in result["results"]) and result["results"]
        expect_page(os.path.join(folder, "crypto.html"), "OpenSSL", "AES")


def pow(bench):
    with tempfile.TemporaryDirectory() as folder:
        result = objects(bench, "pow", "--report", folder)
        expect_machine(result)
        assert len(result["results"]) == 5 and all(r["per_second"] > 0 for r in result["results"])
        expect_page(os.path.join(folder, "pow.html"), "Proofs")


def options(bench):
    """What makes no sense is refused in one line, before anything is measured."""
    run(bench, "--help")
    expect_machine({"machine": objects(bench, "machine")})
    for wrong in ((), ("nothing",), ("relay", "--links", "3"), ("relay", "--mtu", "100"),
                  ("relay", "--mtu", "1500,,9000"), ("relay", "--cipher", "rot13"),
                  ("relay", "--direction", "101"), ("relay", "--seconds", "soon"),
                  ("relay", "--cross", "some"), ("relay", "--joined", "--cell-cipher", "cgo"),
                  ("relay", "--joined", "--cross", "half"), ("relay", "--nonsense"), ("relay", "--links"),
                  ("page",), ("scale", "--links", "5")):
        done = run(bench, *wrong, status=1)
        assert len(done.stderr.splitlines()) == 1 and not done.stdout, f"{wrong}: {done.stderr}"


COMPARED = {
    "benchmark": "compare-tor", "tor_version": "Tor version 0", "ratio": 10.0,
    "ratio_without_driver": 20.0, "machine": {"cpu": "<any> & all", "cpus": 2},
    "options": {"circuits": 4, "cpu": 1, "poll": "busy", "device": "tap", "mtu": 1500},
    "tor": {"seconds_per_gb": 5.0},
    "ramson": {"seconds_per_gb": 0.5, "worker_busy_seconds_per_gb": 0.4,
               "driver_seconds_per_gb": 0.25, "control_seconds_per_gb": 0.1,
               "without_driver_seconds_per_gb": 0.25},
    "rounds": {"tor": [{"bytes": 1, "seconds": 1, "seconds_per_gb": 5, "waited_share": 0}],
               "ramson": []},
}

TESTS = {f.__name__.replace("_", "-"): f for f in
         (relay, wrong_keys, two_workers, joined, report, scale, handshake, crypto, pow, options)}

if __name__ == "__main__":
    TESTS[sys.argv[1]](sys.argv[2])
