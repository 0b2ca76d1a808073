# SPDX-License-Identifier: BSD-3-Clause
"""ramson as a client: what applications see at its SOCKS port."""

import os
import subprocess
import threading
import time

import httpd
import socks
from cases import case
from origin import FAR, FAR_NAME, FORBIDDEN, HIDDEN, NAME, TorClient
from process import Failure, all_at_once, wait_until
from tornet import HTTP, HTTP_PORT

TORS, RAMSONS = "origin.OriginNetwork", "origin.RamsonsNetwork"
BIG, MIDDLE, SMALL = 100_000_000, 5_000_000, 200_000


def proxy(client):
    return ["--socks5-hostname", f"{client.socks_port[0]}:{client.socks_port[1]}"]


def bulk(net):
    """100 MB each way by curl, and by torsocks around curl."""
    client = net.subject
    url = f"http://{NAME}/bytes/{BIG}"
    socks.check_bytes(socks.curl(*proxy(client), url, timeout=300), BIG)
    data = httpd.content(BIG)
    path = os.path.join(net.directory, "upload")
    with open(path, "wb") as file:
        file.write(data)
    answer = socks.curl(*proxy(client), "--upload-file", path, f"http://{NAME}/x", timeout=300)
    if answer.decode() != httpd.digest(BIG):
        raise Failure("the server was sent other bytes")
    socks.check_bytes(torsocks_curl(client, url), BIG)
    answer = torsocks_curl(client, "--upload-file", path, f"http://{NAME}/x")
    if answer.decode() != httpd.digest(BIG):
        raise Failure("the server was sent other bytes by torsocks")


def torsocks_curl(client, *arguments):
    address, port = client.socks_port
    done = subprocess.run(["torsocks", "--address", address, "--port", str(port), "curl", "--silent", "--show-error",
                           "--fail", "--max-time", "300", *arguments], capture_output=True)
    if done.returncode != 0:
        raise Failure(f"torsocks curl: {done.stderr.decode().strip()}")
    return done.stdout


@case(timeout=900, network=TORS)
def origin_bulk(net):
    """
    curl, torsocks curl ──SOCKS──► ramson ──► tor ──► tor ──► exit ──► HTTP server: 100 MB each way
    """
    bulk(net)


@case(timeout=300, network=TORS)
def origin_parallel(net):
    """
    200 streams at once, half of them with credentials of their own: over several circuits
    """
    def one(i):
        user = ("user", str(i % 4)) if i % 2 else None
        socks.download(net.subject.socks_port, NAME, SMALL, user=user)
    all_at_once([lambda i=i: one(i) for i in range(200)])


@case(timeout=120, network=TORS)
def origin_names(net):
    """
    names and addresses are resolved at the exit: RESOLVE, RESOLVE_PTR, CONNECT by name
    """
    port = net.subject.socks_port
    if (address := socks.resolve(port, NAME)) != HTTP:
        raise Failure(f"{NAME} is said to be {address}")
    if (name := socks.resolve(port, FAR, socks.RESOLVE_PTR)) != FAR_NAME:
        raise Failure(f"{FAR} is said to be {name}")
    if (address := socks.resolve(port, HTTP)) != HTTP:
        raise Failure(f"{HTTP} is said to be {address}")
    done = subprocess.run(["tor-resolve", "-5", NAME, "%s:%d" % port], capture_output=True,
                          text=True)
    if done.stdout.strip() != HTTP:
        raise Failure(f"tor-resolve: {done.stdout} {done.stderr}")
    socks.download(port, NAME, SMALL)
    socks.download(port, HTTP, SMALL)


# What is refused; C tor's client in the same network says by which code.
REFUSALS = {
    "a name that is not": ("no.such.test", 80),
    "a name whose servers are broken": ("broken.test", 80),
    "a port where nobody listens": (HTTP, 12345),
    "an address without a route": ("203.0.113.99", 80),
    "a port that no exit serves": (HTTP, FORBIDDEN),
    "an onion address that is none": ("x.onion", 80),
    "an .exit address": ("www.test.exit", 80),
}


@case(timeout=400, network=TORS)
def origin_refusals(net):
    """
    wrong names, refused ports and dead targets have the SOCKS codes that C tor gives them
    """
    peer = net.add_client(kind=TorClient)
    wrong, codes = [], {}

    def ask(name, port, what, *target):
        codes[name, what] = socks.refusal(port, *target)
    try:
        all_at_once([lambda: ask("ramson", net.subject.socks_port, "hidden", HIDDEN, 80)] +
                    [lambda n=n, p=p, w=w, t=t: ask(n, p, w, *t)
                     for n, p in (("ramson", net.subject.socks_port), ("tor", peer.socks_port))
                     for w, t in [*REFUSALS.items(),
                                  ("RESOLVE of such a name", ("no.such.test", 0, socks.RESOLVE))]])
    finally:
        peer.stop()
    for (name, what), code in codes.items():
        if ("tor", what) in codes and code != codes["tor", what]:
            wrong.append(f"{what}: {code}, and tor's client says {codes['tor', what]}")
    if codes["ramson", "hidden"] in (socks.SUCCEEDED, socks.REFUSED):
        wrong.append(f"an address that no exit serves: {codes['ramson', 'hidden']}")
    if wrong:
        raise Failure("; ".join(wrong))
    socks.download(net.subject.socks_port, NAME, SMALL)


@case(timeout=120, network=TORS)
def origin_ways_in(net):
    """
    SOCKS4a, SOCKS5 with local names, HTTP CONNECT, a Unix socket
    """
    client, url = net.subject, f"http://{NAME}/bytes/{SMALL}"
    where = "%s:%d" % client.socks_port
    ways = {"SOCKS4a": (["--socks4a", where], url),
            "SOCKS5 with an address": (["--socks5", where], f"http://{HTTP}/bytes/{SMALL}"),
            "a Unix socket": (["--proxy", f"socks5h://localhost{client.unix}"], url)}
    if not net.stand_in:
        ways["HTTP CONNECT"] = (["--proxytunnel", "--proxy", f"http://{where}"], url)
    for what, (options, address) in ways.items():
        try:
            socks.check_bytes(socks.curl(*options, address), SMALL)
        except Failure as failure:
            raise Failure(f"{what}: {failure}") from None


@case(timeout=240, network=TORS)
def origin_slow_reader(net):
    """
    eight streams of one circuit, one of which nobody reads: the others are not held up, and it goes
    on where it was
    """
    port = net.subject.socks_port
    user = ("slow", "reader")
    request = b"GET /bytes/%d HTTP/1.0\r\n\r\n" % (4 * MIDDLE)
    with socks.connect(port, NAME, HTTP_PORT, user, request) as slow:
        time.sleep(3)
        all_at_once([lambda: socks.download(port, NAME, MIDDLE, user=user) for _ in range(7)])
        body = socks.read_head(slow)
        if socks.read_body(slow, 4 * MIDDLE, body) != httpd.digest(4 * MIDDLE):
            raise Failure("its bytes are not those of the server")


@case(timeout=120, network=TORS)
def origin_half_closed(net):
    """
    an application that has said all it has to say, and one that goes away: the rest still arrives, and
    the server sees the end
    """
    with socks.connect(net.subject.socks_port, NAME, HTTP_PORT) as stream:
        stream.sendall(b"ECHO / HTTP/1.0\r\n\r\n")
        socks.read_head(stream)
        for i in range(200):
            word = b"%d\n" % i
            stream.sendall(word)
            if socks.exactly(stream, len(word)) != word:
                raise Failure("the echo is another")
    for _ in range(20):  # goes away in mid-download
        with socks.connect(net.subject.socks_port, NAME, HTTP_PORT,
                           early=b"GET /bytes/%d HTTP/1.0\r\n\r\n" % MIDDLE) as stream:
            socks.read_head(stream)
    socks.download(net.subject.socks_port, NAME, MIDDLE)


@case(timeout=900, network=RAMSONS)
def origin_bulk_by_ramsons(net):
    """
    the same where ramsons are guard and middle relay: Counter Galois Onion and congestion control to
    every hop that has them
    """
    bulk(net)
    all_at_once([lambda: socks.download(net.subject.socks_port, NAME, MIDDLE) for _ in range(20)])
