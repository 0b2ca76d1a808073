#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# A relay from start to orderly end, without privileges, huge pages or network.
# Usage: run.sh RAMSON
set -u
ramson=$(realpath "$1")
[ "$(nproc)" -ge 2 ] || exit 77
work=$(mktemp -d) || exit 1
relay=
: >"$work/log"
trap '[ -z "$relay" ] || kill -9 "$relay" 2>/dev/null; rm -rf "$work"' EXIT

cat >"$work/r.json" <<END
{
  "nickname": "ramson0",
  "data_directory": "$work/data",
  "address": ["203.0.113.5"],
  "or_port": 9001,
  "dataplane": {
    "workers": [1], "control": 0, "hugepages": false, "memory_mb": 128,
    "interfaces": [ { "device": "net_null0,no-rx=1", "addresses": ["203.0.113.5/24"] } ]
  }
}
END

fail() {
    echo "FAIL: $*"
    cat "$work/log"
    exit 1
}

# wait_for PATTERN: until the log has a line like it.
wait_for() {
    tries=0
    until grep -q -- "$1" "$work/log"; do
        tries=$((tries + 1))
        [ "$tries" -lt 200 ] || fail "no \"$1\" in 20 s"
        kill -0 "$relay" 2>/dev/null || fail "ended before \"$1\""
        sleep 0.1
    done
}

"$ramson" run --config "$work/r.json" 2>"$work/log" >"$work/out" &
relay=$!
wait_for 'ramson0 is running'
[ -e "$work/data/keys/secret_id_key" ] || fail "no keys"

"$ramson" run --config "$work/r.json" 2>"$work/second" && fail "two relays with one directory"
grep -q 'data_directory: found ".*" (another relay is using it)' "$work/second" ||
    fail "a second relay said: $(cat "$work/second")"

"$ramson" status --config "$work/r.json" >"$work/status" || fail "no status"
grep -q '^ramson [0-9.]*, relay, up ' "$work/status" || fail "it says: $(cat "$work/status")"
grep -q '^relay      ramson0  [0-9A-F]*, OR port 9001, 0 circuits$' "$work/status" ||
    fail "it says: $(cat "$work/status")"
"$ramson" status --json --config "$work/r.json" | grep -q '"role": "relay"' || fail "no JSON"

kill -USR1 "$relay"
wait_for '^worker 0'
wait_for '^control'
wait_for '^sum'

started=$(date +%s)
kill -TERM "$relay"
wait "$relay"
status=$?
relay=
[ "$status" -eq 0 ] || fail "ended with $status"
[ $(($(date +%s) - started)) -le 6 ] || fail "took more than 5 s to end"
grep -q 'stopped' "$work/log" || fail "no orderly end"
[ ! -s "$work/out" ] || fail "something on standard output"

# C tor locks by flock(2); a relay that it runs is noticed before DPDK starts.
flock "$work/data/lock" "$ramson" run --config "$work/r.json" 2>"$work/second" &&
    fail "ran beside C tor"
grep -q 'data_directory: found ".*" (another relay is using it)' "$work/second" ||
    fail "beside C tor it said: $(cat "$work/second")"
echo "started, counted, ended"
