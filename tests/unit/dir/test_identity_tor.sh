#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# A keys directory moves between C tor and this relay and back: C tor lists the fingerprint of keys
# that we made without making new ones, and we load C tor's. Skipped where there is no `tor`.
#   test_identity_tor.sh TEST_IDENTITY
set -eu
load=$1
tor=$(PATH=$PATH:/usr/sbin command -v tor) || { echo "no tor here"; exit 77; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

fail() { echo "FAIL: $*" >&2; exit 1; }
keys() { (cd "$1/keys" && sha256sum secret_id_key ed25519_* secret_onion_key*); }
# Prints what C tor says the fingerprint is; it ends at once and opens no port.
list() {
    : >"$dir/torrc"
    "$tor" --list-fingerprint --quiet -f "$dir/torrc" --defaults-torrc "$dir/torrc" \
        --DataDirectory "$1" --ORPort 9001 --Nickname test --ContactInfo test | tail -1
}

# C tor's keys, used by us.
list "$dir/theirs" >"$dir/theirs.fingerprint"
cp -a "$dir/theirs" "$dir/copy"
rm -f "$dir/copy/lock" "$dir/copy/fingerprint" "$dir/copy/fingerprint-ed25519"
"$load" "$dir/copy" || fail "keys made by C tor are refused"
[ "$(keys "$dir/theirs")" = "$(keys "$dir/copy")" ] || fail "C tor's key files were changed"
cmp "$dir/theirs/fingerprint" "$dir/copy/fingerprint" || fail "another fingerprint"
cmp "$dir/theirs/fingerprint-ed25519" "$dir/copy/fingerprint-ed25519" || fail "another ed25519 key"

# Our keys, used by C tor.
"$load" "$dir/ours" || fail "no keys made"
keys "$dir/ours" >"$dir/before"
cp "$dir/ours/fingerprint" "$dir/ours.fingerprint"
cp "$dir/ours/fingerprint-ed25519" "$dir/ours.ed25519"
rm -f "$dir/ours/fingerprint" "$dir/ours/fingerprint-ed25519"
list "$dir/ours" >"$dir/said"
keys "$dir/ours" | cmp - "$dir/before" || fail "C tor replaced our key files"
cmp "$dir/ours/fingerprint" "$dir/ours.fingerprint" || fail "C tor sees another fingerprint"
cmp "$dir/ours/fingerprint-ed25519" "$dir/ours.ed25519" || fail "C tor sees another ed25519 key"
tr -d ' ' <"$dir/said" | grep -q "$(cut -d' ' -f2 "$dir/ours.fingerprint")" ||
    fail "C tor said $(cat "$dir/said")"
echo "keys move both ways"
