# SPDX-License-Identifier: BSD-3-Clause
"""Other clients than tor: python3-stem's, OpenSSL's, ICMP, and a link by hand."""

import os
import socket
import struct
import subprocess

import stem
import stem.client

import link
from cases import case
from process import Failure
from ramson import OR_PORT

END, BEGIN = 3, 1
EXIT_POLICY = 4


@case()
def stem_client(net):
    """
    stem.client.Relay ──TLS, VERSIONS … NETINFO, CREATE_FAST, BEGIN_DIR──► ramson0
    """
    with stem.client.Relay.connect(net.ramsons[0].address, OR_PORT) as relay:
        if relay.link_protocol not in (4, 5):
            raise Failure(f"link protocol {relay.link_protocol}")
        # stem takes 1024 bytes at a time, and the next ones as the answer to its CREATE_FAST: so
        # the rest of CERTS … NETINFO has to be read first.
        while relay._orport.recv(timeout=0.5):
            pass
        for _ in range(3):
            with relay.create_circuit() as circuit:
                text = circuit.directory("GET /tor/server/authority HTTP/1.0\r\n\r\n", stream_id=1)
                if b"\nrouter " not in b"\n" + text:
                    raise Failure(f"the directory's answer: {text[:80]}")


@case()
def link_by_hand(net):
    """
    test ──► ramson0: link versions 4 and 5, one circuit each, a stream to elsewhere, which a middle
    relay refuses, and a request
    """
    for version in (4, 5):
        with link.Link(net.ramsons[0].address, OR_PORT) as one:
            one.handshake(offered=(3, version))
            for command in (link.CERTS, link.AUTH_CHALLENGE):
                if command not in one.peer_cells:
                    raise Failure(f"no cell {command} in the handshake")
            circuit = one.create_fast()
            if net.stand_in:
                continue  # a directory and an exit answers these otherwise
            circuit.send(BEGIN, b"10.90.0.200:80\0", stream=7)
            answer = circuit.receive()
            if answer[:2] != (END, 7) or answer[2][:1] != bytes([EXIT_POLICY]):
                raise Failure(f"BEGIN was answered by {answer}")
            status, _, _ = circuit.request(["GET /tor/keys/all HTTP/1.0"])
            if status != 200:
                raise Failure(f"the directory answered with status {status}")


HUGE_PAGES = "/proc/sys/vm/nr_hugepages"


def huge_pages_free():
    with open("/proc/meminfo") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("HugePages_Free"))


@case()
def huge_pages(net):
    """
    test ──► a ramson with its memory in huge pages: a link, a circuit; the pages are free after it
    """
    if net.stand_in:
        return
    with open(HUGE_PAGES) as file:
        reserved = int(file.read())
    with open(HUGE_PAGES, "w") as file:
        file.write(str(reserved + 160))  # of 2 MB
    free = huge_pages_free()
    try:
        relay = net.add_ramson(hugepages=True, memory_mb=256)
        try:
            with link.Link(relay.address, OR_PORT) as one:
                one.handshake()
                one.create_fast()
            if huge_pages_free() >= free:
                raise Failure("no huge page is in use")
        finally:
            relay.stop()
        if huge_pages_free() != free:
            raise Failure("huge pages are still in use after the end")
    finally:
        with open(HUGE_PAGES, "w") as file:
            file.write(str(reserved))


def s_client(net, *options):
    done = subprocess.run(
        ["openssl", "s_client", "-connect", f"{net.ramsons[0].address}:{OR_PORT}", *options],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20)
    return done.stdout + done.stderr


@case()
def tls_versions(net):
    """
    openssl s_client ──► ramson0: TLS 1.3 with each cipher; a TLS 1.2-only client gets an alert
    """
    for cipher in ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384",
                   "TLS_CHACHA20_POLY1305_SHA256"):
        text = s_client(net, "-tls1_3", "-ciphersuites", cipher)
        if f"New, TLSv1.3, Cipher is {cipher}" not in text:
            raise Failure(f"no TLS 1.3 with {cipher}: {text[-300:]}")
    if net.stand_in:
        return
    text = s_client(net, "-tls1_2")
    if "alert protocol version" not in text:
        raise Failure(f"a TLS 1.2-only client saw no protocol_version alert: {text[-300:]}")


def checksum(data):
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    total = (total & 0xffff) + (total >> 16)
    return ~(total + (total >> 16)) & 0xffff


@case()
def ping(net):
    """
    test ──ICMP echo, 0 to 1472 bytes──► ramson0; then one that is fragmented, which is dropped
    """
    address = net.ramsons[0].address
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as raw:
        raw.settimeout(3)
        for sequence, length in enumerate((0, 2, 56, 1000, 1472, 4000, 56)):
            data = os.urandom(length)
            head = struct.pack(">BBHHH", 8, 0, 0, os.getpid() & 0xffff, sequence)
            head = head[:2] + struct.pack(">H", checksum(head + data)) + head[4:]
            raw.sendto(head + data, (address, 0))
            if length > 1472:
                continue
            while True:
                packet, source = raw.recvfrom(65535)
                kind, identity = packet[20], packet[24:28]
                if source[0] == address and kind == 0 and identity == head[4:]:
                    break
            if packet[28:] != data:
                raise Failure(f"the answer to {length} bytes holds others")
