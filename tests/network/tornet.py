# SPDX-License-Identifier: BSD-3-Clause
"""A private Tor network of real `tor` processes: authorities, exits and one client.

    10.90.0.1 … 3      authorities   OR 5000, directory 7000
    10.90.0.11 …       relays        OR 5000, exits to any address
    10.90.0.100        client        SOCKS 127.0.0.1:9050, control 127.0.0.1:9051
    10.90.0.200        HTTP server   80

All of them are addresses of the namespace's loopback device. Intervals are as short as tor allows,
so that a relay is in the consensus 10 to 20 s after it has published itself.
"""

import http.client
import io
import os
import re
import subprocess

import stem.descriptor

from process import Process, wait_until

OR_PORT, DIR_PORT, SOCKS_PORT, CONTROL_PORT, HTTP_PORT = 5000, 7000, 9050, 9051, 80
CLIENT, HTTP, LOCAL = "10.90.0.100", "10.90.0.200", "127.0.0.1"

COMMON = """
TestingTorNetwork 1
Nickname {name}
DataDirectory {directory}
Log {level} stdout
SafeLogging 0
LogTimeGranularity 1
AvoidDiskWrites 0
DisableDebuggerAttachment 0
ConnectionPadding auto
AssumeReachable 1
PathsNeededToBuildCircuits 0.25
ContactInfo none
"""

LISTEN = """
Address {address}
OutboundBindAddress {address}
ORPort {address}:{or_port} IPv4Only
SocksPort 0
"""

AUTHORITY = """
AuthoritativeDirectory 1
V3AuthoritativeDirectory 1
VersioningAuthoritativeDirectory 1
RecommendedVersions 0.4.9.11
DirPort {address}:{dir_port}
ExitPolicy reject *:*
V3AuthVotingInterval 10 seconds
V3AuthVoteDelay 2 seconds
V3AuthDistDelay 2 seconds
V3AuthNIntervalsValid 6
TestingV3AuthInitialVotingInterval 5 seconds
TestingV3AuthInitialVoteDelay 2 seconds
TestingV3AuthInitialDistDelay 2 seconds
TestingDirAuthVoteGuard *
AuthDirVoteStableGuaranteeMinUptime 0
AuthDirVoteStableGuaranteeMTBF 0
AuthDirFastGuarantee 1 KB
AuthDirTestReachability 1
"""

EXIT = """
ExitRelay 1
ExitPolicyRejectPrivate 0
RefuseUnknownExits 0
ExitPolicy accept *:*
"""

CLIENT_ONLY = """
SocksPort 127.0.0.1:{socks_port}
ControlPort 127.0.0.1:{control_port}
OutboundBindAddress {address}
CookieAuthentication 0
UseEntryGuards 1
NumEntryGuards 1
LearnCircuitBuildTimeout 0
CircuitBuildTimeout 30
CircuitStreamTimeout 60
FetchDirInfoEarly 1
FetchDirInfoExtraEarly 1
FetchUselessDescriptors 1
"""


def tor(*arguments, **options):
    return subprocess.run(["tor", *arguments], capture_output=True, text=True, check=True,
                          **options).stdout


class TorNode:
    """One `tor` process: its torrc, its directory, and the process once started."""

    def __init__(self, net, name, address, text, level="notice"):
        self.net, self.name, self.address = net, name, address
        self.directory = os.path.join(net.directory, name)
        self.process = None
        os.makedirs(self.directory, mode=0o700)
        self.torrc = os.path.join(self.directory, "torrc")
        self.text = (COMMON + text).format(
            name=name, directory=self.directory, address=address, or_port=OR_PORT,
            dir_port=DIR_PORT, socks_port=SOCKS_PORT, control_port=CONTROL_PORT, level=level)

    def write(self, authority_lines):
        with open(self.torrc, "w") as file:
            file.write(self.text + "".join(line + "\n" for line in authority_lines))

    def start(self):
        self.process = Process(self.name, ["tor", "--quiet", "--defaults-torrc", "/dev/null",
                                           "-f", self.torrc],
                               os.path.join(self.net.logs, self.name + ".log"),
                               outlives=self.net.outlives)
        return self.process

    def make_authority_keys(self):
        """Starts tor-gencert; its result is read by `authority_line`."""
        keys = os.path.join(self.directory, "keys")
        os.makedirs(keys, mode=0o700, exist_ok=True)
        gencert = subprocess.Popen(
            ["tor-gencert", "--create-identity-key", "--passphrase-fd", "0", "-m", "12",
             "-a", f"{self.address}:{DIR_PORT}", "-i", "authority_identity_key",
             "-s", "authority_signing_key", "-c", "authority_certificate"],
            cwd=keys, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        gencert.stdin.write(b"ramson\n")
        gencert.stdin.close()
        return gencert

    def fingerprint(self):
        """Makes the relay's keys when there are none yet."""
        with open(os.path.join(self.directory, "fingerprint.torrc"), "w") as file:
            # An authority can't be configured without naming an authority.
            file.write(self.text + f"DirAuthority x orport=1 v3ident={'0' * 40} 127.0.0.1:1 "
                       + "0" * 40 + "\n")
        text = tor("--quiet", "--defaults-torrc", "/dev/null", "--list-fingerprint",
                   "-f", file.name)
        return re.search(r"^\S+ ((?:[0-9A-F]{4} ?){10})$", text, re.M)[1].replace(" ", "")


class Authority(TorNode):
    def __init__(self, net, index):
        super().__init__(net, f"auth{index}", f"10.90.0.{1 + index}",
                         LISTEN + AUTHORITY + net.AUTHORITIES_ALSO)
        self.identity = self.v3_identity = None

    def read_keys(self):
        with open(os.path.join(self.directory, "keys", "authority_certificate")) as file:
            self.v3_identity = re.search(r"^fingerprint (\w+)$", file.read(), re.M)[1]
        self.identity = self.fingerprint()

    def line(self):
        return (f"DirAuthority {self.name} orport={OR_PORT} v3ident={self.v3_identity} "
                f"{self.address}:{DIR_PORT} {self.identity}")

    def as_json(self):
        return {"nickname": self.name, "address": self.address, "or_port": OR_PORT,
                "dir_port": DIR_PORT, "identity": self.identity, "v3_identity": self.v3_identity}

    def get(self, path):
        """A document of its directory port, or None when it has no such one."""
        connection = http.client.HTTPConnection(self.address, DIR_PORT, timeout=10)
        try:
            connection.request("GET", path)
            reply = connection.getresponse()
            return reply.read() if reply.status == 200 else None
        except (http.client.HTTPException, OSError):
            return None
        finally:
            connection.close()


class TorNet:
    """The whole network but ramson. `start` returns when the processes run; see `wait_listed`."""

    # More lines for their torrc. tor makes one set of several lines of such an option.
    AUTHORITIES_ALSO = "TestingDirAuthVoteExit *\nTestingDirAuthVoteHSDir *\n"

    def __init__(self, namespace, directory, authorities=3, exits=3, outlives=False):
        self.namespace, self.directory, self.outlives = namespace, directory, outlives
        self.logs = os.path.join(directory, "logs")
        os.makedirs(self.logs, exist_ok=True)
        self.authorities = [Authority(self, i) for i in range(authorities)]
        self.exits = [TorNode(self, f"exit{i}", f"10.90.0.{11 + i}", LISTEN + EXIT)
                      for i in range(exits)]
        self.client = TorNode(self, "client", CLIENT, CLIENT_ONLY)
        self.http = None

    def nodes(self):
        return self.authorities + self.exits + [self.client]

    def start(self):
        self.make_keys()
        self.start_nodes()

    def make_keys(self):
        for making in [a.make_authority_keys() for a in self.authorities]:
            if making.wait() != 0:
                raise RuntimeError("tor-gencert failed")
        for authority in self.authorities:
            authority.read_keys()

    def start_nodes(self):
        self.namespace.add_address(HTTP)
        server = os.path.join(os.path.dirname(__file__), "httpd.py")
        self.http = Process("httpd", ["/usr/bin/python3", server, HTTP, str(HTTP_PORT)],
                            os.path.join(self.logs, "httpd.log"), outlives=self.outlives)
        for node in self.nodes():
            self.namespace.add_address(node.address)
            self.start_node(node)

    def start_node(self, node):
        node.write([a.line() for a in self.authorities])
        return node.start()

    def processes(self):
        return [p for p in [self.http, *(n.process for n in self.nodes())] if p]

    # ---- what the authorities say

    def consensus(self):
        """{nickname: stem's router status entry} of the present consensus."""
        for authority in self.authorities:
            text = authority.get("/tor/status-vote/current/consensus")
            if text:
                entries = stem.descriptor.parse_file(
                    io.BytesIO(text), "network-status-consensus-3 1.0")
                return {entry.nickname: entry for entry in entries}
        return {}

    def wait_listed(self, names, timeout=120, flag="Running"):
        """Waits until the consensus lists all of them with the flag; returns their entries."""
        def listed():
            entries = self.consensus()
            found = [entries[n] for n in names if n in entries and flag in entries[n].flags]
            return found if len(found) == len(names) else None
        return wait_until(listed, timeout, f"{', '.join(names)} in the consensus with {flag}", 0.5)

    def descriptor_text(self, fingerprint, kind="server"):
        for authority in self.authorities:
            text = authority.get(f"/tor/{kind}/fp/{fingerprint}")
            if text:
                return text
        return None


