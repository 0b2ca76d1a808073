#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# A private Tor network in a namespace of its own, and 100 MB through ramson as guard and as middle.
# Installs what is needed, builds, shows, takes everything down. Safe to run twice.
set -u
cd "$(dirname "$0")" || exit 2
. tests/setup.sh

need_root
demo=(/usr/bin/python3 tests/network/demo.py)
case ${1-} in
    "" | --keep) ;;
    --down) as_root "${demo[@]}" --down; exit ;;
    *) echo "usage: sudo ./demo.sh [--keep | --down]" >&2; exit 2 ;;
esac

install_packages install "${build_packages[@]}" "${network_packages[@]}"
build_release
as_root env PATH="$PATH" PYTHONDONTWRITEBYTECODE=1 \
    "${demo[@]}" --ramson "$PWD/build/release/ramson/ramson" "$@"
