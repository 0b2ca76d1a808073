#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""What we read in directory documents is what stem reads there, and stem takes their signatures.

check_documents.py PROGRAM: `PROGRAM KIND FILE` prints what we read (print_documents.c). With more
arguments, KIND FILE…, those are compared instead of the documents in data/.
"""
import base64
import calendar
import hashlib
import os
import subprocess
import sys

try:
    import stem.descriptor
    from stem.descriptor import (extrainfo_descriptor, microdescriptor, networkstatus,
                                 server_descriptor)
except ImportError:
    sys.exit("FAIL: no stem for %s; install python3-stem" % sys.executable)

DATA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data")
FLAGS = ("Authority BadExit Exit Fast Guard HSDir MiddleOnly NoEdConsensus Running Stable StaleDesc "
         "Sybil V2Dir Valid").split()


def seconds(time):
    return calendar.timegm(time.timetuple())


def hex_of(text):
    """Base64, padded or not, in the hexadecimal digits that the program prints."""
    return base64.b64decode(text + "=" * (-len(text) % 4)).hex().upper()


def address(host, port):
    return "[%s]:%d" % (host, port) if ":" in host else "%s:%d" % (host, port)


def ranges(versions):
    """"1-2,4" of [1, 2, 4], as the authorities write it."""
    parts, at = [], 0
    while at < len(versions):
        end = at
        while end + 1 < len(versions) and versions[end + 1] == versions[end] + 1:
            end += 1
        parts.append("%d-%d" % (versions[at], versions[end]) if end > at else str(versions[at]))
        at = end + 1
    return ",".join(parts)


def router(entry, is_micro):
    digest = hex_of(entry.microdescriptor_digest) if is_micro else entry.digest
    v6 = [address(host, port) for host, port, is_v6 in entry.or_addresses if is_v6]
    flags = sum(1 << FLAGS.index(flag) for flag in entry.flags if flag in FLAGS)
    flags |= 1 << FLAGS.index("Running") | 1 << FLAGS.index("Valid")
    return "router %s %s %s %s %s %d %x %d %d %d" % (
        entry.nickname, entry.fingerprint, digest, address(entry.address, entry.or_port),
        v6[0] if v6 else "-", entry.dir_port or 0, flags, entry.bandwidth or 0,
        bool(entry.is_unmeasured), seconds(entry.published))


def consensus(path):
    with open(path, "rb") as file:
        text = file.read()
    is_micro = text.startswith(b"network-status-version 3 microdesc")
    document = networkstatus.NetworkStatusDocumentV3(text)
    lines = ["times %d %d %d %d %d %d" % (
        seconds(document.valid_after), seconds(document.fresh_until),
        seconds(document.valid_until), document.consensus_method, document.vote_delay,
        document.dist_delay)]
    kind = "microdesc-" if is_micro else ""
    entries = list(stem.descriptor.parse_file(
        path, "network-status-%sconsensus-3 1.0" % kind,
        document_handler=stem.descriptor.DocumentHandler.ENTRIES))
    # Those that are in the document; stem adds defaults for others.
    header = text[:text.index(b"\nr ")].decode()
    names = [p.split("=")[0] for p in header.split("\nparams ")[1].split("\n")[0].split()]
    lines += ["parameter %s %d" % (name, document.params[name]) for name in names]
    lines += ["weight %s %d" % item for item in sorted(document.bandwidth_weights.items())]
    for entry in entries:
        lines.append(router(entry, is_micro))
        lines.append("pr " + " ".join("%s=%s" % (name, ranges(entry.protocols[name]))
                                      for name in sorted(entry.protocols)))
    lines += ["signature %s %s %s" % (s.method, s.identity, s.key_digest)
              for s in document.signatures]
    return lines


def certificates(path):
    lines = []
    for text in split(path, b"dir-key-certificate-version "):
        c = networkstatus.KeyCertificate(text, validate=True)
        key = base64.b64decode("".join(c.signing_key.splitlines()[1:-1]))
        lines.append("certificate %s %s %d %d" % (
            c.fingerprint, hashlib.sha1(key).hexdigest().upper(), seconds(c.published),
            seconds(c.expires)))
    return lines


def split(path, keyword):
    with open(path, "rb") as file:
        text = file.read()
    return [keyword + part for part in (b"\n" + text).split(b"\n" + keyword)[1:]]


def microdescriptors(path):
    return ["microdescriptor %s %s %s" % (
        hex_of(m.digest()), hex_of(m.ntor_onion_key), hex_of(m.identifiers["ed25519"]))
        for m in stem.descriptor.parse_file(path, "microdescriptor 1.0", validate=True)]


def descriptors(path):
    return ["descriptor %s %s %s %d %s" % (
        d.fingerprint, hex_of(d.ed25519_master_key), d.digest(), seconds(d.published),
        d.extra_info_digest)
        for d in stem.descriptor.parse_file(path, "server-descriptor 1.0", validate=True)]


def extra_infos(path):
    lines = []
    for d in stem.descriptor.parse_file(path, "extra-info 1.0", validate=True):
        # stem has no accessor: the key follows the certificate's 40 bytes and its extension's head.
        cert = base64.b64decode("".join(d.ed25519_certificate.splitlines()[1:-1]))
        lines.append("extra-info %s %s %s %d %s" % (d.fingerprint, cert[44:76].hex().upper(),
                                                    d.digest(), seconds(d.published), "0" * 40))
    return lines


READERS = {"consensus": consensus, "certificates": certificates, "descriptors": descriptors,
           "microdescriptors": microdescriptors, "extra-infos": extra_infos}


def check(program, kind, path):
    ours = subprocess.run([program, kind, path], check=True, stdout=subprocess.PIPE,
                          text=True).stdout.splitlines()
    theirs = READERS[kind](path)
    if ours == theirs and ours:
        return True
    for a, b in list(zip(ours, theirs)) + [(len(ours), len(theirs))]:
        if a != b:
            print("FAIL: %s: we read\n  %s\nand stem\n  %s" % (path, a, b))
            break
    return False


def check_signatures():
    """stem, too, finds that more than half of the authorities have signed the plain consensus."""
    with open(os.path.join(DATA, "consensus"), "rb") as file:
        text = file.read()
    certs = [networkstatus.KeyCertificate(c, validate=True)
             for c in split(os.path.join(DATA, "certificates"), b"dir-key-certificate-version ")]
    networkstatus.NetworkStatusDocumentV3(text).validate_signatures(certs)
    try:
        networkstatus.NetworkStatusDocumentV3(
            text.replace(b"circwindow=900", b"circwindow=901")).validate_signatures(certs)
    except ValueError:
        return True
    print("FAIL: stem takes a changed consensus")
    return False


def main():
    program, rest = sys.argv[1], sys.argv[2:]
    if rest:
        return not all([check(program, kind, path) for kind, path in zip(rest[::2], rest[1::2])])
    files = [("consensus", "consensus"), ("consensus", "consensus-microdesc"),
             *((kind, kind) for kind in READERS if kind != "consensus")]
    good = [check(program, kind, os.path.join(DATA, name)) for kind, name in files]
    return not (all(good) and check_signatures())


sys.exit(main())
