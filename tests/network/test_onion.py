# SPDX-License-Identifier: BSD-3-Clause
"""Onion services and visitors that are tor, with ramson at every meeting place."""

import base64
import hashlib
import ipaddress
import os

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, x25519

from cases import case
from onion import RAMSONS, TORS, fetch, wait_reachable
from process import Failure, Process
from tornet import LOCAL

ONION, BALANCED = "onion.OnionNetwork", "onion.BalancedNetwork"


@case(timeout=400, network=ONION)
def onion_service(net):
    """
    visitor ──► … ──► ramson (rendezvous) ◄── … ◄── service, found by ramson's HSDirs and met at
    ramson's introduction points: 50 MB, byte for byte
    """
    before = dict.fromkeys(("hsdir_stored", "hsdir_fetched", "introductions", "rendezvous_joined"),
                           0)
    host = net.services[0].host("plain")
    wait_reachable(host, 240)
    fetch(host, 50_000_000, timeout=240)
    check_places(net, net.services[0], "HS_SERVICE_INTRO", RAMSONS)
    check_places(net, net.services[0], "HS_SERVICE_REND", RAMSONS)
    check_grown(net, before)


def new_key():
    """A client's key pair, as tor writes the two in its files: base32."""
    key = x25519.X25519PrivateKey.generate()
    private = key.private_bytes(serialization.Encoding.Raw, serialization.PrivateFormat.Raw,
                                serialization.NoEncryption())
    public = key.public_key().public_bytes(serialization.Encoding.Raw,
                                           serialization.PublicFormat.Raw)
    return [base64.b32encode(k).decode().rstrip("=") for k in (private, public)]


@case(timeout=300, network=ONION)
def onion_client_authorisation(net):
    """
    a service that is found by those only who have a key: without it no, with it yes
    """
    private, public = new_key()
    net.services[0].add("shut", clients=[public])
    net.services[0].reload()
    host = net.services[0].host("shut")
    name = host.removesuffix(".onion")
    raw = base64.b64encode(base64.b32decode(private + "====")).decode()
    net.control.control.msg(f"ONION_CLIENT_AUTH_ADD {name} x25519:{raw}")
    wait_reachable(host)
    fetch(host, 1_000_000)


@case(timeout=300, network=ONION)
def onion_proof_of_work(net):
    """
    a service with proof-of-work defences: their parameters in the descriptor, a visitor's work in
    its INTRODUCE1
    """
    net.services[0].add("worked", "HiddenServicePoWDefensesEnabled 1")
    net.services[0].reload()
    host = net.services[0].host("worked")
    wait_reachable(host)
    fetch(host, 1_000_000)


@case(timeout=400, network=ONION)
def onion_introduction_alone(net):
    """the introduction points are ramson's; HSDirs and the rendezvous point are tor's"""
    alone(net, hsdirs=TORS, introduction=RAMSONS, rendezvous=TORS, grown=["introductions"])


@case(timeout=400, network=ONION)
def onion_rendezvous_alone(net):
    """the rendezvous point is ramson's; HSDirs and the introduction points are tor's"""
    alone(net, hsdirs=TORS, introduction=TORS, rendezvous=RAMSONS, grown=["rendezvous_joined"])


@case(timeout=400, network=ONION)
def onion_hsdir_alone(net):
    """the HSDirs are ramson's; introduction and rendezvous points are tor's"""
    alone(net, hsdirs=RAMSONS, introduction=TORS, rendezvous=TORS,
          grown=["hsdir_stored", "hsdir_fetched"])


def alone(net, hsdirs, introduction, rendezvous, grown):
    """A new service that can be found and met at these places only, and a visit to it.

    A tor process picks introduction points (the service's) and rendezvous points (the visitor's)
    among the relays that it doesn't exclude; it uses those of the other all the same.
    """
    others = {TORS: RAMSONS, RAMSONS: TORS}
    net.control.control.set_conf("ExcludeNodes", others[rendezvous])
    net.set_hsdirs(hsdirs)
    before = net.sum_of_counters(*grown)
    service = net.add_service(others[introduction])
    try:
        service.add("alone")
        service.run()
        host = service.host("alone")
        wait_reachable(host)
        fetch(host, 1_000_000)
        check_places(net, service, "HS_SERVICE_INTRO", introduction)
        check_places(net, service, "HS_SERVICE_REND", rendezvous)
    finally:
        service.process.stop()
        net.control.control.set_conf("ExcludeNodes", TORS)
        net.set_hsdirs(RAMSONS)
    check_grown(net, before)


def check_places(net, service, purpose, wanted):
    """That the service's circuits of this purpose all end at relays with wanted addresses."""
    network = ipaddress.ip_network(wanted)
    addresses = {e.fingerprint: e.address for e in net.consensus().values()}
    places = [addresses.get(f) for f in service.meeting_places(purpose)]
    wrong = [a for a in places if a is None or ipaddress.ip_address(a) not in network]
    if not places or wrong:
        raise Failure(f"{purpose} at {places}, not only in {wanted}")


def check_grown(net, before):
    """That ramsons have counted more under each of these names."""
    after = net.sum_of_counters(*before)
    for name, count in before.items():
        if after[name] <= count and not net.stand_in:
            raise Failure(f"no ramson has counted more under {name}")


@case(network=ONION)
def onion_ends(net):
    """
    ramson as guard, HSDir, introduction and rendezvous point of services that are up ✗ SIGTERM:
    status 0, and no leak
    """
    for relay in net.standing:
        relay.end_well()
        relay.start()


@case(timeout=500, network=BALANCED)
def onion_balance(net):
    """
    onionbalance's address, behind it a tor instance whose introduction points are ramson's:
    descriptors fetched from HSDirs of both kinds, put together and published there again
    """
    directory = os.path.join(net.directory, "balance")
    os.makedirs(directory, mode=0o700)
    address, key = make_frontend(directory)
    net.services[0].add("instance", "HiddenServiceOnionbalanceInstance 1")
    with open(os.path.join(net.services[0].services["instance"], "ob_config"), "w") as file:
        file.write(f"MasterOnionAddress {address}\n")
    net.services[0].reload()
    instance = net.services[0].host("instance")
    config = os.path.join(directory, "config.yaml")
    with open(config, "w") as file:
        file.write(f"services:\n- instances:\n  - address: {instance}\n    name: one\n"
                   f"  key: {key}\n")
    tor = net.add_service().run()
    tor.wait_bootstrapped()
    balance = Process("onionbalance", ["onionbalance", "--is-testnet", "-i", LOCAL, "-p",
                                       str(tor.control_port), "-c", config, "-v", "debug"],
                      os.path.join(net.logs, "onionbalance.log"))
    try:
        wait_reachable(address, 300)
        fetch(address, 1_000_000)
    finally:
        balance.stop()


def make_frontend(directory):
    """The address of a new key, and the key's file."""
    key = ed25519.Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes(serialization.Encoding.Raw,
                                           serialization.PublicFormat.Raw)
    checksum = hashlib.sha3_256(b".onion checksum" + public + b"\3").digest()[:2]
    address = base64.b32encode(public + checksum + b"\3").decode().lower() + ".onion"
    path = os.path.join(directory, "frontend.key")
    with open(path, "wb") as file:
        file.write(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                     serialization.NoEncryption()))
    return address, path
