#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Makes tests/fuzz/seeds/PARSER/NAME of directory documents from those of tests/unit/netdoc/data."""

import gzip
import os
import re
import zlib

HERE = os.path.dirname(os.path.abspath(__file__))
DATA = os.path.join(HERE, "../unit/netdoc/data")


def load(name):
    with open(os.path.join(DATA, name)) as file:
        return file.read()


def save(parser, name, text, mode="w"):
    os.makedirs(os.path.join(HERE, "seeds", parser), exist_ok=True)
    with open(os.path.join(HERE, "seeds", parser, name), mode) as file:
        file.write(text)


def split(text, keyword):
    return [keyword + part for part in re.split(rf"(?m)^{keyword}(?=[ \n])", text)[1:]]


def small(consensus):
    """Two of its routers, and two signatures."""
    header, *routers = re.split(r"(?m)^(?=r )", consensus)
    footer = routers[-1][routers[-1].index("directory-footer"):]
    signatures = re.split(r"(?m)^(?=directory-signature )", footer)
    return header + "".join(routers[:2]) + "".join(signatures[:3])


def main():
    micro = load("consensus-microdesc")
    save("consensus", "plain", small(load("consensus")))
    save("consensus", "microdesc", small(micro).replace(
        "\nparams", "\nshared-rand-current-value 5 AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
        "\nparams").replace("\ns ", "\na [2001:db8::1]:9001\ns "))
    save("certificate", "one", split(load("certificates"), "dir-key-certificate-version")[0])
    save("microdescriptor", "two", "".join(split(load("microdescriptors"), "onion-key")[:2]))
    save("microdescriptor", "full", split(load("microdescriptors"), "onion-key")[0] +
         "a [2001:db8::1]:9001\nfamily $D219590AC9513BCDEBBA9AB721007A4CC01BBAE3 other\n"
         "family-ids ed25519:dXMgdGhlIHRyaXVtcGguICAgIC1UaG9tYXMgUGFpbmU\np6 accept 80,443\n")
    save("port_policy", "accept", "accept 20-23,43,fred,80")
    save("port_policy", "reject", "reject 25,119,135-139,,445")
    save("node_family", "both", "$D219590AC9513BCDEBBA9AB721007A4CC01BBAE3=a !x relay\n"
         "ed25519:dXMgdGhlIHRyaXVtcGguICAgIC1UaG9tYXMgUGFpbmU other:a")
    save("router", "descriptor", split(load("descriptors"), "router")[0])
    save("router", "extra-info", split(load("extra-infos"), "extra-info")[0])
    save("protocol_list", "two", "\n".join(re.findall(r"-relay-protocols (.*)", micro)))
    save("tokens", "items", "published 2026-11-22 22:13:30\nopt fingerprint 00AAff 17 -5\n"
         "key\n-----BEGIN RSA PUBLIC KEY-----\nAAECAw==\n-----END RSA PUBLIC KEY-----\n")
    # What fuzz_answer reads: what it is of, how it is packed, then the answer.
    answers = {
        "certificates": b"\0\0" + split(load("certificates"),
                                        "dir-key-certificate-version")[0].encode(),
        "consensus": b"\1\0" + small(load("consensus")).encode(),
        "microdesc": b"\x81\1" + zlib.compress(small(micro).encode(), 9),
        "microdescriptors": b"\2\2" + gzip.compress(load("microdescriptors").encode(), 9, mtime=0),
        "descriptors": b"\3\0" + split(load("descriptors"), "router")[0].encode(),
        "diff": b"\1\0" + small(load("consensus")).encode() + b"network-status-diff-version 1\n"
                b"hash " + b"0" * 64 + b" " + b"0" * 64 + b"\n3d\n",
    }
    for name, answer in answers.items():
        save("answer", name, answer, "wb")


main()
