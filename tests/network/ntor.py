# SPDX-License-Identifier: BSD-3-Clause
"""The client's side of the ntor handshake (tor-spec, "The "ntor" handshake")."""

import hashlib
import hmac

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from process import Failure

PROTOID = b"ntor-curve25519-sha256-1"


def _mac(message, key):
    return hmac.new(PROTOID + key, message, hashlib.sha256).digest()


class Ntor:
    """`skin` is what to send."""

    def __init__(self, identity, onion_key):
        self.identity, self.onion_key = identity, onion_key
        self.private = X25519PrivateKey.generate()
        self.public = self.private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.skin = identity + onion_key + self.public

    def _exchange(self, public):
        return self.private.exchange(X25519PublicKey.from_public_bytes(public))

    def finish(self, reply, length):
        """So many bytes of key material, once the reply proves that the relay has its keys."""
        theirs, auth = reply[:32], reply[32:64]
        secret = (self._exchange(theirs) + self._exchange(self.onion_key) + self.identity
                  + self.onion_key + self.public + theirs + PROTOID)
        proof = (_mac(secret, b":verify") + self.identity + self.onion_key + theirs + self.public
                 + PROTOID + b"Server")
        if not hmac.compare_digest(_mac(proof, b":mac"), auth):
            raise Failure("the answer to an ntor handshake does not verify")
        return HKDF(hashes.SHA256(), length, PROTOID + b":key_extract",
                    PROTOID + b":key_expand").derive(secret)
