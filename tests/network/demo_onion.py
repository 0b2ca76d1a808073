# SPDX-License-Identifier: BSD-3-Clause
"""The end of the demonstration: an onion service on ramson, met by C tor's client and by ramson's."""

import os
import subprocess
import time

import httpd
import onion_page
from onion_pair import RamsonHost, RamsonVisitor
from process import Failure, wait_until
from ramson import SANITIZERS
from six_steps import TITLES, SixSteps, way
from tornet import HTTP_PORT, LOCAL, SOCKS_PORT

LENGTH, PETNAME = 20_000_000, "wiki"
PUBLISHED_S = 90
QUIET = ("--silent", "--show-error", "--fail", "-m60")


def add(net, kind):
    """ramson in that part, not started yet; level debug, because its log is what is shown."""
    process = kind(net, len(net.ramsons), net.binaries["release"], level="debug")
    net.ramsons.append(process)
    return process


def visit(steps, progress, what, command):
    """20 MB by a command that prints them. What the page says of it."""
    shown = " ".join(word for word in command if word not in QUIET)
    progress.now(f"{what}: {shown}")
    start = time.monotonic()
    done = subprocess.run(command, capture_output=True)
    took = time.monotonic() - start
    if done.returncode != 0:
        raise Failure(f"{what}: {done.stderr.decode().strip()}")
    if done.stdout != httpd.content(LENGTH):
        raise Failure(f"{what}: {len(done.stdout)} bytes came, and they are not those of the server")
    time.sleep(0.2)  # what the logs have of it comes first
    steps.note(6, f"{what}: {LENGTH / 1e6:.0f} MB in {took:.1f} s, byte for byte")
    return shown, f"{LENGTH / 1e6:.0f} MB in {took:.1f} s, with the time that it took to begin"


def curl(host):
    return ["curl", *QUIET, f"http://{host}/bytes/{LENGTH}"]


def torsocks(port, host):
    return ["torsocks", "--address", port[0], "--port", str(port[1]), *curl(host)]


def add_petname(visitor, address):
    command = [visitor.binary, "petname", "add", PETNAME, address, "--config", visitor.write_config()]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **SANITIZERS})
    if done.returncode != 0:
        raise Failure(f"ramson petname: {done.stderr.strip()}")


def show(net, progress, report=None):
    """Shows the six steps; leaves a page in the directory `report`. Returns ramson as the visitor."""
    host, visitor = add(net, RamsonHost), add(net, RamsonVisitor)
    host.add("demo")
    names = {name: entry.fingerprint for name, entry in net.consensus().items()}
    progress.done("an onion service on ramson: a host and a visitor are started, which are no relays")
    for path in (host.log, visitor.log):
        open(path, "w").close()
    steps = SixSteps(host, visitor, names, lambda step: progress.done(
        f"  {step.number} {TITLES[step.number - 1]:<20} {step.text}"))
    try:
        host.start()
        visitor.start()
        address = host.host("demo")
        progress.now(f"waiting until {address} is published")
        wait_until(lambda: any(s.number == 2 for s in steps.steps), PUBLISHED_S,
                   "the service is published")
        visitor.wait_bootstrapped()
        results = [visit(steps, progress, "torsocks curl through C tor's client",
                         torsocks((LOCAL, SOCKS_PORT), address))]
        results.append(visit(steps, progress, "torsocks curl through ramson",
                             torsocks(visitor.socks_port, address)))
        add_petname(visitor, address)
        progress.done(f"ramson petname add {PETNAME} {address}")
        results.append(visit(steps, progress, "torsocks curl by the petname",
                             torsocks(visitor.socks_port, f"{PETNAME}.pet")))
        left, right = steps.meeting
        progress.done("the conversation went " + way("visitor", left) + " ← " +
                      " ← ".join([*reversed(right[:-1]), "service"]))
    finally:
        steps.stop()
    if report:
        path = onion_page.write(report, steps, [r.name for r in net.standing], results)
        progress.done(f"{path} draws the circuits as they were")
    return visitor


def by_hand(inside, visitor):
    """How the onion service is met once the network is left up."""
    return f"""
The onion service is {PETNAME}.pet for the ramson with SOCKS at {visitor.socks_port[0]}:{visitor.socks_port[1]}:

  {inside} curl --socks5-hostname {visitor.socks_port[0]}:{visitor.socks_port[1]} http://{PETNAME}.pet/bytes/1000000 | sha256sum
"""
