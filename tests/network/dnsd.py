#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""DNS server for the tests' exits. Usage: dnsd.py ADDRESS PORT NAME=IPv4 …

A name that it does not know does not exist; one that begins with "broken." is answered by FORMERR,
one that begins with "silent." not at all. (libevent takes SERVFAIL for silence: an exit then answers
late or never, and whether three have answered before a client gives up is a matter of chance.) The reverse names of the addresses are known, too.
"""

import socket
import struct
import sys

A, PTR, ANY_CLASS_IN = 1, 12, 1
NO_ERROR, FORMERR, NXDOMAIN = 0, 1, 3
TTL_S = 60


def labels(name):
    parts = (part.encode() for part in name.split("."))
    return b"".join(bytes([len(p)]) + p for p in parts) + b"\0"


def read_name(query, at):
    parts = []
    while query[at]:
        parts.append(query[at + 1:at + 1 + query[at]].decode("latin-1"))
        at += 1 + query[at]
    return ".".join(parts).lower(), at + 1


def reverse(address):
    return ".".join(reversed(address.split("."))) + ".in-addr.arpa"


def answer(query, hosts):
    """The reply to a query, or None for none."""
    name, end = read_name(query, 12)
    kind, _class = struct.unpack_from(">HH", query, end)
    question = query[12:end + 4]
    record, code = None, NO_ERROR
    names = {reverse(address): host for host, address in hosts.items()}
    if name.startswith("silent."):
        return None
    if name.startswith("broken."):
        code = FORMERR
    elif name in hosts and kind == A:
        record = socket.inet_aton(hosts[name])
    elif name in names and kind == PTR:
        record = labels(names[name])
    elif name not in hosts and name not in names:
        code = NXDOMAIN
    reply = query[:2] + struct.pack(">HHHHH", 0x8180 | code, 1, 1 if record else 0, 0, 0) + question
    if record:
        reply += b"\xc0\x0c" + struct.pack(">HHIH", kind, ANY_CLASS_IN, TTL_S, len(record)) + record
    return reply


def serve(address, port, hosts):
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind((address, port))
    while True:
        query, peer = server.recvfrom(4096)
        try:
            if reply := answer(query, hosts):
                server.sendto(reply, peer)
        except (IndexError, struct.error):
            pass  # no DNS


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]), dict(word.split("=") for word in sys.argv[3:]))
