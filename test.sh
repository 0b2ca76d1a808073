#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Installs what is needed, builds, and runs the tests. Safe to run twice.
set -u
cd "$(dirname "$0")" || exit 2
. tests/setup.sh

usage() {
    cat <<END
usage: sudo ./test.sh [NAME…]   all tests, or those named
       ./test.sh --fast [NAME…] only those that need no root and no network
       ./test.sh --list         the names
FUZZ_SECONDS=N sets how long each fuzz-… test runs (20; 0: only its seeds), FUZZ_CORPUS=DIR where
it keeps the inputs that it found, for a later run.
DYING_RELAYS=1 adds tests in which relays die between a visitor and tor's onion service.
The last line is "N passed, N failed"; the status is 1 if any failed.
END
}

mode=all
names=()
for argument in "$@"; do
    case $argument in
        --fast) mode=fast ;;
        --list) mode=list ;;
        -h | --help) usage; exit 0 ;;
        -*) usage >&2; exit 2 ;;
        *) names+=("$argument") ;;
    esac
done

network=no
fuzz=no
[ $mode = all ] && [ ${#names[@]} = 0 ] && network=yes
[ $mode != list ] && [ ${#names[@]} = 0 ] && fuzz=yes
for name in "${names[@]}"; do
    case $name in
        network-*)
            [ $mode = fast ] && die "'$name' needs root and a network, so not with --fast"
            network=yes ;;
        fuzz-*) fuzz=yes ;;
    esac
done
[ $fuzz = yes ] && build_packages+=("${fuzz_packages[@]}")

# Only what needs a network needs root, when the packages are there.
if [ $network = yes ]; then
    need_root "or ./test.sh --fast for the tests that need neither root nor network"
    install_packages install "${build_packages[@]}" "${network_packages[@]}"
else
    install=install
    [ "$(id -u)" = 0 ] || install=check
    install_packages $install "${build_packages[@]}" python3-stem python3-cryptography
fi

configure_debug
run=(/usr/bin/python3 tests/run.py --debug build/debug --fuzz build/fuzz)
known=$("${run[@]}" --list) || exit 2
if [ $mode = list ]; then
    echo "$known"
    exit 0
fi
for name in "${names[@]}"; do
    grep -qxF -e "$name" <<<"$known" || die "no test is called '$name': ./test.sh --list says which there are"
done

build_debug
[ $fuzz = no ] || build_fuzz
if [ $network = yes ]; then
    build_release bench/ramson-bench
    as_root env PATH="$PATH" PYTHONDONTWRITEBYTECODE=1 FUZZ_SECONDS="${FUZZ_SECONDS:-}" \
        FUZZ_CORPUS="${FUZZ_CORPUS:-}" DYING_RELAYS="${DYING_RELAYS:-}" \
        "${run[@]}" --release build/release "${names[@]}"
elif [ $mode = fast ]; then
    "${run[@]}" --fast "${names[@]}"
else
    "${run[@]}" "${names[@]}"
fi
