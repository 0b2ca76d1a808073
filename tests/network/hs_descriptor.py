# SPDX-License-Identifier: BSD-3-Clause
"""Descriptors of onion services that do not exist: the outer layer, with anything encrypted in it
(rend-spec-v3 2.4)."""

import base64
import hashlib
import random
import struct
import time

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

SIZE_MAX = 49_999  # HSV3MaxDescriptorSize, which is 50000, is refused
CERT_HS_DESC_SIGNING = 8
SIGNATURE_PREFIX = b"Tor onion service descriptor sig v3"
LINE = 48  # bytes that a line of base64 stands for


def key_of(*seed):
    """A key pair by what it is named."""
    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(repr(seed).encode()).digest())


def public(key):
    return key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def pem(label, data):
    lines = [base64.b64encode(data[i:i + LINE]).decode() for i in range(0, len(data), LINE)]
    return "\n".join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""])


class Descriptor:
    """One service's, by its name: the same name, revision and size are the same text."""

    def __init__(self, name, now=None):
        self.name, self.now = name, int(time.time()) if now is None else now
        self.blinded, self.signing = key_of(name, "blinded"), key_of(name, "signing")

    @property
    def path(self):
        """Where a directory has it."""
        key = base64.b64encode(public(self.blinded)).decode().rstrip("=")
        return f"/tor/hs/3/{key}"

    def cert(self, kind=CERT_HS_DESC_SIGNING, expires_s=None, signed_by=None, embedded=True):
        expires = (self.now + 86400 if expires_s is None else expires_s) // 3600
        body = struct.pack(">BBIB", 1, kind, expires, 1) + public(self.signing)
        body += struct.pack(">BHBB", 1, 32, 4, 0) + public(self.blinded) if embedded else b"\0"
        return body + (signed_by or self.blinded).sign(body)

    def text(self, size=SIZE_MAX, revision=1, lifetime=180, version=3, cert=None, signed_by=None,
             more="", encrypted=None):
        """At most so large, and less than a line of base64 smaller."""
        head = (f"hs-descriptor {version}\ndescriptor-lifetime {lifetime}\n"
                f"descriptor-signing-key-cert\n{pem('ED25519 CERT', cert or self.cert())}"
                f"revision-counter {revision}\n{more}superencrypted\n")
        # Salt and MAC are 48 bytes of what is encrypted.
        room = size - len(head) - len(pem("MESSAGE", b"")) - len("signature \n") - 86
        encrypted = encrypted or random.Random(f"{self.name} {revision}").randbytes(room // 65 * LINE)
        signed = (head + pem("MESSAGE", encrypted)).encode()
        signature = (signed_by or self.signing).sign(SIGNATURE_PREFIX + signed)
        return signed + b"signature " + base64.b64encode(signature).rstrip(b"=") + b"\n"
