# SPDX-License-Identifier: BSD-3-Clause
"""A private network whose onion services can meet their visitors at ramson relays only.

The authorities vote HSDir for none but them, and Exit for nobody, so that tor does not wait for
exits that it leaves out. The service and the visitor are tor processes that
leave every tor relay out of their paths (the flag MiddleOnly would do for introduction and
rendezvous, but tor's clients don't heed it). Of so few relays there are not enough for layer-two
guards.

    10.90.0.101 …      services       control 127.0.0.1:9070 …; their ports lead to the HTTP server
"""

import contextlib
import ipaddress
import os
import re
import signal
import stat
import subprocess

import stem
import stem.control

import httpd
from network import Network
from process import Failure, wait_until
from tornet import HTTP, HTTP_PORT, LOCAL, SOCKS_PORT, TorNode

AUTHORITY_CONTROL_PORT, SERVICE_CONTROL_PORT = 9060, 9070
STARTS_MAX = 3  # of a service that builds no circuit
TORS, RAMSONS = "10.90.0.0/24", "10.91.0.0/16"

AUTHORITIES = """
TestingDirAuthVoteHSDir {ramsons}
TestingDirAuthVoteHSDirIsStrict 1
TestingDirAuthVoteExitIsStrict 1
AuthDirTestReachability 0
"""

SERVICE = """
SocksPort 0
ControlPort {control}
CookieAuthentication 0
OutboundBindAddress {address}
ExcludeNodes {exclude}
LearnCircuitBuildTimeout 0
CircuitBuildTimeout 30
VanguardsLiteEnabled 0
FetchDirInfoEarly 1
FetchDirInfoExtraEarly 1
"""


class Service(TorNode):
    """A tor process with onion services, whose circuits leave the relays in `exclude` out."""

    def __init__(self, net, index=0, exclude=TORS):
        super().__init__(net, f"service{index}", f"10.90.0.{101 + index}",
                         SERVICE.replace("{exclude}", exclude)
                         .replace("{control}", f"{LOCAL}:{SERVICE_CONTROL_PORT + index}"))
        self.control_port = SERVICE_CONTROL_PORT + index
        self.services = {}

    def add(self, name, *options, clients=()):
        """An onion service whose port 80 is the HTTP server's; for its start or its reload.

        `clients` are the public keys of those who may find it; without any all may.
        """
        directory = os.path.join(self.directory, name)
        os.makedirs(os.path.join(directory, "authorized_clients"), mode=0o700)
        os.chmod(directory, stat.S_IRWXU)
        for i, key in enumerate(clients):
            with open(os.path.join(directory, "authorized_clients", f"{i}.auth"), "w") as file:
                file.write(f"descriptor:x25519:{key}\n")
        self.text += "\n".join([f"HiddenServiceDir {directory}",
                                f"HiddenServicePort {HTTP_PORT} {HTTP}:{HTTP_PORT}",
                                *options, ""])
        self.services[name] = directory

    def run(self):
        self.net.namespace.add_address(self.address)
        for _ in range(STARTS_MAX):
            self.net.start_node(self)
            wait_until(self.control, 20, f"{self.name}'s control port").close()
            if self.has_built_a_circuit():
                return self
            self.process.stop()
            with contextlib.suppress(FileNotFoundError):
                os.remove(os.path.join(self.directory, "state"))
        raise Failure(f"{self.name}: no circuit in {STARTS_MAX} starts")

    def has_built_a_circuit(self):
        """tor gives a guard up for minutes when a busy machine makes it answer late: then others are to be drawn."""
        try:
            wait_until(lambda: "Bootstrapped 100%" in self.process.output(), 40, "a circuit")
            return True
        except Failure:
            return False

    def control(self):
        """A controller, or None while it has no control port."""
        try:
            control = stem.control.Controller.from_port(LOCAL, self.control_port)
        except stem.SocketError:
            return None
        control.authenticate()
        return control

    def wait_bootstrapped(self):
        with self.control() as control:
            wait_until(lambda: "PROGRESS=100" in control.get_info("status/bootstrap-phase"), 60,
                       f"{self.name} has bootstrapped", 0.5)

    def reload(self):
        """tor reads its torrc again."""
        self.write([a.line() for a in self.net.authorities])
        self.process.send_signal(signal.SIGHUP)

    def host(self, name):
        """The address of a service, once tor has made its key."""
        path = os.path.join(self.services[name], "hostname")
        wait_until(lambda: os.path.exists(path) and os.path.getsize(path), 20, f"{path} is there")
        with open(path) as file:
            return file.read().strip()

    def meeting_places(self, purpose):
        """The fingerprints of the relays at the ends of its built circuits of this purpose."""
        with self.control() as control:
            return {c.path[-1][0] for c in control.get_circuits()
                    if c.purpose == purpose and c.status == "BUILT"}


class OnionNetwork(Network):
    """ramson relays are the only guards, HSDirs, introduction and rendezvous points."""

    AUTHORITIES_ALSO = AUTHORITIES.replace("{ramsons}", RAMSONS)

    def __init__(self, debug=None, release=None, ramsons=4, build="debug", **options):
        super().__init__(debug, release, ramsons=ramsons, build=build, prefix="ramson-onion",
                         **options)
        for i, authority in enumerate(self.authorities):
            authority.text += f"ControlPort {LOCAL}:{AUTHORITY_CONTROL_PORT + i}\n"
        self.client.text += f"ExcludeNodes {TORS}\nVanguardsLiteEnabled 0\n"
        self.services = []

    def up(self):
        super().up()
        self.add_service().add("plain")
        self.services[0].run()

    def add_service(self, exclude=TORS):
        """One more process for services, which is not started."""
        self.services.append(Service(self, len(self.services), exclude))
        return self.services[-1]

    def processes(self):
        return super().processes() + [s.process for s in self.services if s.process]

    def set_hsdirs(self, addresses):
        """Makes the relays at these addresses the HSDirs, and waits until the consensus says so."""
        for i in range(len(self.authorities)):
            port = AUTHORITY_CONTROL_PORT + i
            with stem.control.Controller.from_port(LOCAL, port) as control:
                control.authenticate()
                control.set_conf("TestingDirAuthVoteHSDir", addresses)
        network = ipaddress.ip_network(addresses)

        def voted():
            hsdirs = [e.address for e in self.consensus().values() if "HSDir" in e.flags]
            return hsdirs and all(ipaddress.ip_address(a) in network for a in hsdirs)
        wait_until(voted, 60, f"the HSDirs are those of {addresses}", 1)

    def sum_of_counters(self, *names):
        """What all standing ramsons have counted under these names."""
        all_counters = [relay.counters() for relay in self.standing]
        return {name: sum(c.get(name, 0) for c in all_counters) for name in names}


def fetch(host, length, timeout=120, tries=1, proxy=f"{LOCAL}:{SOCKS_PORT}"):
    """Fetches `length` bytes of an onion service by curl, and checks them."""
    for _ in range(tries):
        done = subprocess.run(
            ["curl", "--silent", "--show-error", "--fail", "--max-time", str(timeout),
             "--socks5-hostname", proxy, f"http://{host}/bytes/{length}"], capture_output=True)
        if done.returncode == 0:
            break
    else:
        raise Failure(f"curl: {done.stderr.decode().strip()}")
    if len(done.stdout) != length or done.stdout != httpd.content(length):
        raise Failure(f"{len(done.stdout)} bytes came, and they are not those of the server")


def wait_reachable(host, timeout=150):
    """Waits until the service can be reached: it is published, and its points are built."""
    def reached():
        try:
            fetch(host, 100, timeout=40)
            return True
        except Failure:
            return False
    wait_until(reached, timeout, f"the service at {mask(host)} can be reached", 1)


def mask(host):
    """What is shown of an address."""
    return re.sub(r"^(.{6})[^.]*", r"\1…", host)


class BalancedNetwork(OnionNetwork):
    """For onionbalance, which takes a test network's voting interval to be 20 seconds.

    Version 0.2.2 never ends where there are no more than four HSDirs: here tor's relays are, too.
    """

    AUTHORITIES_ALSO = OnionNetwork.AUTHORITIES_ALSO + """
V3AuthVotingInterval 20 seconds
TestingDirAuthVoteHSDir *
"""
