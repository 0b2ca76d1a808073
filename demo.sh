#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# A private Tor network in a namespace of its own: 100 MB through ramson as guard and as middle, and an
# onion service on ramson that is met in six steps.
# Installs what is needed, builds, shows, takes everything down. Safe to run twice.
set -u
cd "$(dirname "$0")" || exit 2
. tests/setup.sh

need_root
demo=(/usr/bin/python3 tests/network/demo.py)
usage() {
    echo "usage: sudo ./demo.sh [--keep] [--report DIR] | --down" >&2
    exit 2
}
[ "${1-}${2-}" != --down ] || { as_root "${demo[@]}" --down; exit; }
options=()
while [ $# -gt 0 ]; do
    case $1 in
        --keep) options+=(--keep) ;;
        --report) [ -n "${2-}" ] || usage; options+=(--report "$2"); shift ;;
        *) usage ;;
    esac
    shift
done

install_packages install "${build_packages[@]}" "${network_packages[@]}"
build_release
as_root env PATH="$PATH" PYTHONDONTWRITEBYTECODE=1 \
    "${demo[@]}" --ramson "$PWD/build/release/ramson/ramson" "${options[@]}"
