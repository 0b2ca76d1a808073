# SPDX-License-Identifier: BSD-3-Clause
"""ramson as a client of the directory: what it fetches, from whom, how often, and what it keeps."""

import base64
import hashlib
import io
import os
import re
import shutil
import signal
import socket

import stem.control
import stem.descriptor

from cases import case
from process import Failure, wait_until
from tornet import TorNode

FLAVOURS = {"cached-consensus": "network-status-consensus-3 1.0",
            "cached-microdesc-consensus": "network-status-microdesc-consensus-3 1.0"}


def read(relay, name):
    """A file of its data directory, with its journal; what is being written is read again."""
    text = b""
    for path in (relay.data(name), relay.data(name + ".new")):
        if os.path.exists(path):
            with open(path, "rb") as file:
                text += file.read()
    return text


def consensus(relay, name="cached-microdesc-consensus"):
    """stem's document; None when there is none yet."""
    text = read(relay, name)
    if not text:
        return None
    # Not validated: stem takes the empty list of client-versions for a mistake.
    return next(stem.descriptor.parse_file(
        io.BytesIO(text), FLAVOURS[name],
        document_handler=stem.descriptor.DocumentHandler.DOCUMENT))


def certificates(relay):
    return list(stem.descriptor.parse_file(io.BytesIO(read(relay, "cached-certs")),
                                           "dir-key-certificate-3 1.0", validate=True))


def documents(relay, name, first):
    """The texts of a file without their annotations; each begins with the word `first`."""
    text = re.sub(rb"^@.*\n", b"", read(relay, name), flags=re.M)
    begin = re.compile(rb"^%s" % first, re.M)
    starts = [m.start() for m in begin.finditer(text)] + [len(text)]
    return [text[a:b] for a, b in zip(starts, starts[1:])]


def missing(relay):
    """Of the documents that its consensuses list, those that it has not got on disk."""
    micro, full = consensus(relay), consensus(relay, "cached-consensus")
    if micro is None or full is None:
        return ["a consensus"]
    have = {base64.b64encode(hashlib.sha256(t).digest()).decode().rstrip("=")
            for t in documents(relay, "cached-microdescs", b"onion-key")}
    wrong = [f"microdescriptor of {r.nickname}" for r in micro.routers.values()
             if r.microdescriptor_digest not in have]
    descriptors = {}
    for text in documents(relay, "cached-descriptors", b"router "):
        signed = text[:text.index(b"\nrouter-signature\n") + len(b"\nrouter-signature\n")]
        descriptors[hashlib.sha1(signed).hexdigest().upper()] = text
    for router in full.routers.values():
        if router.digest not in descriptors:
            wrong.append(f"descriptor of {router.nickname}")
    return wrong


def wait_whole(relay, timeout=60):
    wait_until(lambda: "bootstrap 100 %" in relay.process.output(), timeout,
               f"{relay.name} says that it has bootstrapped")
    wait_until(lambda: not missing(relay), timeout, f"{relay.name} has what its consensus lists", 0.5)


@case()
def directory_bootstrap(net):
    """
    authorities ──► ramson0: certificates, both consensuses, descriptors ──► its data directory

    stem reads all of it, and the signatures are good.
    """
    if net.stand_in:
        return
    relay = net.ramsons[0]
    wait_whole(relay)
    keys = certificates(relay)
    known = {a.v3_identity for a in net.authorities}
    if {k.fingerprint for k in keys} != known:
        raise Failure(f"it has the certificates of {[k.fingerprint for k in keys]}, not of {known}")
    for name in FLAVOURS:
        document = consensus(relay, name)
        if name == "cached-consensus":  # stem does not know the other flavour's digest
            document.validate_signatures(keys)
        listed = {r.nickname for r in document.routers.values()}
        for node in net.authorities + net.exits:
            if node.name not in listed:
                raise Failure(f"{name} does not list {node.name}")
    counters = relay.counters()
    for name in ("drop_directory_consensus", "drop_directory_document"):
        if counters.get(name, 0):
            raise Failure(f"{name} is {counters[name]} among honest directories")


@case()
def directory_diffs(net):
    """
    ramson0 ──hash of its consensus──► authorities ──what changed──► ramson0, every ten seconds

    The consensus that comes of it is the authorities' own, byte for byte.
    """
    if net.stand_in:
        return
    relay = net.ramsons[0]
    wait_whole(relay)
    before = relay.counters()

    def moved():
        now = relay.counters()
        return (now["directory_consensuses"] - before["directory_consensuses"] >= 4
                and now.get("directory_diffs", 0) - before.get("directory_diffs", 0) >= 2)
    wait_until(moved, 90, "two of the next consensuses came as diffs", 2)

    def same():
        texts = [a.get("/tor/status-vote/current/consensus") for a in net.authorities]
        return read(relay, "cached-consensus") in texts
    wait_until(same, 60, "its consensus is one of the authorities'", 0.5)
    after = relay.counters()
    if after.get("drop_directory_consensus", 0) or after.get("drop_directory_document", 0):
        raise Failure("a consensus or a document was not what had been asked for")


@case()
def directory_resumes(net):
    """
    ramson1 ✗ SIGTERM, started again ──► what is on its disk is there at once, and is not fetched
    """
    if net.stand_in:
        return
    relay = net.ramsons[1]
    wait_whole(relay)
    before = consensus(relay).valid_after
    relay.stop(signal.SIGTERM)
    start = relay.process.output_size()
    relay.start()
    wait_until(lambda: "bootstrap 100 %" in relay.process.output(start), 20,
               "it has bootstrapped again")
    text = relay.process.output(start)
    first = re.search(r"directory: bootstrap (\d+) %", text)[1]
    if first != "100":
        raise Failure(f"it began again with {first} % although all was on its disk")
    if re.search(r"directory: \d+ certificates from", text):
        raise Failure("it fetched certificates that it had on its disk")
    fetched = relay.counters().get("directory_documents", 0)
    if fetched > 10:  # what others have published meanwhile
        raise Failure(f"it fetched {fetched} documents that it had on its disk")
    wait_until(lambda: consensus(relay).valid_after > before, 60, "it goes on with new ones", 0.5)


@case()
def directory_files_are_tors(net):
    """
    ramson0: its data directory ──copied──► tor, without a network: has all of it, and no complaint
    """
    if net.stand_in:
        return
    relay = net.ramsons[0]
    wait_whole(relay)
    node = TorNode(net, "reader", "10.90.0.60", "SocksPort 0\nControlPort 127.0.0.1:9052\n"
                   "DisableNetwork 1\nClientOnly 1\nFetchUselessDescriptors 1\n"
                   "DownloadExtraInfo 1\n")
    net.namespace.add_address(node.address)
    wait_until(lambda: copied_whole(relay, node.directory), 30, "a copy of files that belong together")
    process = net.start_node(node)
    try:
        wait_until(lambda: listens_on(9052), 20, "tor runs")
        names = {e.nickname for e in consensus(relay).routers.values()}
        with stem.control.Controller.from_port("127.0.0.1", 9052) as control:
            control.authenticate()
            listed = {e.nickname for e in control.get_network_statuses()}
            if not names & listed or len(listed) < len(net.authorities + net.exits):
                raise Failure(f"tor knows of {listed} by the consensus on disk")
            for what, count in (("microdescriptors", len(list(control.get_microdescriptors()))),
                                ("descriptors", len(list(control.get_server_descriptors())))):
                if count < len(listed):
                    raise Failure(f"tor has {count} {what} of {len(listed)} relays")
        wrong = re.search(r"\[(?:warn|err)\] (?!You are running Tor as root|Your log may|"
                          r"TestingTorNetwork).*", process.output())
        if wrong:
            raise Failure(f"tor says: {wrong[0]}")
    finally:
        process.stop()


def listens_on(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=2).close()
        return True
    except OSError:
        return False


def copied_whole(relay, directory):
    """Copies them; they may be changing, but not often."""
    names = [n for n in os.listdir(relay.data()) if n.startswith("cached-")]
    before = [os.stat(relay.data(n)).st_mtime_ns for n in names]
    for name in names:
        shutil.copy(relay.data(name), directory)
    after = [os.stat(relay.data(n)).st_mtime_ns for n in names]
    return before == after and not missing(relay)


@case()
def directory_authority_down(net):
    """
    auth0 ✗        auth1, auth2 ──new consensuses──► ramson0
    auth0 is back: ramson0 asks it as before
    """
    if net.stand_in:
        return
    relay, authority = net.ramsons[0], net.authorities[0]
    wait_whole(relay)
    authority.process.stop()
    try:
        for _ in range(2):
            before = {name: consensus(relay, name).valid_after for name in FLAVOURS}
            wait_until(lambda: all(consensus(relay, n).valid_after > before[n] for n in FLAVOURS),
                       60, "a new consensus of both flavours without one of the authorities", 0.5)
    finally:
        authority.process.start()
    wait_until(lambda: authority.get("/tor/status-vote/current/consensus"), 60, "it is back", 0.5)
    wait_whole(relay)
