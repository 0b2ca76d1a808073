# SPDX-License-Identifier: BSD-3-Clause
"""Private networks in which ramson is a client: of tor relays, or of ramsons with tor's exits.

    10.90.0.11 …       exits          resolve names by the DNS server; refuse port 81, and 10.90.0.202
    10.90.0.201        DNS server     www.test is 10.90.0.200, where the HTTP server is
    10.91.N.2          clients        SOCKS 127.0.0.1:9150 + N and a Unix socket
"""

import os
import signal
import sys

from network import Network
from process import Process, wait_until
from ramson import RamsonClient, TorInPlace
from tornet import HTTP, LOCAL

DNS, DNS_PORT, FORBIDDEN, HIDDEN = "10.90.0.201", 53, 81, "10.90.0.202"
NAME = "www.test"
FAR, FAR_NAME = "203.0.113.7", "far.test"  # exits don't tell names of private addresses
SOCKS_FIRST = 9150  # of the first client

EXIT_ALSO = f"""
ServerDNSDetectHijacking 0
ServerDNSAllowBrokenConfig 1
ServerDNSAllowNonRFC953Hostnames 1
ServerDNSResolvConfFile {{resolv}}
ExitPolicy reject *:{FORBIDDEN}, reject {HIDDEN}:*, accept *:*
"""


class OriginNetwork(Network):
    """Of tor relays alone; clients are added by the tests' own `add_client`."""

    def __init__(self, debug=None, release=None, ramsons=0, prefix="ramson-origin", subject=True,
                 **options):
        super().__init__(debug, release, ramsons=ramsons, prefix=prefix, **options)
        resolv = os.path.join(self.directory, "resolv.conf")
        with open(resolv, "w") as file:
            file.write(f"nameserver {DNS}\n")
        for node in self.exits:
            node.text = node.text.replace("ExitPolicy accept *:*\n",
                                          EXIT_ALSO.replace("{resolv}", resolv))
        self.dns, self.with_subject, self.subject = None, subject, None

    def start_nodes(self):
        self.namespace.add_address(DNS)
        server = os.path.join(os.path.dirname(__file__), "dnsd.py")
        self.dns = Process("dnsd", [sys.executable, server, DNS, str(DNS_PORT), f"{NAME}={HTTP}",
                            f"{FAR_NAME}={FAR}"],
                           os.path.join(self.logs, "dnsd.log"), outlives=self.outlives)
        super().start_nodes()

    def up(self):
        super().up()
        if self.with_subject:
            self.subject = self.add_client(**self.client_options())
            self.standing.append(self.subject)

    def client_options(self):
        return {}

    def add_client(self, start=True, kind=None, build=None, **options):
        """One more client; it has bootstrapped when this returns."""
        kind = kind or (TorClient if self.stand_in else OriginClient)
        client = kind(self, len(self.ramsons), self.binaries[build or self.wanted[1]], **options)
        self.ramsons.append(client)
        if start:
            client.start().wait_bootstrapped()
        return client

    def processes(self):
        return super().processes() + [p for p in [self.dns] if p]


class RamsonsNetwork(OriginNetwork):
    """Of ramson's relays before tor's exits: clients are told to begin at them and to go on by them."""

    def __init__(self, debug=None, release=None, **options):
        super().__init__(debug, release, ramsons=3, prefix="ramson-origin2", **options)

    def client_options(self):
        relays = [self.fingerprint(r.name) for r in self.standing]
        return {"nodes": {"entry": relays, "middle": relays}}


class OriginClient(RamsonClient):
    """ramson with a SOCKS port of TCP and one that is a Unix socket."""

    def __init__(self, net, index, *arguments, **options):
        super().__init__(net, index, *arguments, socks=[{"listen": f"{LOCAL}:{SOCKS_FIRST + index}"}],
                         **options)
        self.unix = self.data("socks")
        self.config["socks"].append({"listen": f"unix:{self.unix}"})


STAND_IN = """
SocksPort 127.0.0.1:{port} IPv6Traffic
SocksPort unix:{unix}
ControlPort 127.0.0.1:{control_port}
CookieAuthentication 0
OutboundBindAddress {address}
UseEntryGuards 1
FetchDirInfoEarly 1
FetchDirInfoExtraEarly 1
"""


class TorClient(TorInPlace):
    """A real tor client: in ramson's place to try the tests without it, and beside it to compare."""

    def __init__(self, net, index, *_arguments, nodes=None, **_options):
        self.socks_port = (LOCAL, SOCKS_FIRST + index)
        super().__init__(net, f"torclient{index}", f"10.92.{index}.3", "")
        self.unix = os.path.join(self.directory, "socks")
        self.text += STAND_IN.format(port=self.socks_port[1], unix=self.unix, address=self.address,
                                     control_port=SOCKS_FIRST + 500 + index)
        for option, key in (("EntryNodes", "entry"), ("MiddleNodes", "middle"), ("ExitNodes", "exit")):
            if nodes and key in nodes:
                self.text += f"{option} {','.join(nodes[key])}\n"
        self.log = os.path.join(net.logs, self.name + ".log")

    def start(self):
        if self.process is None:
            self.net.namespace.add_address(self.address)
            self.write([a.line() for a in self.net.authorities])
        super().start()
        return self

    def wait_bootstrapped(self, timeout=60):
        wait_until(lambda: "Bootstrapped 100%" in self.process.output(), timeout,
                   f"{self.name} has bootstrapped", 0.02)
