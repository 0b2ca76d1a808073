#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# A service's directory moves between C tor and us and back: each takes the other's keys for the same
# address, and changes none of them. Skipped where there is no `tor`.
#   test_key_directory_tor.sh TEST_KEY_DIRECTORY
set -eu
load=$1
tor=$(PATH=$PATH:/usr/sbin command -v tor) || { echo "no tor here"; exit 77; }
dir=$(mktemp -d)
pid=
trap 'if [ "$pid" ]; then kill "$pid"; fi; rm -rf "$dir"' EXIT

fail() { echo "FAIL: $*" >&2; cat "$dir/log" >&2 || :; exit 1; }
keys() { (cd "$1" && sha256sum hs_ed25519_secret_key hs_ed25519_public_key); }
# Lets C tor load or make the service, without a network, until it has come so far as to say so.
serve() {
    : >"$dir/log"
    : >"$dir/torrc"
    "$tor" -f "$dir/torrc" --defaults-torrc "$dir/torrc" --DataDirectory "$dir/data" --SocksPort 0 \
        --DisableNetwork 1 --HiddenServiceDir "$1" --HiddenServicePort 80 --Log notice >"$dir/log" 2>&1 &
    pid=$!
    until grep -q 'Bootstrapped 0%' "$dir/log"; do
        kill -0 "$pid" || fail "C tor does not start"
        sleep 0.1
    done
    kill "$pid"
    wait "$pid" || :
    pid=
}

mkdir -m 700 "$dir/data" "$dir/theirs"
serve "$dir/theirs"
cp -a "$dir/theirs" "$dir/copy"
rm "$dir/copy/hostname"
"$load" "$dir/copy" >"$dir/said" || fail "keys made by C tor are refused"
[ "$(keys "$dir/theirs")" = "$(keys "$dir/copy")" ] || fail "C tor's key files were changed"
cmp "$dir/theirs/hostname" "$dir/copy/hostname" || fail "another hostname"
cmp "$dir/theirs/hostname" "$dir/said" || fail "another address"

"$load" "$dir/ours" >"$dir/said" || fail "no keys made"
keys "$dir/ours" >"$dir/before"
rm "$dir/ours/hostname"
serve "$dir/ours"
keys "$dir/ours" | cmp - "$dir/before" || fail "C tor replaced our key files"
cmp "$dir/ours/hostname" "$dir/said" || fail "C tor sees another address"
grep '\[warn\]' "$dir/log" | grep -v 'as root' && fail "C tor warns of what we made"
echo "services move both ways"
