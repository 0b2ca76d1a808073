#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# C tor's client and ramson's in turn in one private network, in a namespace of its own: time to
# bootstrap, to the first byte, throughput, CPU per GB. Installs what is needed, builds, measures,
# takes everything down.
set -u
cd "$(dirname "$0")/.." || exit 2
. tests/setup.sh

compare=(/usr/bin/python3 bench/compare_client.py)
case " $* " in
    *" --help "* | *" -h "*) "${compare[@]}" --help; exit ;;
esac
need_root
# What is said goes to stderr: stdout is for the table or the JSON object.
install_packages install "${build_packages[@]}" "${network_packages[@]}" >&2
build_release bench/ramson-bench >&2
as_root env PATH="$PATH" PYTHONDONTWRITEBYTECODE=1 "${compare[@]}" \
    --ramson "$PWD/build/release/ramson/ramson" --bench "$PWD/build/release/bench/ramson-bench" "$@"
