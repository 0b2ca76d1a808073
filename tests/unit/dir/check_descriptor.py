#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Stem reads a server descriptor and its extra-info, and checks digests and signatures.

check_descriptor.py PROGRAM: what `PROGRAM print` writes to its standard output is checked.
"""
import subprocess
import sys

try:
    from stem.descriptor import extrainfo_descriptor, server_descriptor
except ImportError:
    sys.exit("FAIL: no stem for %s; install python3-stem" % sys.executable)

text = subprocess.run([sys.argv[1], "print"], check=True, stdout=subprocess.PIPE).stdout
at = text.index(b"\nextra-info ") + 1
descriptor = server_descriptor.RelayDescriptor(text[:at], validate=True)
extra = extrainfo_descriptor.RelayExtraInfoDescriptor(text[at:], validate=True)

expected = {
    "nickname": "ramson0",
    "address": "203.0.113.5",
    "or_port": 9001,
    "dir_port": None,
    "average_bandwidth": 1000000,
    "burst_bandwidth": 2000000,
    "observed_bandwidth": 765432,
    "uptime": 3600,
    "hibernating": False,
    "allow_tunneled_dir_requests": True,
    "extra_info_digest": extra.digest(),
    "extra_info_cache": True,
    "extra_info_sha256_digest": extra.digest(hash_type="SHA256", encoding="BASE64"),
}
failed = False
for name, value in expected.items():
    got = getattr(descriptor, name)
    if got != value:
        print("FAIL: %s is %r, expected %r" % (name, got, value))
        failed = True
if str(descriptor.exit_policy) != "reject *:*":
    print("FAIL: exit policy is %s" % descriptor.exit_policy)
    failed = True
if descriptor.protocols.get("Relay") != [2, 3, 4, 5, 6] or descriptor.protocols.get("HSDir") != [2]:
    print("FAIL: protocols are %r" % descriptor.protocols)
    failed = True
if descriptor.certificate.type.upper() != "ED25519_SIGNING":
    print("FAIL: certificate type %s" % descriptor.certificate.type)
    failed = True
if descriptor.certificate.is_expired():
    print("FAIL: the signing key's certificate has expired")
    failed = True
descriptor.certificate.validate(descriptor)
if (extra.nickname, extra.fingerprint) != (descriptor.nickname, descriptor.fingerprint):
    print("FAIL: the extra-info is another relay's")
    failed = True
if extra.published != descriptor.published:
    print("FAIL: published at different times")
    failed = True
if (extra.write_history_values, extra.read_history_values) != ([1024, 2048], [1024, 4096]):
    print("FAIL: histories are %r, %r" % (extra.write_history_values, extra.read_history_values))
    failed = True

# A changed byte must be seen, else the checks above say nothing.
for changed in (text[:at].replace(b"uptime 3600", b"uptime 3601"),
                text[:at].replace(b"ramson0", b"ramson1", 1)):
    try:
        other = server_descriptor.RelayDescriptor(changed, validate=True)
        other.certificate.validate(other)
        print("FAIL: a changed descriptor is taken")
        failed = True
    except ValueError:
        pass
sys.exit(failed)
