#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Stem reads the descriptor of an onion service that we made, in all layers, and checks its
signatures.

check_onion_descriptor.py PROGRAM: what print_onion_descriptor.c writes is checked.
"""
import subprocess
import sys

try:
    from cryptography.hazmat.primitives import serialization
    from stem.descriptor.hidden_service import (HiddenServiceDescriptorV3, OuterLayer)
except ImportError:
    sys.exit("FAIL: no stem or cryptography for %s" % sys.executable)

FORMS = serialization.Encoding.Raw, serialization.PublicFormat.Raw


def raw(key):
    return key.public_bytes(*FORMS).hex().upper()


def make(clients, points):
    text = subprocess.run([sys.argv[1], str(clients), str(points)], check=True,
                          stdout=subprocess.PIPE, text=True).stdout
    head, descriptor = text.split("\n\n", 1)
    return [line.split(" ") for line in head.splitlines()], descriptor


def specifiers(point):
    return (bytes([len(point.link_specifiers)]) +
            b"".join(s.pack() for s in point.link_specifiers)).hex().upper()


def read(expected, text):
    """What stem finds, in the program's order."""
    descriptor = HiddenServiceDescriptorV3.from_str(text, validate=True)
    address = expected[0][1]
    inner = descriptor.decrypt(address)
    assert inner.is_single_service and inner.formats == [2], inner
    assert descriptor.lifetime == 180 and descriptor.revision_counter == 42
    OuterLayer(str(inner.outer), validate=True)
    found = [["address", address],
             ["blinded", descriptor.signing_cert.signing_key().hex().upper()]]
    for p in inner.introduction_points:
        for cert in p.auth_key_cert, p.enc_key_cert:
            assert not cert.is_expired()
            assert cert.signing_key() == descriptor.signing_cert.key
        found += [["specifiers", specifiers(p)], ["onion-key", raw(p.onion_key())],
                  ["auth-key", raw(p.auth_key())], ["enc-key", raw(p.enc_key())]]
    return found, len(inner.outer.clients)


for n in range(4):
    expected, text = make(0, n)
    found, lines = read(expected, text)
    assert found == expected, (found, expected)
    assert lines == 16, lines

# With clients, stem can't read the inner layer, and that is right.
for clients in 1, 17:
    expected, text = make(clients, 3)
    try:
        read(expected, text)
        sys.exit("FAIL: an inner layer without authorisation")
    except Exception as error:
        assert "unable to decrypt" in str(error).lower() or "mac" in str(error).lower(), error

# A changed byte must be seen, else the checks above say nothing.
expected, text = make(0, 1)
try:
    HiddenServiceDescriptorV3.from_str(text.replace("lifetime 180", "lifetime 181"), validate=True)
    sys.exit("FAIL: a changed descriptor is taken")
except ValueError:
    pass
