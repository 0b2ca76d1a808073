# SPDX-License-Identifier: BSD-3-Clause
"""Onion services and their visitors, each in ramson or in tor, with the same methods; and a network
of tor relays with two of each.

    net.add_client(kind=RamsonHost | TorHost | RamsonVisitor | TorVisitor, start=False)

makes one more; a host's services are added to it before it starts. With --stand-in (run.py) ramson's
are tor's.

    10.90.0.200:80     what all services lead to
"""

import base64
import os
import stat
import time

import stem
import stem.control
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import x25519

import socks
from origin import SOCKS_FIRST, OriginClient, OriginNetwork, TorClient
from process import Failure, all_at_once, wait_until
from tornet import HTTP, HTTP_PORT, LOCAL


class Key:
    """A visitor's key for client authorisation, as it stands in tor's files: base32."""

    def __init__(self):
        key = x25519.X25519PrivateKey.generate()
        raw = serialization.Encoding.Raw
        self.private = base32(key.private_bytes(raw, serialization.PrivateFormat.Raw,
                                                serialization.NoEncryption()))
        self.public = base32(key.public_key().public_bytes(raw, serialization.PublicFormat.Raw))


def base32(data):
    return base64.b32encode(data).decode().rstrip("=")


def private_directory(*path):
    directory = os.path.join(*path)
    os.makedirs(directory, mode=0o700, exist_ok=True)
    os.chmod(directory, stat.S_IRWXU)
    return directory


# ---- who serves

class Host:
    """What hosts of both kinds have: `services` are the directories of their services by name."""

    def make_service(self, name, clients=(), directory=None):
        """The directory of a service: a new one, or one that is there already. `clients` are the
        public keys of those who may find it; without any all may."""
        directory = private_directory(directory or os.path.join(self.directory, name))
        private_directory(directory, "authorized_clients")
        for i, key in enumerate(clients):
            path = os.path.join(directory, "authorized_clients", f"client{i}.auth")
            with open(path, "w", opener=lambda p, f: os.open(p, f, 0o600)) as file:
                file.write(f"descriptor:x25519:{key}\n")
        self.services[name] = directory
        return directory

    def host(self, name, timeout=20):
        """The address of a service, once its key is there."""
        path = os.path.join(self.services[name], "hostname")
        wait_until(lambda: os.path.exists(path) and os.path.getsize(path), timeout, f"{path} is there")
        with open(path) as file:
            return file.read().strip()


class TorHost(Host, TorClient):
    """A tor process with onion services."""

    def __init__(self, net, index, *arguments, more="", **options):
        super().__init__(net, index, *arguments, **options)
        self.control_port = SOCKS_FIRST + 500 + index
        self.text += more
        self.services = {}

    def add(self, name, port=HTTP_PORT, target=f"{HTTP}:{HTTP_PORT}", clients=(), pow=False,
            introduction_points=3, directory=None, options=()):
        """One more service; `options` are more lines of torrc."""
        directory = self.make_service(name, clients, directory)
        lines = [f"HiddenServiceDir {directory}", f"HiddenServicePort {port} {target}",
                 f"HiddenServiceNumIntroductionPoints {introduction_points}"]
        if pow:
            lines.append("HiddenServicePoWDefensesEnabled 1")
        self.text += "\n".join([*lines, *options, ""])
        return self

    def control(self):
        """An open controller; the caller closes it."""
        control = stem.control.Controller.from_port(LOCAL, self.control_port)
        control.authenticate()
        return control

    def meeting_places(self, purpose):
        """The relays at the ends of its built circuits of this purpose: HS_SERVICE_INTRO,
        HS_SERVICE_REND."""
        with self.control() as control:
            return [c.path[-1][0] for c in control.get_circuits()
                    if c.purpose == purpose and c.status == "BUILT" and c.path]


class RamsonHost(Host, OriginClient):
    """ramson with onion services."""

    def __init__(self, net, index, *arguments, nickname=None, **options):
        super().__init__(net, index, *arguments, nickname=nickname or f"host{index}", **options)
        self.config["onion_services"] = []
        self.services = {}

    def add(self, name, port=HTTP_PORT, target=f"{HTTP}:{HTTP_PORT}", clients=(), pow=False,
            introduction_points=3, directory=None, **more):
        """One more service; `more` are keys of the configuration."""
        directory = self.make_service(name, clients, directory)
        self.config["onion_services"].append(
            {"directory": directory, "ports": [{"port": port, "target": target}],
             "introduction_points": introduction_points, "proof_of_work": pow, **more})
        return self


# ---- who visits

class TorVisitor(TorClient):
    """A tor client that may be given keys for client authorisation before it starts."""

    def __init__(self, net, index, *arguments, more="", **options):
        super().__init__(net, index, *arguments, **options)
        self.keys = private_directory(self.directory, "client-keys")
        self.text += f"ClientOnionAuthDir {self.keys}\nLongLivedPorts {HTTP_PORT}\n{more}"

    def authorise(self, host, private):
        authorise(self.keys, host, private)
        return self


class RamsonVisitor(OriginClient):
    """The same with ramson."""

    def __init__(self, net, index, *arguments, nickname=None, **options):
        super().__init__(net, index, *arguments, nickname=nickname or f"visitor{index}", **options)
        self.keys = private_directory(self.directory, "client-keys")
        self.config["client_authorization"] = self.keys
        for listener in self.config["socks"]:
            listener["extended_errors"] = True

    def authorise(self, host, private):
        authorise(self.keys, host, private)
        return self


def authorise(keys, host, private):
    name = host.removesuffix(".onion")
    path = os.path.join(keys, f"{name[:8]}.auth_private")
    with open(path, "w", opener=lambda p, f: os.open(p, f, 0o600)) as file:
        file.write(f"{name}:descriptor:x25519:{private}\n")


def fetch(visitor, host, length, timeout=120, user=None):
    """Fetches `length` bytes of a service and checks them."""
    socks.download(visitor.socks_port, host, length, HTTP_PORT, user)


def wait_reachable(visitor, host, timeout=120):
    """Waits until a visitor reaches a service: it is published, and its points are there. Returns
    how many seconds that took."""
    start = time.monotonic()

    def reached():
        try:
            socks.download(visitor.socks_port, host, 100, HTTP_PORT)
            return True
        except (Failure, OSError):
            return False
    wait_until(reached, timeout, f"a service at {host[:6]}… can be reached by {visitor.name}", 0.5)
    return time.monotonic() - start


# ---- all of them in one network

class PairNetwork(OriginNetwork):
    """Of tor relays: a host and a visitor in ramson, and the same in tor.

    Each host has three services: "open", "shut" (for those with a key, which the visitors have), and
    "worked" (with proof of work).
    """

    KINDS = {"ramson": (RamsonHost, RamsonVisitor), "tor": (TorHost, TorVisitor)}
    SERVICES = {"open": {}, "shut": {}, "worked": {"pow": True}}

    def __init__(self, debug=None, release=None, exits=6, prefix="ramson-pair", **options):
        super().__init__(debug, release, exits=exits, prefix=prefix, subject=False, **options)
        self.hosts, self.visitors, self.key = {}, {}, Key()

    def up(self):
        super().up()
        for name in self.KINDS:
            self.hosts[name], self.visitors[name] = self.make_pair(name)
        for host in self.hosts.values():
            for service, options in self.SERVICES.items():
                keys = [self.key.public] if service == "shut" else ()
                host.add(service, clients=keys, **options)
        for host in self.hosts.values():
            host.start()
        for visitor in self.visitors.values():
            for host in self.hosts.values():
                visitor.authorise(host.host("shut"), self.key.private)
            visitor.start()
        both = [*self.hosts.values(), *self.visitors.values()]
        all_at_once([p.wait_bootstrapped for p in both])
        self.standing += both

    def make_pair(self, name):
        kinds = self.KINDS["tor" if self.stand_in else name]
        return [self.add_client(kind=kind, start=False) for kind in kinds]
