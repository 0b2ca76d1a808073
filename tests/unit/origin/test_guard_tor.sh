#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# A client moves between C tor and this one and back by its state file: both have the same guards
# then, and the rest of the file stays. tor runs without network. Skipped where there is no `tor`.
#   test_guard_tor.sh TEST_GUARD_LINE TOR_STATE
set -eu
guards=$1
theirs=$2 # written by tor 0.4.9.11, in a private network
tor=$(PATH=$PATH:/usr/sbin command -v tor) || { echo "no tor here"; exit 77; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

fail() { echo "FAIL: $*" >&2; cat "$dir/log" >&2; exit 1; }
lines() { grep '^Guard ' "$1/state"; }
others() { grep -v '^#\|^Guard \|^LastWritten \|^TorVersion \|^$' "$1/state"; }

# tor reads DIR/state and writes it again when it ends.
run_tor() {
    : >"$dir/torrc"
    "$tor" -f "$dir/torrc" --defaults-torrc "$dir/torrc" --DataDirectory "$1" --DisableNetwork 1 \
        --SocksPort 0 --Log "notice stdout" >"$dir/log" 2>&1 &
    pid=$!
    for _ in $(seq 100); do
        grep -q "Bootstrapped 0%" "$dir/log" && break
        sleep 0.1
    done
    kill -TERM $pid
    wait $pid || fail "tor failed"
    grep -q "^TorVersion Tor " "$1/state" || fail "tor did not write the state file"
}

# Ours, used by tor, and used by us again.
mkdir -m 700 "$dir/ours"
"$guards" write "$dir/ours"
lines "$dir/ours" >"$dir/before"
[ "$(wc -l <"$dir/before")" -ge 20 ] || fail "too few guards"
for kind in confirmed_on= unlisted_since= pb_collapsed_circuits= listed=0; do
    grep -q "$kind" "$dir/before" || fail "no guard with $kind"
done
run_tor "$dir/ours"
[ ! -e "$dir/ours/state.0" ] || fail "tor refuses our state file"
grep -i "guard\|state file" "$dir/log" | grep -v "guard context" && fail "tor complains"
lines "$dir/ours" | cmp - "$dir/before" || fail "tor has other guards than we had"
others "$dir/ours" >"$dir/others"
"$guards" rewrite "$dir/ours"
grep -q "^TorVersion ramson " "$dir/ours/state" || fail "we did not write the state file"
lines "$dir/ours" | cmp - "$dir/before" || fail "we read other guards than we wrote"
others "$dir/ours" | cmp - "$dir/others" || fail "we lost what tor keeps"

# tor's, used by us, and used by tor again.
mkdir -m 700 "$dir/theirs"
cp "$theirs" "$dir/theirs/state"
"$guards" rewrite "$dir/theirs"
grep -q "^TorVersion ramson " "$dir/theirs/state" || fail "we did not write the state file"
grep '^Guard ' "$theirs" >"$dir/before"
lines "$dir/theirs" | cmp - "$dir/before" || fail "we have other guards than tor had"
run_tor "$dir/theirs"
[ ! -e "$dir/theirs/state.0" ] || fail "tor refuses its state file after us"
lines "$dir/theirs" | cmp - "$dir/before" || fail "tor has lost its guards"
echo "guards move both ways"
