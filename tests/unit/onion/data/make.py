#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Makes what the tests of onion services read, with other people's code: a descriptor by stem 1.8
(`descriptor`, valid for the 54 hours after `# made`), and ESTABLISH_INTRO messages by hashlib and
python3-cryptography (on standard output, for test_intro_cell.c)."""
import hashlib
import pathlib
import struct
import time

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from stem.client.datatype import LinkByIPv4
from stem.descriptor.hidden_service import (
    HiddenServiceDescriptorV3, InnerLayer, IntroductionPointV3)


def descriptor():
    point = IntroductionPointV3.create_for_link_specifiers([LinkByIPv4('192.0.2.1', 9001)])
    made = HiddenServiceDescriptorV3.create(
        blinding_nonce=hashlib.sha256(b'blinding').digest(),
        inner_layer=InnerLayer.create(introduction_points=[point]))
    here = pathlib.Path(__file__).parent
    (here / 'descriptor').write_bytes(made.get_bytes())
    print('descriptor made at', int(time.time()))


def establish_intro(extensions):
    key = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b'authentication key').digest())
    public = key.public_key().public_bytes(
        serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    nonce = bytes(range(20))
    body = b'\x02\x00\x20' + public + extensions
    body += hashlib.sha3_256(struct.pack('>Q', len(nonce)) + nonce + body).digest()
    return body + b'\x00\x40' + key.sign(b'Tor establish-intro cell v1' + body)


descriptor()
limits = struct.pack('>BBBBBQBQ', 1, 1, 19, 2, 1, 30, 2, 300)
for name, extensions in ('plain', b'\x00'), ('with limits', limits):
    print(name, establish_intro(extensions).hex())
