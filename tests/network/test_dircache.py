# SPDX-License-Identifier: BSD-3-Clause
"""ramson as a directory cache: what tor, stem and requests by hand get from it."""

import base64
import gzip
import hashlib
import io
import lzma
import re
import zlib

import stem.client
import stem.descriptor

import link
from cases import case
from onion import fetch
from process import Failure, wait_until
from ramson import OR_PORT
from tornet import HTTP, LOCAL, TorNode

CONSENSUS = "/tor/status-vote/current/consensus"
NEWCOMER = """
SocksPort 127.0.0.1:{socks}
OutboundBindAddress {address}
UseBridges 1
Bridge {bridge}
UseEntryGuards 1
FetchDirInfoEarly 1
FetchDirInfoExtraEarly 1
"""


def decode_zstd(body):
    import zstandard  # not there when tests are only listed
    return zstandard.ZstdDecompressor().decompressobj().decompress(body)


DECODE = {
    "identity": bytes,
    "deflate": zlib.decompress,
    "gzip": gzip.decompress,
    "x-zstd": decode_zstd,
    "x-tor-lzma": lambda body: lzma.decompress(body, lzma.FORMAT_ALONE),
}


def get(relay, path, **headers):
    """One request on a link and a circuit of its own: (status, headers, body)."""
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    with link.Link(relay.address, OR_PORT) as one:
        return one.handshake().create_fast().request([f"GET {path} HTTP/1.0", *lines])


def get_text(relay, path, **headers):
    status, _, body = get(relay, path, **headers)
    if status != 200:
        raise Failure(f"GET {path}: {status}")
    return body


@case()
def v2dir_flag(net):
    """
    the authorities' consensus gives ramson V2Dir, and ramson has that consensus
    """
    net.wait_listed([relay.name for relay in net.standing], flag="V2Dir")
    for relay in net.standing:
        wait_until(lambda: get(relay, CONSENSUS)[0] == 200, 60, f"{relay.name} has a consensus", 1)


@case()
def directory_encodings(net):
    """
    every document in every encoding that a client may ask for is the same document
    """
    relay = net.standing[0]
    for path, encodings in ((CONSENSUS, DECODE), (CONSENSUS + "-microdesc", DECODE),
                            ("/tor/keys/all", ("identity", "deflate", "x-zstd")),
                            ("/tor/server/all", ("identity", "deflate", "x-zstd"))):
        for encoding in encodings:
            wait_until(lambda: is_decoded(relay, path, encoding), 30, f"{path} as {encoding}", 1)
    if zlib.decompress(get_text(relay, "/tor/keys/all.z")) != get_text(relay, "/tor/keys/all"):
        raise Failure("/tor/keys/all.z is not /tor/keys/all")


def is_decoded(relay, path, encoding):
    """True when the answer came in this encoding and is the document.

    False when another consensus came between, or the encoding is not made yet.
    """
    plain = get_text(relay, path)
    status, headers, body = get(relay, path, Accept_Encoding=encoding)
    if status != 200:
        raise Failure(f"GET {path} as {encoding}: {status}")
    if headers.get("content-encoding", "identity") != encoding:
        return False
    return DECODE[encoding](body) == plain


@case()
def directory_answers(net):
    """
    statuses: what is not there, what is no request, what has not changed, who has signed
    """
    relay = net.standing[0]
    known = "+".join(a.v3_identity for a in net.authorities)
    for path, wanted in (("/tor/robots.txt", 200), ("/tor/nonsense", 404),
                         (f"{CONSENSUS}/{known}", 200), (f"{CONSENSUS}/{'0' * 40}", 404),
                         (f"/tor/server/fp/{'0' * 40}", 404), (f"/tor/keys/fp/{'0' * 40}", 404),
                         (f"/tor/keys/fp/{net.authorities[0].v3_identity}", 200),
                         ("/tor/server/authority", 200), ("/tor/micro/d/AAAA", 404),
                         # One hop: neither found nor refused, but not here.
                         (f"/tor/hs/3/{'A' * 43}", 503)):
        status, _, _ = get(relay, path)
        if status != wanted:
            raise Failure(f"GET {path}: {status}, not {wanted}")
    status, _, _ = get(relay, CONSENSUS, If_Modified_Since="Fri, 31 Dec 2049 00:00:00 GMT")
    if status != 304:
        raise Failure(f"a consensus that is older than what was asked for: {status}, not 304")
    with link.Link(relay.address, OR_PORT) as one:
        circuit = one.handshake().create_fast()
        status, _, _ = circuit.request(["POST /tor/ HTTP/1.0", "Content-Length: 3"], b"abc")
        if status != 400:
            raise Failure(f"a descriptor for an authority: {status}, not 400")


def signed_part(text):
    """Of a consensus: up to and with the first "directory-signature " (dir-spec "diffs")."""
    end = text.index(b"\ndirectory-signature ") + len(b"\ndirectory-signature ")
    return text[:end]


def apply_diff(base, diff):
    """The ed commands of a consensus diff, last line first."""
    lines, commands = base.split(b"\n")[:-1], diff.split(b"\n")[2:-1]
    at = 0
    while at < len(commands):
        first, last, action = re.fullmatch(rb"(\d+)(?:,(\d+|\$))?([acd])", commands[at]).groups()
        at += 1
        first = int(first)
        last = len(lines) if last == b"$" else int(last or first)
        inserted = []
        if action in b"ac":
            while commands[at] != b".":
                inserted.append(commands[at])
                at += 1
            at += 1
        if action == b"a":
            lines[first:first] = inserted
        else:
            lines[first - 1:last] = inserted
    return b"".join(line + b"\n" for line in lines)


@case()
def directory_serves_diffs(net):
    """
    who has an older consensus gets the difference, by the header and by the path
    """
    relay = net.standing[0]
    for path in (CONSENSUS, CONSENSUS + "-microdesc"):
        old = get_text(relay, path)
        wait_until(lambda: get_text(relay, path) != old, 60, f"a newer {path}", 1)
        digest = hashlib.sha3_256(signed_part(old)).hexdigest().upper()
        known = "+".join(a.v3_identity for a in net.authorities)
        for by in ({"path": path, "X_Or_Diff_From_Consensus": digest},
                   {"path": f"{path}/diff/{digest}/{known}"}):
            def got():
                diff = get_text(relay, **by)
                if not diff.startswith(b"network-status-diff-version 1\n"):
                    return False  # not made yet: the whole document came
                new = apply_diff(old, diff)
                digests = diff.split(b"\n")[1].decode().split()
                if digests != ["hash", digest, hashlib.sha3_256(new).hexdigest().upper()]:
                    raise Failure(f"the difference's hashes are {digests}")
                return True
            wait_until(got, 30, f"a difference of {path}", 1)


@case()
def stem_documents(net):
    """
    stem.client.Relay ──BEGIN_DIR──► ramson0: consensus, descriptors, extra-info, microdescriptors
    """
    relay = net.standing[0]
    statuses = stem_query(relay, CONSENSUS, "network-status-consensus-3 1.0")
    wanted = {e.fingerprint for e in net.consensus().values()}
    if {s.fingerprint for s in statuses} != wanted:
        raise Failure(f"{len(statuses)} relays in ramson's consensus, {len(wanted)} in the network")
    descriptors = stem_query(relay, "/tor/server/all", "server-descriptor 1.0")
    # Those of relays that were stopped may still be there.
    described = {d.fingerprint for d in descriptors}
    if missing := wanted - described:
        raise Failure(f"no descriptors of {len(missing)} of {len(wanted)} relays")
    extras = stem_query(relay, "/tor/extra/all", "extra-info 1.0")
    if not {e.fingerprint for e in extras} <= described or not extras:
        raise Failure(f"{len(extras)} extra-infos of {len(described)} relays")
    check_microdescriptors(relay)


def stem_query(relay, path, kind):
    """The documents at a path, by stem's own client and validated by it."""
    with stem.client.Relay.connect(relay.address, OR_PORT) as client:
        # As in test_clients: stem reads on only when it has sent something.
        while client._orport.recv(timeout=0.5):
            pass
        with client.create_circuit() as circuit:
            reply = circuit.directory(f"GET {path} HTTP/1.0\r\n\r\n", stream_id=1)
    head, _, body = reply.partition(b"\r\n\r\n")
    if b" 200 " not in head.splitlines()[0]:
        raise Failure(f"GET {path} by stem: {head.splitlines()[0].decode()}")
    return list(stem.descriptor.parse_file(io.BytesIO(body), kind, validate=True))


def check_microdescriptors(relay):
    digests = re.findall(rb"^m (\S+)$", get_text(relay, CONSENSUS + "-microdesc"), re.M)
    text = get_text(relay, "/tor/micro/d/" + "-".join(d.decode() for d in digests))
    found = {hashlib.sha256(part).digest() for part in re.split(rb"(?m)^(?=onion-key$)", text)}
    missing = [d for d in digests if base64.b64decode(d + b"=") not in found]
    if missing:
        raise Failure(f"{len(missing)} of {len(digests)} microdescriptors are not there")
    query = "/tor/micro/d/" + digests[0].decode()
    if len(stem_query(relay, query, "microdescriptor 1.0")) != 1:
        raise Failure("stem found no microdescriptor")


@case(timeout=300)
def bootstrap_from_ramson(net):
    """
    a tor client without any state, whose bridge is ramson0: all that it ever learns is from there,
    compressed, and newer consensuses as differences
    """
    relay, socks = net.standing[0], 9150
    newcomer = TorNode(net, "newcomer", "10.90.0.150", NEWCOMER.format(
        socks=socks, address="{address}",
        bridge=f"{relay.address}:{OR_PORT} {net.fingerprint(relay.name)}"))
    net.namespace.add_address(newcomer.address)
    before = relay.counters()

    def grown(*names):
        now = relay.counters()
        return sum(now.get(n, 0) - before.get(n, 0) for n in names)
    net.start_node(newcomer)
    try:
        log = newcomer.process.output
        wait_until(lambda: "Bootstrapped 100%" in log(), 120, "the newcomer has bootstrapped", 0.5)
        fetch(HTTP, 1_000_000, proxy=f"{LOCAL}:{socks}")
        if not net.stand_in:
            if not grown("serve_zstd", "serve_lzma"):
                raise Failure("nothing came in zstd or LZMA, which tor prefers")
            wait_until(lambda: grown("serve_diffs"), 60, "a consensus came as a difference", 1)
    finally:
        newcomer.process.stop()
