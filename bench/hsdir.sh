#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# A ramson full of onion services' descriptors, up to its memory bound and beyond, while it forwards,
# in a namespace of its own. Installs what is needed, builds, measures, takes everything down.
set -u
cd "$(dirname "$0")/.." || exit 2
. tests/setup.sh

measure=(/usr/bin/python3 bench/hsdir_load.py)
case " $* " in
    *" --help "* | *" -h "*) "${measure[@]}" --help; exit ;;
esac
need_root
# What is said goes to stderr: stdout is for the table or the JSON object.
install_packages install "${build_packages[@]}" "${network_packages[@]}" >&2
build_release ramson/ramson >&2
as_root env PATH="$PATH" PYTHONDONTWRITEBYTECODE=1 "${measure[@]}" \
    --ramson "$PWD/build/release/ramson/ramson" "$@"
