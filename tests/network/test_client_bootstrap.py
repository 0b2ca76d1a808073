# SPDX-License-Identifier: BSD-3-Clause
"""A process that is a client and no relay: how it begins, begins again, and that nobody hears of it."""

import json
import os
import re
import signal
import stat
import subprocess
import time

from cases import case
from process import Failure, wait_until
from ramson import OR_PORT, SANITIZERS, RamsonClient
from tornet import HTTP

TORS = "origin.OriginNetwork"
ADDRESS = re.compile(r"\d+\.\d+\.\d+\.\d+")


def client(net, **options):
    """Not started, and without applications: what the directory does alone."""
    return net.add_client(kind=RamsonClient, start=False, **options)


def end(one):
    one.end_well()
    if one.report():
        raise Failure(one.report())


def fallback(node, port=None):
    return {"nickname": node.name, "address": node.address, "or_port": port or OR_PORT_OF_TOR,
            "identity": node.fingerprint()}


OR_PORT_OF_TOR = 5000


@case(timeout=120, network=TORS)
def client_bootstraps(net):
    """
    authorities ──► consensus, certificates ──► guards ──► microdescriptors ──► a first circuit
    """
    one = client(net).start()
    one.wait_bootstrapped(30)
    told = [int(p) for p in re.findall(r"\[notice\] bootstrap (\d+) %", one.said())]
    if told != sorted(set(told)) or told[0] != 5 or told[-1] != 100:
        raise Failure(f"it told its progress as {told}")
    for line in one.said().splitlines():
        if re.search(r"\[(notice|warn|error)\]", line) and ADDRESS.search(line):
            raise Failure(f"an address in its log: {line}")

    # Nobody hears of it.
    if os.path.exists(one.data("keys")) or os.path.exists(one.data("fingerprint")):
        raise Failure("it made keys of a relay")
    for authority in net.authorities:
        text = authority.get("/tor/server/all") or b""
        if one.address.encode() in text or b"platform ramson" in text:
            raise Failure(f"{authority.name} has a descriptor of it")
    if one.name in net.consensus():
        raise Failure("it is in the consensus")
    with open("/proc/net/tcp") as file:
        if f":{OR_PORT:04X} " in file.read():
            raise Failure("something listens on its OR port")
    if one.counters().get("links_accepted"):
        raise Failure("it accepted a link")
    end(one)


@case(timeout=120, network=TORS)
def client_restarts(net):
    """
    a second start with a live consensus waits for no directory, also after it was killed
    """
    one = client(net).start()
    one.wait_bootstrapped(30)
    wait_until(lambda: os.path.exists(one.data("state")), 40, "its guards are on disk")
    guards = sampled(one)
    for number in (signal.SIGTERM, signal.SIGKILL):
        one.stop(number)
        one.start()
        one.wait_bootstrapped(10)
        if (begun := re.search(r"\[notice\] bootstrap (\d+) %", one.said())[1]) not in ("45", "75"):
            raise Failure(f"after signal {number} it began at {begun} %")
        # A consensus each ten seconds: the next one may be due already.
        counted = one.counters()
        if counted.get("directory_requests", 0) > 1 or counted.get("directory_documents", 0) > 0:
            raise Failure(f"after signal {number} it asked for what it had: {counted}")
        if sampled(one) != guards:
            raise Failure("it has other guards than before")
    end(one)


def sampled(one):
    """Its guards, and since when. Their order changes with who is listed."""
    return {(g["fingerprint"], g["sampled_on"]) for g in one.status()["guards"]}


@case(timeout=120, network=TORS)
def client_dead_directories(net):
    """
    dead authorities, dead fallback directories and one that lives; later the authorities alone
    """
    alive = fallback(net.exits[0])
    wait_until(lambda: os.path.exists(os.path.join(net.exits[0].directory, "cached-microdesc-consensus")),
               60, "a consensus of that one")
    nobody = {"address": HTTP, "or_port": 1, "identity": "11" * 20}       # refuses
    nowhere = {"address": "10.91.250.9", "or_port": 1, "identity": "22" * 20}  # never answers
    wrong = {**fallback(net.exits[1]), "identity": "33" * 20}             # is somebody else
    one = client(net, fallbacks=[nobody, nowhere, wrong, alive])
    for authority in one.config["directory_authorities"]:
        authority["or_port"] = 1
    one.start()
    one.wait_bootstrapped(30)
    end(one)

    # From nothing, when only one authority lives.
    two = client(net, fallbacks=[nobody, nowhere])
    for authority in two.config["directory_authorities"][1:]:
        authority["or_port"] = 1
    two.start()
    two.wait_bootstrapped(30)
    end(two)


def run_status(one, *options):
    return subprocess.run([one.binary, "status", "--config", one.write_config(), *options],
                          capture_output=True, text=True, env={**os.environ, **SANITIZERS})


@case(timeout=120, network=TORS)
def client_status(net):
    """
    ramson status: text and JSON of a client and of one that carries streams; nothing runs; kill -9
    """
    one = client(net)
    done = run_status(one)
    if done.returncode != 1 or "nothing runs" not in done.stderr or done.stderr.count("\n") != 1:
        raise Failure(f"without a process: {done}")
    one.start()
    one.wait_bootstrapped(30)
    mode = stat.S_IMODE(os.stat(one.data("status.sock")).st_mode)
    if mode != 0o600:
        raise Failure(f"the socket's mode is {mode:o}")
    report = one.status()
    if report["bootstrap"]["percent"] != 100 or report["role"] != "client" or "relay" in report:
        raise Failure(f"status: {json.dumps(report)[:500]}")
    known = {e.fingerprint: n for n, e in net.consensus().items()}
    wait_until(lambda: any(c["state"] == "open" for c in one.status()["circuits"]), 10,
               "an open circuit in its status")
    for circuit in one.status()["circuits"]:
        if len(circuit["hops"]) != 3:
            raise Failure(f"a circuit of {len(circuit['hops'])} hops: {circuit}")
        for hop in circuit["hops"]:
            if known.get(hop["fingerprint"]) != hop["nickname"]:
                raise Failure(f"a hop that is nobody: {hop}")
    text = run_status(one).stdout
    for pattern in (r"^ramson [\d.]+, client, up ", r"^bootstrap  100 %: done$",
                    r"^guard +fingerprint ", r"^circuit +purpose ", r" > \w+ > \w+$"):
        if not re.search(pattern, text, re.M):
            raise Failure(f"no {pattern} in:\n{text}")
    one.stop(signal.SIGKILL)
    done = run_status(one)
    if done.returncode != 1 or "nothing runs" not in done.stderr:
        raise Failure(f"after SIGKILL: {done}")
    one.start()  # over the socket that was left behind
    one.wait_bootstrapped(10)
    one.status()
    end(one)
    if os.path.exists(one.data("status.sock")):
        raise Failure("its socket is still there")


@case(timeout=120, network=TORS)
def client_next_consensus(net):
    """
    the next consensus comes by its guards before the old one expires, as a difference
    """
    one = client(net).start()
    one.wait_bootstrapped(30)
    before = one.counters()
    valid_until = one.status()["directory"]["valid_until"]
    wait_until(lambda: one.counters()["directory_consensuses"] > before["directory_consensuses"],
               max(1, valid_until - time.time()), "a newer consensus before the old one expires", 1)
    if one.status()["directory"]["valid_until"] <= valid_until:
        raise Failure("its consensus is not newer")
    end(one)
