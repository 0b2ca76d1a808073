#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Writes the seeds that are not text: tests/fuzz/seeds/PARSER/NAME. Run after a format changes."""

import gzip
import lzma
import os
import struct
import zlib

HERE = os.path.dirname(os.path.abspath(__file__))
CELL_BODY = 509


def seed(parser, name, *parts):
    folder = os.path.join(HERE, "seeds", parser)
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, name), "wb") as out:
        out.write(b"".join(parts))


def ones(n, start=1):
    return bytes((start + i) & 255 for i in range(n))


def cell(circid, command, body=b""):
    return struct.pack(">IB", circid, command) + body.ljust(CELL_BODY, b"\0")


def variable(circid, command, body):
    return struct.pack(">IBH", circid, command, len(body)) + body


def specifiers(*pairs):
    return bytes([len(pairs)]) + b"".join(bytes([t, len(b)]) + b for t, b in pairs)


IPV4, RSA_ID, ED_ID = bytes([203, 0, 113, 9]) + b"\x23\x29", ones(20), ones(32)
NTOR = struct.pack(">HH", 2, 84) + ones(84)
NTOR_V3 = struct.pack(">HH", 3, 32 * 4 + 7 + 32) + ones(32 * 4 + 7 + 32)
PARAMETERS = bytes([2, 1, 0, 3, 2, 2, 6])  # congestion control; CGO
FIRST = 0x80000001

seed("extend", "ntor", specifiers((0, IPV4), (2, RSA_ID), (3, ED_ID)), NTOR)
seed("extend", "ntor-v3-ipv6",
     specifiers((1, bytes(16) + b"\x23\x29"), (0, IPV4), (2, RSA_ID), (3, ED_ID), (9, b"")), NTOR_V3)
seed("onion_skin", "ntor", b"\0", NTOR)
seed("onion_skin", "ntor-v3", b"\0", NTOR_V3)
seed("onion_skin", "fast", b"\1", ones(20))
seed("onion_skin", "parameters", PARAMETERS)
seed("link_certs", "responder", b"\3", *(struct.pack(">BH", t, 140) + b"\1" + bytes([t]) +
     struct.pack(">IB", 500000, 1) + ones(32) + b"\1" + struct.pack(">HBB", 32, 4, 0) + ones(96)
     for t in (4, 5, 7)))
seed("link_certs", "certificate", b"\1\4", struct.pack(">IB", 500000, 1), ones(32), b"\1",
     struct.pack(">HBB", 32, 4, 0), ones(96))
seed("link_cells", "netinfo", b"\0", struct.pack(">I", 1800000000), b"\4\4", IPV4[:4], b"\2\4\4",
     IPV4[:4], b"\6\x10", ones(16))
seed("link_cells", "auth-challenge", b"\1", ones(32), b"\0\2\0\1\0\3")
seed("link_cells", "authenticate", b"\2\0\3\1\x60AUTH0003", ones(344))
seed("framing", "circuit", b"\0", cell(FIRST, 10, NTOR), cell(FIRST, 9, ones(CELL_BODY)),
     cell(FIRST, 4, b"\1"))
seed("framing", "link-cells", b"\xc8", cell(0, 0), variable(0, 128, ones(300)),
     variable(0, 129, b""), cell(0, 12, b"\0\2\0\0\0\0"), cell(FIRST, 5, ones(20)))

TEXT = b"".join(b"r relay%d %d 9001\n" % (i, i * 7919) for i in range(20))
seed("decompress", "deflate", b"\1\0", zlib.compress(TEXT))
seed("decompress", "gzip", b"\2\x20", gzip.compress(TEXT, mtime=0))
# A frame of one raw block (RFC 8878); the library's compressor is not in Python.
seed("decompress", "zstd", b"\3\0", bytes.fromhex("28b52ffd2005290000"), b"hello")
seed("decompress", "lzma", b"\4\x20", lzma.compress(TEXT, lzma.FORMAT_ALONE))

AUTH_KEY = b"\2\0\x20" + ones(32)
LIMITS = b"\1\1\x13\2\1" + struct.pack(">QBQ", 30, 2, 300)
for name, extensions in (("plain", b"\0"), ("limits", LIMITS), ("unknown", b"\2\7\1x" + LIMITS[1:])):
    seed("establish_intro", name, AUTH_KEY, extensions, ones(32), b"\0\x40", ones(64))
    seed("introduce1", name, bytes(20), AUTH_KEY, extensions, ones(190))
seed("introduce1", "old", ones(246))

RELAY = specifiers((0, bytes([9, 8, 7, 6]) + b"\x23\x29"), (2, RSA_ID), (3, ED_ID))
POW = b"\x02\x29\1" + ones(16) + struct.pack(">I", 7) + ones(4) + ones(16)
for name, extensions in (("plain", b"\0"), ("congestion-control", b"\1\1\0"), ("pow", b"\2\1\0" + POW),
                         ("unknown", b"\1\7\1x")):
    seed("introduce2", name, b"\0", ones(20), extensions, b"\1\0\x20", ones(32), RELAY, bytes(30))
seed("introduce2", "whole", b"\1", bytes(20), b"\2\0\x20", bytes(32), b"\0", b"\x09", bytes(31),
     ones(190), ones(32))
seed("link_specifiers", "relay", RELAY)
seed("link_specifiers", "all", specifiers((1, bytes(15) + b"\1\x23\x29"), (9, b"xx"), (2, RSA_ID),
                                          (0, bytes([9, 8, 7, 6]) + b"\x23\x29"), (3, bytes(32))))
seed("rendezvous2", "short", ones(64))
seed("rendezvous2", "padded", ones(148))
seed("onion_address", "good", b"www.25njqamcweflpvkl73j4szahhihoc4xt3ktcgjnpaingr5yhkenl5sid.onion")

seed("service_begin", "plain", b":80\0")
seed("service_begin", "named", b"example.onion:65535\0\0\0\0\1")


def step(kind, circuit, argument, body=b""):
    return struct.pack(">BBH", kind * 4 + circuit, argument, len(body)) + body


seed("onion_cells", "introduction", step(0, 1, 1, LIMITS), step(1, 2, 1), step(1, 2, 1),
     step(4, 1, 0), step(1, 3, 1))
seed("onion_cells", "rendezvous", step(2, 1, 0), step(3, 2, 0, ones(64)), step(6, 1, 7, ones(20)))
seed("onion_cells", "waits", step(2, 1, 0), step(2, 0, 1), step(5, 0, 160), step(3, 2, 0, ones(9)))
seed("onion_cells", "raw", *(step(6, i % 4, i, ones(20 + i)) for i in range(14)))
NETWORK = (b"network-status-version 3\nparams a=1\nr one AAAAAAAAAAAAAAAAAAAAAAAAAAA x\ns Fast\n"
           b"r two BAAAAAAAAAAAAAAAAAAAAAAAAAA x\ns Fast\ndirectory-signature a b\nsignature\n")
seed("diff", "commands", b"10,$d\n7,8c\nr two\n.\n4d\n0a\nfirst\n.\n")
seed("diff", "pair", NETWORK, b"\0", NETWORK.replace(b"a=1", b"a=2").replace(b"r one", b"r ONE"))


# Streams: what comes on one circuit (fuzz_stream_messages.c).
def steps(*list):
    return b"".join(bytes([what, stream, len(body)]) + body for what, stream, body in list)


BEGIN_DIR, DATA, END, CONNECTED, SENDME, XOFF, XON = 13, 2, 3, 4, 5, 43, 44
RESOLVED, BEGIN, RESOLVE = 12, 1, 11
WE_BEGIN, HOLD, WAIT, ANOTHER_HOP, TAG, DRAINED, TURN, CLOSE, EXTEND, TRUNCATE = range(246, 256)
TAGGED = b"\1\0\24" + ones(20)
SENT = [(BEGIN_DIR, 1, b"")] + 8 * [(TURN, 0, b""), (DRAINED, 0, b"")]
seed("stream_messages", "request", b"\11", steps((BEGIN_DIR, 1, b""), (DATA, 1, b"GET / HTTP/1.0"),
     (TURN, 0, b""), (END, 1, b"\6")))
seed("stream_messages", "sendmes", b"\11", steps(*SENT, (TAG, 0, ones(20)), (SENDME, 0, TAGGED),
     (SENDME, 0, b""), (TAG, 0, ones(20)), (SENDME, 1, b""), (TURN, 0, b"")))
seed("stream_messages", "vegas", b"\6", steps(*SENT, (TAG, 0, ones(16)), (TAG, 0, ones(16)),
     (SENDME, 0, b"\1\0\20" + ones(16)), (XOFF, 1, b"\0"), (TURN, 0, b""),
     (XON, 1, b"\0\0\0\0\7"), (TURN, 0, b""), (XON, 1, bytes(5))))
seed("stream_messages", "extending", b"\0", steps(*SENT, (EXTEND, 0, b""), (CLOSE, 0, b""),
     (TRUNCATE, 0, b""), (BEGIN_DIR, 2, b""), (CONNECTED, 2, b""), (END, 2, b"")))
BEGUN = [(WE_BEGIN, BEGIN, b"host:80\0\0\0\0\0"), (CONNECTED, 1, b"\1\2\3\4\0\0\0\x3c")]
seed("stream_messages", "ours", b"\20", steps(*BEGUN, (TURN, 0, b""), (DATA, 1, b"HTTP/1.0 200"),
     (SENDME, 1, b""), (END, 1, b"\6"), (DATA, 1, b"late")))
seed("stream_messages", "ours-resolves", b"\20", steps((WE_BEGIN, RESOLVE, b"host\0"),
     (RESOLVED, 1, b"\4\4\1\2\3\4\0\0\0\x3c"), (WE_BEGIN, RESOLVE, b"host\0"), (END, 2, b"\2")))
seed("stream_messages", "ours-half-closed", b"\22", steps(*BEGUN, (CLOSE, 0, b""), (DATA, 1, b"late"),
     (XOFF, 1, b"\0"), (WE_BEGIN, BEGIN, b"x"), (CLOSE, 0, b""), (CONNECTED, 2, b""), (END, 1, b"\6"),
     (WAIT, 255, b""), (DATA, 2, b"too late")))
seed("stream_messages", "ours-held", b"\22", steps(*BEGUN, (DATA, 1, b"d"), (HOLD, 60, b""),
     (WAIT, 3, b""), (HOLD, 61, b""), (DATA, 1, b"d"), (HOLD, 20, b""), (WAIT, 9, b""), (HOLD, 0, b""),
     (DATA, 1, b"d"), (HOLD, 255, b""), (DATA, 1, b"after its end")))
seed("stream_messages", "ours-another-hop", b"\22", steps(*BEGUN, (ANOTHER_HOP, 1, b"\2"),
     (ANOTHER_HOP, 2, b"\2")))


# Answers of exits: CONNECTED (0), RESOLVED (1), END (2).
TTL = b"\0\0\0\x3c"
ANSWER4, ANSWER6 = b"\4\4" + IPV4[:4] + TTL, b"\6\x10" + ones(16, 32) + TTL
seed("exit_answer", "connected", b"\0", IPV4[:4], TTL)
seed("exit_answer", "connected-ipv6", b"\0", bytes(4), b"\6", ones(16, 32), TTL)
seed("exit_answer", "resolved", b"\1", ANSWER4, ANSWER6, b"\0\7a.names" + TTL, b"\xf0\0" + TTL)
seed("exit_answer", "refused", b"\2\4", IPV4[:4], TTL)
for i, host in enumerate((b"Example.com.", b"[2001:470::1]", b"192.0.2.1", b"1.0.0.18.in-addr.arpa",
                          b"1." + b"0." * 30 + b"2.ip6.arpa", b"abc.onion.", b"a.exit")):
    seed("destination", f"host-{i}", bytes([0x7d if b"arpa" in host else 0x7e]), host)


# Applications' requests: what the listener allows, the size of the pieces, and the bytes.
SOCKS = b"\x4f\0"
for name, ask in {
    "4": b"\4\1\0\x50\1\2\3\4me\0", "4a": b"\4\xf0\0\0\0\0\0\1\0example.com\0",
    "5": b"\5\1\0\5\1\0\3\x0bexample.com\0\x50GET /", "5-user": b"\5\2\0\2\1\1u\1p\5\1\0\1\1\2\3\4\0\x50",
    "5-ipv6": b"\5\1\0\5\1\0\4" + ones(16, 32) + b"\0\x50", "5-ptr": b"\5\1\0\5\xf1\0\3\7" b"1.2.3.4\0\0",
    "5-reserved": b"\5\1\2\1\x09<torS0X>0\0\5\1\0\3\1a\0\1", "5-bind": b"\5\1\0\5\2\0\1\0\0\0\0\0\0",
    "5-onion": b"\5\1\0\5\1\0\3\x3epg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd.onion\0\x50",
    "http": b"CONNECT example.com:443 HTTP/1.1\r\nProxy-Authorization: Basic YTpi\r\n\r\n",
}.items():
    seed("socks", name, SOCKS, ask)
for name, head in {
    "connect": b"CONNECT [2001:db8::1]:80 HTTP/1.1\r\nHost: x\r\nX-Tor-Stream-Isolation: a\r\n\r\ndata",
    "get": b"GET http://example.com/ HTTP/1.1\r\nHost: example.com\r\n\r\n",
    "options": b"OPTIONS * HTTP/1.0\r\nHost: localhost:9050\r\n\r\n",
    "body": b"CONNECT a:1 HTTP/1.0\r\nContent-Length: 3\r\n\r\n",
}.items():
    seed("http_connect", name, b"\0\x09", head)


# Circuits of ours: their hops' answers, and what else hops say (fuzz_own_circuit_messages.c).
(ANSWER, WRONG_HOP, SEND, LENGTHEN, STREAM, GIVE_UP, _, DESTROYED, LOST, EARLY, MEET,
 ACCEPT) = range(240, 252)
EXTENDED2, TRUNCATED, DROP, NEGOTIATED = 15, 9, 10, 42
BUILT = 3 * [(ANSWER, 0, b"")]
for name, kinds, does in (
        ("streams", 0, [*BUILT, (STREAM, 0, b"a:1\0"), (CONNECTED, 3, b"\1"),
                        (DATA, 3, b"\1abc"), (END, 3, b"\1\6"), (GIVE_UP, 0, b"")]),
        ("longer", 26, [*BUILT, (LENGTHEN, 2, b""), (ANSWER, 0, b""), (SEND, 4, b"\12"),
                        (DROP, 2, b""), (NEGOTIATED, 2, b"\0\0\2\1\0\0\0\0\1")]),
        ("wrong-answer", 13, [(ANSWER, 0, b""), (ANSWER, 0, bytes(40) + b"\1")]),
        ("wrong-hop", 0, [*BUILT[:2], (WRONG_HOP, 1, b"")]),
        ("twice", 5, [*BUILT, (EXTENDED2, 2, b"\0\0\100" + ones(64))]),
        ("truncated", 0, [*BUILT[:2], (TRUNCATED, 1, b"\0\6")]),
        ("destroyed", 0, [*BUILT, (STREAM, 0, b"a:1\0"), (DESTROYED, 5, b""), (LOST, 8, b"")]),
        ("client", 0, [*BUILT, (MEET, 0, bytes(31)), (STREAM, 0, b":80\0"), (CONNECTED, 4, b"\1"),
                       (DATA, 4, b"\1abc"), (END, 4, b"\1\6")]),
        ("service", 13, [*BUILT, (MEET, 1, bytes(31)), (BEGIN, 4, b"\3:80\0"), (DATA, 4, b"\3abc"),
                         (ACCEPT, 0, b""), (BEGIN, 4, b"\1:80\0"), (BEGIN, 4, b"\10:80\0"),
                         (DATA, 4, b"\10abc"), (BEGIN, 4, b"\2:80\0"), (END, 4, b"\3\6")]),
        ("early", 0, [*BUILT, (EARLY, 3, b"\1abc")])):
    seed("own_circuit_messages", name, b"\2", struct.pack(">H", kinds), steps(*does))


# Proofs of work that hold (C tor's vectors), and one that does not: nonce, effort, solution.
for effort, nonce, solution in ((0, "55", "4312f87ceab844c78e1c793a913812d7"),
                                (10, "56", "128bbda5df2929c3be086de2aad34aed"),
                                (10, "57", "128bbda5df2929c3be086de2aad34aed")):
    seed("pow_check", f"effort-{effort}-{nonce}", bytes.fromhex(nonce + 15 * "55"), struct.pack("<I", effort),
         bytes.fromhex(solution))
