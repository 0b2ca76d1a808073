# SPDX-License-Identifier: BSD-3-Clause
"""A ramson relay on a tap device of its own in the namespace.

    ramN    10.91.N.1/24 the kernel's end, the gateway    10.91.N.2 ramson, OR port 9001

A client has a tap in the same way, and no OR port; its SOCKS ports are the kernel's.
"""

import json
import os
import re
import signal
import socket
import subprocess
import time

from netns import ip
from process import Failure, Process, wait_until
from tornet import EXIT, LISTEN, TorNode

OR_PORT = 9001
SANITIZERS = {
    "ASAN_OPTIONS": "halt_on_error=1:detect_leaks=1",
    "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=0",
}
DROPS = ("drop_", "circuits_destroyed", "tcp_timeouts")
REPORT = re.compile(r"ERROR: (?:Address|Leak)Sanitizer|runtime error:|PANIC in |"
                    r"AddressSanitizer:DEADLYSIGNAL")


class Ramson:
    """One relay: its configuration, its process once started, and the kernel's end of its tap."""

    def __init__(self, net, index, binary, nickname=None, workers=1, poll="adaptive", mtu=1500,
                 memory_mb=512, level="debug", hugepages=False):
        self.net, self.index, self.binary, self.mtu = net, index, binary, mtu
        self.name = nickname or f"ramson{index}"
        self.interface = f"ram{index}"
        self.gateway, self.address = f"10.91.{index}.1", f"10.91.{index}.2"
        self.directory = os.path.join(net.directory, self.name)
        self.log = os.path.join(net.logs, self.name + ".log")
        self.process = None
        os.makedirs(os.path.join(self.directory, "data"), mode=0o700)
        self.config = {
            "nickname": self.name,
            "contact": "none",
            "data_directory": os.path.join(self.directory, "data"),
            "address": [self.address],
            "or_port": OR_PORT,
            "exit_policy": ["reject *:*"],
            "testing_network": True,
            "directory_authorities": [a.as_json() for a in net.authorities],
            "dataplane": {
                **cpus(index, workers), "hugepages": hugepages,
                "memory_mb": memory_mb, "poll": poll,
                "interfaces": [{"device": f"net_tap0,iface={self.interface}",
                                "addresses": [f"{self.address}/24"], "gateway": self.gateway,
                                "mtu": mtu}],
            },
            "log": {"level": level},
        }

    def data(self, *path):
        """A path in its data directory."""
        return os.path.join(self.directory, "data", *path)

    def write_config(self):
        path = os.path.join(self.directory, "ramson.json")
        with open(path, "w") as file:
            json.dump(self.config, file, indent=2)
        return path

    def start(self):
        command = [self.binary, "run", "--config", self.write_config()]
        self.output_before = os.path.getsize(self.log) if os.path.exists(self.log) else 0
        self.process = Process(self.name, command, self.log, SANITIZERS, self.net.outlives)
        self.wait_up()
        return self

    def wait_up(self):
        """The tap is there once DPDK has made it; then the kernel's end gets its address."""
        def tap_exists():
            self.check_alive()
            return self.interface in (name for _, name in socket.if_nameindex())
        wait_until(tap_exists, 30, f"{self.name}'s tap device")
        ip("address", "replace", f"{self.gateway}/24", "dev", self.interface)
        ip("link", "set", self.interface, "up", "mtu", str(self.mtu))
        self.wait_ready()

    def wait_ready(self):
        wait_until(lambda: self.check_alive() and listens(self.address), 30,
                   f"{self.name} listens")

    def check_alive(self):
        if not self.process.is_alive():
            raise Failure(f"{self.name} ended at start: {last_line(self.process.output())}")
        return True

    def said(self):
        """What its log has of its present run."""
        return self.process.output(self.output_before) if self.process else ""

    def stop(self, number=signal.SIGTERM, timeout=10):
        return self.process.stop(number, timeout) if self.process else 0

    def end_well(self):
        """Stops it as an operator does. Status 0 also means that no memory leaked."""
        took = self.stop(signal.SIGTERM)
        if took > 5 or self.process.popen.returncode != 0:
            raise Failure(f"{self.name} took {took:.1f} s to end, with status "
                          f"{self.process.popen.returncode}")

    def restart(self):
        self.stop(signal.SIGKILL)
        wait_until(lambda: self.interface not in (name for _, name in socket.if_nameindex()), 10,
                   f"{self.name}'s old tap device is gone")
        return self.start()

    def is_alive(self):
        return self.process is not None and self.process.is_alive()

    def report(self):
        """The first line of what a sanitizer found in any of its runs, or None."""
        text = self.process.output() if self.process else ""
        match = REPORT.search(text)
        if not match:
            return None
        line = text.count("\n", 0, match.start())
        return text.splitlines()[line].strip()

    def status(self):
        """What `ramson status --json` says of it, as JSON."""
        done = subprocess.run([self.binary, "status", "--json", "--config", self.write_config()],
                              capture_output=True, text=True, env={**os.environ, **SANITIZERS})
        if done.returncode != 0:
            raise Failure(f"ramson status: {done.stderr.strip()}")
        return json.loads(done.stdout)

    def counters(self):
        """What SIGUSR1 prints as the sum of the workers and the control thread."""
        start = self.process.output_size()
        self.process.send_signal(signal.SIGUSR1)

        def printed():
            text = self.process.output(start)
            time.sleep(0.1)
            block = re.search(r"^sum\n((?:  \w+ +\d+ .*\n)+)", text, re.M)
            return block if text == self.process.output(start) else None
        block = wait_until(printed, 10, f"{self.name} prints its counters")[1]
        return {name: int(value) for name, value in (line.split()[:2] for line in block.splitlines())}

    def drops(self):
        """The counters of what it has dropped or refused."""
        if not self.is_alive():
            return {}
        return {n: v for n, v in self.counters().items() if n.startswith(DROPS)}


class RamsonClient(Ramson):
    """A client that is no relay. `socks` are its listeners as the configuration has them (none:
    it only keeps its directory); `nodes` and whatever else is there go into the configuration."""

    def __init__(self, net, index, binary, nickname=None, socks=None, nodes=None, fallbacks=None,
                 more=None, **options):
        super().__init__(net, index, binary, nickname or f"client{index}", **options)
        for key in ("nickname", "contact", "address", "or_port", "exit_policy"):
            del self.config[key]
        self.socks_port = None
        if socks is not None:
            self.config["socks"] = socks
            address, _, port = socks[0]["listen"].rpartition(":") if socks else ("", "", "")
            self.socks_port = (address, int(port)) if port.isdigit() else None
        for key, value in (("nodes", nodes), ("fallback_directories", fallbacks)):
            if value is not None:
                self.config[key] = value
        self.config.update(more or {})

    def wait_ready(self):
        """Its process is up, and its first SOCKS port when that is TCP; the network may take more."""
        wait_until(lambda: self.check_alive() and "is running" in self.said(), 30,
                   f"{self.name} runs")
        if self.socks_port:
            wait_until(lambda: self.check_alive() and connects(self.socks_port), 30,
                       f"{self.name}'s SOCKS port")

    def progress(self):
        """The last percentage of bootstrapping that it has told, or 0."""
        told = re.findall(r"bootstrap (\d+) %", self.said())
        return int(told[-1]) if told else 0

    def wait_bootstrapped(self, timeout=60):
        wait_until(lambda: self.check_alive() and self.progress() == 100, timeout,
                   f"{self.name} has bootstrapped")


class TorInPlace(TorNode):
    """A real tor process where the tests have a ramson: what they ask of one."""

    def stop(self, number=signal.SIGTERM, timeout=10):
        return self.process.stop(number, timeout) if self.process else 0

    def end_well(self):
        self.stop()

    def restart(self):
        self.stop(signal.SIGKILL)
        return self.start()

    def is_alive(self):
        return self.process is not None and self.process.is_alive()

    def report(self):
        return None

    def counters(self):
        return {}

    drops = counters


class StandIn(TorInPlace):
    """A real tor relay in ramson's place, to try the harness without ramson."""

    def __init__(self, net, index, *_arguments, nickname=None, **_options):
        super().__init__(net, nickname or f"ramson{index}", f"10.91.{index}.2",
                         (LISTEN + EXIT).replace("{or_port}", str(OR_PORT)))
        self.log = os.path.join(net.logs, self.name + ".log")

    def data(self, *path):
        return os.path.join(self.directory, *path)

    def start(self):
        if self.process is None:
            self.net.namespace.add_address(self.address)
            self.write([a.line() for a in self.net.authorities])
        super().start()
        wait_until(lambda: listens(self.address), 30, f"{self.name} listens")
        return self


def cpus(index, workers):
    """Spreads the relays of a test over the processors there are."""
    count = os.cpu_count()
    return {"workers": [(index + i) % count for i in range(workers)],
            "control": (index + workers) % count}


def listens(address):
    return connects((address, OR_PORT))


def connects(address):
    try:
        socket.create_connection(address, timeout=2).close()
        return True
    except OSError:
        return False


def last_line(text):
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "it said nothing"
