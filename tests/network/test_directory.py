# SPDX-License-Identifier: BSD-3-Clause
"""What the directory authorities make of ramson."""

import os
import shutil
import signal

import stem.descriptor.extrainfo_descriptor
import stem.descriptor.server_descriptor

from cases import case
from process import Failure, wait_until
from tornet import EXIT, LISTEN, TorNode


def descriptor(net, relay, fingerprint):
    text = net.descriptor_text(fingerprint)
    if not text:
        raise Failure(f"no authority has a descriptor of {relay.name}")
    return stem.descriptor.server_descriptor.RelayDescriptor(text, validate=True)


@case()
def consensus(net):
    """
    ramson ──publishes──► 3 authorities ──vote──► consensus: Running, Valid

    The authorities give Running only to relays that they have connected to themselves.
    """
    for relay, entry in zip(net.ramsons, net.wait_listed([r.name for r in net.ramsons])):
        if "Valid" not in entry.flags:
            raise Failure(f"{relay.name} has only the flags {entry.flags}")
        if (entry.address, entry.or_port) != (relay.address, 9001):
            raise Failure(f"{relay.name} is listed at {entry.address}:{entry.or_port}")


@case()
def descriptor_validates(net):
    """
    ramson ──descriptor and extra-info──► authority ──► python3-stem, validation on

    Signatures and digests are checked, and the extra-info is the one the descriptor names.
    """
    for relay in net.ramsons:
        fingerprint = net.fingerprint(relay.name)
        server = descriptor(net, relay, fingerprint)
        if server.address != relay.address or server.or_port != 9001:
            raise Failure(f"the descriptor says {server.address}:{server.or_port}")
        if not server.ed25519_certificate or not server.ed25519_master_key:
            raise Failure("the descriptor has no Ed25519 identity")
        text = net.descriptor_text(fingerprint, "extra")
        if not text:
            raise Failure("no authority has the extra-info")
        extra = stem.descriptor.extrainfo_descriptor.RelayExtraInfoDescriptor(text, validate=True)
        if extra.digest() != server.extra_info_digest:
            raise Failure("the extra-info is not the one that the descriptor names")


@case()
def keys_of_a_tor_relay(net):
    """
    tor relay "moved" ──publishes──► authorities       its keys/ ──copied──► ramson "moved"
    ramson "moved"    ──publishes──► authorities       same identities, another address
    """
    old = TorNode(net, "mover", "10.90.0.50", (LISTEN + EXIT).replace("{name}", "moved"))
    net.namespace.add_address(old.address)
    fingerprint = old.fingerprint()
    net.start_node(old)
    before = wait_until(lambda: net.descriptor_text(fingerprint), 60, "tor's descriptor")
    before = stem.descriptor.server_descriptor.RelayDescriptor(before, validate=True)
    old.process.stop(signal.SIGTERM)

    relay = net.add_ramson(nickname="moved", start=False)
    shutil.copytree(os.path.join(old.directory, "keys"), relay.data("keys"))
    relay.start()
    try:
        def published():
            now = stem.descriptor.server_descriptor.RelayDescriptor(
                net.descriptor_text(fingerprint), validate=True)
            return now if now.address == relay.address else None
        after = wait_until(published, 60, "ramson's descriptor with the moved keys")
        for field in ("fingerprint", "ed25519_master_key", "signing_key", "ntor_onion_key"):
            if getattr(before, field) != getattr(after, field):
                raise Failure(f"{field} was {getattr(before, field)}, "
                              f"and is {getattr(after, field)}")
    finally:
        relay.stop()
