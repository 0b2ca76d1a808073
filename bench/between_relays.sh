# SPDX-License-Identifier: BSD-3-Clause
# Sourced by the measurements between real relays, from the project's root: `measure PROGRAM "$@"`
# installs what is needed, builds, and runs bench/PROGRAM as root. What it says on the way goes to
# stderr: stdout is for the table or the JSON object.
. tests/setup.sh

# benchmark=yes: PROGRAM needs ramson-bench, too, and is told where it is.
measure() {
    local program=(/usr/bin/python3 "bench/$1") targets=() where=()
    shift
    case " $* " in
        *" --help "* | *" -h "*) "${program[@]}" --help; exit ;;
    esac
    need_root
    if [ "${benchmark:-no}" = yes ]; then
        targets=(bench/ramson-bench)
        where=(--bench "$PWD/build/release/bench/ramson-bench")
    fi
    install_packages install "${build_packages[@]}" "${network_packages[@]}" >&2
    build_release "${targets[@]}" >&2
    as_root env PATH="$PATH" PYTHONDONTWRITEBYTECODE=1 "${program[@]}" \
        --ramson "$PWD/build/release/ramson/ramson" "${where[@]}" "$@"
}
