# SPDX-License-Identifier: BSD-3-Clause
# What test.sh and demo.sh have in common: Debian's packages and the two build trees. Sourced by bash.

# Debian's tools first: /usr/bin/python3 is the one that has python3-stem, and a user's PATH has no
# /usr/sbin.
PATH=/usr/sbin:/usr/bin:/sbin:/bin:$PATH
export PYTHONDONTWRITEBYTECODE=1

build_packages=(gcc libc6-dev meson ninja-build pkg-config python3 libdpdk-dev libipsec-mb-dev
    libssl-dev libjansson-dev libsodium-dev libuv1-dev libcmocka-dev zlib1g-dev libzstd-dev liblzma-dev)
fuzz_packages=(clang libclang-rt-14-dev)
network_packages=(tor torsocks curl iproute2 openssl python3-stem python3-cryptography
    python3-zstandard onionbalance)

die() {
    echo "${0##*/}: $*" >&2
    exit 2
}

is_installed() {
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# Says early and in one line what is missing; $1 is what else could be done.
need_root() {
    if [ "$(id -u)" != 0 ] && ! command -v sudo >/dev/null; then
        die "needs root, and there is no sudo here: run it as root${1:+, $1}"
    fi
}

# Runs a command as root: directly, or with sudo.
as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        die "'$*' needs root, and there is no sudo here"
    fi
}

apt_install() {
    # Waits for a package manager that runs already, as on a machine that has just booted.
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends \
        -o DPkg::Lock::Timeout=600 "$@"
}

# The package lists are fetched only when the packages can't be had with those that are there.
apt_install_or_update() {
    local log
    log=$(mktemp)
    if ! apt_install "$@" >"$log" 2>&1; then
        as_root apt-get update -q -o DPkg::Lock::Timeout=600 >>"$log" 2>&1
        if ! apt_install "$@" >>"$log" 2>&1; then
            cat "$log" >&2
            rm -f "$log"
            die "apt-get could not install: $*"
        fi
    fi
    rm -f "$log"
}

# Debian's tor and onionbalance start a service when they are installed. While policy-rc.d says 101,
# no maintainer script starts anything; afterwards the service is disabled, so that a reboot doesn't
# start it either. Only for a machine that had none: a user's own service is left as it is.
install_quietly() (
    package=$1
    policy=/usr/sbin/policy-rc.d
    saved=$policy.before-ramson
    put_back() {
        if [ -e "$saved" ]; then
            as_root mv -f "$saved" "$policy"
        else
            as_root rm -f "$policy"
        fi
    }
    trap put_back EXIT
    trap 'exit 130' INT TERM
    # A copy that is there already is from a run that was killed: it is the true one.
    if [ -e "$policy" ] && [ ! -e "$saved" ]; then
        as_root mv "$policy" "$saved"
    fi
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
    as_root chmod 755 "$policy"
    apt_install_or_update "$package"
    if command -v systemctl >/dev/null; then
        as_root systemctl disable "$package.service" >/dev/null 2>&1
        if [ -d /run/systemd/system ]; then
            as_root systemctl stop "$package.service" "$package@default.service" >/dev/null 2>&1
        fi
    elif [ -e "/etc/init.d/$package" ]; then
        as_root update-rc.d "$package" disable >/dev/null 2>&1
    fi
    true
)

# Installs those of the packages that are missing. With `check` as first argument it only looks.
install_packages() {
    local mode=$1 package missing=()
    shift
    for package in "$@"; do
        is_installed "$package" || missing+=("$package")
    done
    [ ${#missing[@]} = 0 ] && return
    if [ "$mode" = check ]; then
        die "needs Debian packages that are not installed: sudo apt-get install ${missing[*]}"
    fi
    echo "installing: ${missing[*]}"
    local others=()
    for package in "${missing[@]}"; do
        if [ "$package" = tor ] || [ "$package" = onionbalance ]; then
            install_quietly "$package" || exit 2
        else
            others+=("$package")
        fi
    done
    [ ${#others[@]} = 0 ] || apt_install_or_update "${others[@]}"
}

# Runs a command as the owner of the source tree, so that `sudo ./test.sh` leaves no files of
# root's in a user's tree.
as_owner() {
    local owner group
    owner=$(stat -c %u .)
    group=$(stat -c %g .)
    if [ "$(id -u)" = 0 ] && [ "$owner" != 0 ]; then
        setpriv --reuid="$owner" --regid="$group" --clear-groups env HOME=/nonexistent "$@"
    else
        "$@"
    fi
}

# build_tree NAME TARGET…: builds these in build/NAME, which is configured.
build_tree() {
    local dir=build/$1 log start=$SECONDS
    shift
    printf '%s' "building $dir … "
    log=$(mktemp)
    if ! as_owner ninja -C "$dir" "$@" >"$log" 2>&1; then
        echo failed
        grep -vE '^\[[0-9]+/[0-9]+\] (Compiling|Linking|Generating)' "$log" >&2
        rm -f "$log"
        die "the build in $dir failed"
    fi
    rm -f "$log"
    echo "$((SECONDS - start)) s"
}

configure_tree() {
    local dir=$1 log
    shift
    [ -e "$dir/build.ninja" ] && return
    as_owner mkdir -p "$dir" || die "can't make $dir"
    log=$(mktemp)
    if ! as_owner meson setup "$dir" "$@" >"$log" 2>&1; then
        cat "$log" >&2
        rm -f "$log"
        die "meson setup $dir failed"
    fi
    rm -f "$log"
}

# Line numbers are enough for a sanitizer's report; whole debug information takes half as long again.
configure_debug() {
    configure_tree build/debug --buildtype=debug -Dc_args=-g1 -Db_sanitize=address,undefined \
        -Db_lundef=false
}

build_debug() {
    configure_debug
    build_tree debug ramson/ramson meson-test-prereq
}

build_release() {
    configure_tree build/release --buildtype=release
    build_tree release ramson/ramson "$@"
}

# The parsers that tests/fuzz feeds, and what they are built on, by clang. A target that is new
# since the tree was configured is found by configuring it again.
build_fuzz() {
    local target targets=()
    for target in tests/fuzz/fuzz_*.c; do
        target=${target##*/}
        target=${target%.c}
        targets+=("tests/fuzz/${target//_/-}")
    done
    CC=clang configure_tree build/fuzz -Dfuzz=true -Dwerror=false --buildtype=debug -Doptimization=1 -Dc_args=-g1 \
        -Db_sanitize=address,undefined -Db_lundef=false
    if [ "$(ninja -C build/fuzz -t targets all | grep -c '^tests/fuzz/fuzz-[^/]*: c_LINKER')" != ${#targets[@]} ]; then
        as_owner meson setup --reconfigure build/fuzz >/dev/null || die "meson setup build/fuzz failed"
    fi
    build_tree fuzz "${targets[@]}"
}
