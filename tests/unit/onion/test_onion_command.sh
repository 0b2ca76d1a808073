#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# `ramson onion`: keys that were searched for are keys to C tor, each mistake is one line and status
# 1, and nothing is written over.
#   test_onion_command.sh RAMSON
set -u
ramson=$(realpath "$1")
dir=$(mktemp -d) || exit 1
pid=
trap 'if [ "$pid" ]; then kill "$pid"; fi; rm -rf "$dir"' EXIT
cd "$dir" || exit 1
failures=0

fail() { echo "FAIL: $*" >&2; failures=$((failures + 1)); }
# good PATTERN WORDS…: what is on standard output, as a pattern of the shell.
good() {
    pattern=$1
    shift
    "$ramson" onion "$@" >out 2>err || fail "$*: $(cat err)"
    # shellcheck disable=SC2254
    case $(cat out) in $pattern) ;; *) fail "$*: $(cat out)" ;; esac
}
# bad WORD WORDS…: what the one line names.
bad() {
    word=$1
    shift
    "$ramson" onion "$@" >out 2>err && fail "$*: no mistake"
    if [ "$(wc -l <err)" != 1 ] || ! grep -q -- "$word" err || ! grep -q '^ramson: ' err; then
        fail "$*: $(cat err)"
    fi
    [ -s out ] && fail "$*: $(cat out)"
}

good '????????????????????????????????????????????????????????.onion' new one
[ "$(cat one/hostname)" = "$(cat out)" ] || fail "another hostname"
good "$(cat one/hostname)" show one
good 'ram*.onion' new two --prefix=Ram
address=$(cat two/hostname)
sha256sum one/* 2>/dev/null >before
bad 'one/hs_ed25519_secret_key' new one
bad 'one/hs_ed25519_secret_key' new one --prefix zzzzzzzzzzzz # at once, not after the search
sha256sum one/* 2>/dev/null | cmp -s - before || fail "something was written over"

good '*authorized_clients*descriptor:x25519:*NAME.auth_private*' client-key two
sed -n 2p out >two/authorized_clients/alice.auth
mkdir -m 700 visitor
sed -n 4p out >visitor/two.auth_private
grep -q "^${address%.onion}:descriptor:x25519:" visitor/two.auth_private || fail "no visitor's line"
good "*${address%.onion}:descriptor*" client-key "$address"
good "$address
client: alice" show two

good 'signing keys until: *' sign two --periods 30 --out keys
[ "$(grep -c '^signing-key ' keys)" = 31 ] || fail "$(grep -c '^signing-key ' keys) keys"
cp -a two online
rm online/hs_ed25519_secret_key
bad 'offline_keys' show online
cp keys online/offline_keys
good "$address
client: alice
signing keys until: 20*" show online
bad 'no hs_ed25519_secret_key' sign online --periods 1 --out more
bad 'another service' show "$(cp -a one mixed && rm mixed/hs_ed25519_secret_key && cp keys mixed/offline_keys && echo mixed)"

bad 'one of' ''
bad 'one of' old
bad 'a directory' new
bad '"more"' new some more
bad 'a-z and 2-7' new some --prefix 'a1'
bad 'a-z and 2-7' new some --prefix ''
bad 'a-z and 2-7' new some --prefix aaaaaaaaaaaaa
bad '"--prefix" at the end' new some --prefix
bad 'twice' new some --prefix a --prefix b
bad '"--periods"' new some --periods 3
bad '"--x"' show one --x
bad 'none' show none
bad 'none/new' new none/new
bad 'checksum' client-key "$(sed 's/^a/b/;t;s/^./a/' one/hostname)"
bad '--out' sign two --periods 3
bad '--periods' sign two --out more
bad '--periods' sign two --periods 0 --out more
bad '--periods' sign two --periods 4000 --out more
bad '--first' sign two --periods 1 --first -1 --out more
bad '--minutes' sign two --periods 1 --minutes 0 --out more
bad 'a file already' sign two --periods 3 --out keys
[ -e some ] && fail "something was made"
[ -e more ] && fail "something was made"

if tor=$(PATH=$PATH:/usr/sbin command -v tor); then
    mkdir -m 700 data
    rm two/hostname
    : >torrc
    : >log
    "$tor" -f torrc --defaults-torrc torrc --DataDirectory "$dir/data" --SocksPort 0 --DisableNetwork 1 \
        --HiddenServiceDir "$dir/two" --HiddenServicePort 80 --ClientOnionAuthDir "$dir/visitor" \
        --Log 'info stdout' >log 2>&1 &
    pid=$!
    until grep -q 'Bootstrapped 0%' log; do
        kill -0 "$pid" || break
        sleep 0.1
    done
    kill "$pid" && wait "$pid"
    pid=
    [ "$(cat two/hostname)" = "$address" ] || fail "C tor has another address: $(tail log)"
    grep -q 'Loaded a client authorization key file alice.auth' log || fail "C tor does not know alice"
    grep -q 'Loaded a client authorization key file two.auth_private' log || fail "C tor is no visitor"
else
    echo "no tor here"
fi
exit $((failures > 0))
