#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# The command line: what it answers where, and that every mistake is one line and exit status 1.
# Usage: cli.sh RAMSON
set -u
ramson=$(realpath "$1")
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
failures=0

# A configuration that this machine can check; its arguments are lines for sed.
configuration() {
    cat >"$work/good.json" <<END
{
  "nickname": "ramson0",
  "data_directory": "$work/data",
  "address": ["203.0.113.5"],
  "or_port": 9001,
  "dataplane": {
    "workers": [1], "control": 0,
    "interfaces": [ { "device": "net_null0", "addresses": ["203.0.113.5/24"] } ]
  }
}
END
    sed "$@" "$work/good.json" >"$work/r.json"
}

wrong() {
    echo "FAIL: $*"
    sed 's/^/    stdout: /' "$work/out"
    sed 's/^/    stderr: /' "$work/err"
    failures=$((failures + 1))
}

# expect STATUS STDOUT STDERR ARGUMENTS...: both texts are patterns of the whole output; "" is none.
expect() {
    status=$1 out=$2 err=$3
    shift 3
    (cd "$work" && "$ramson" "$@" >out 2>err </dev/null)
    got=$?
    [ "$got" -eq "$status" ] || wrong "$* gave $got, not $status"
    [ "$(wc -l <"$work/err")" -eq "$([ -n "$err" ] && echo 1 || echo 0)" ] ||
        wrong "$*: not one line"
    # shellcheck disable=SC2254 # they are patterns
    case $(cat "$work/out") in $out) ;; *) wrong "$*: not \"$out\"" ;; esac
    # shellcheck disable=SC2254
    case $(cat "$work/err") in $err) ;; *) wrong "$*: not \"$err\"" ;; esac
}

# What was asked for goes to standard output.
expect 0 'ramson [0-9]*.[0-9]*.[0-9]*' '' --version
for help in --help -h help; do
    expect 0 '*ramson run   --config FILE*ramson check --config FILE*' '' "$help"
done

# Mistakes on the command line.
help='(see ramson --help)'
expect 1 '' "ramson: found no command, expected one of run, check, status, petname, onion, --version, --help $help"
expect 1 '' "ramson: found \"walk\", expected one of run, check, status, petname, onion, --version, --help $help" walk
expect 1 '' "ramson: found \"\", expected one of *" ''
expect 1 '' "ramson: found \"--verbose\", expected one of *" --verbose
expect 1 '' "ramson: found \"now\" after --version, expected nothing more $help" --version now
for command in run check status; do
    expect 1 '' "ramson: found no --config, expected --config FILE $help" "$command"
    expect 1 '' "ramson: found --config without a file, expected --config FILE $help" \
        "$command" --config
    expect 1 '' "ramson: found --config without a file, *" "$command" --config=
    expect 1 '' "ramson: found \"r.json\", expected --config FILE $help" "$command" r.json
    expect 1 '' "ramson: found \"--conf\", expected *" "$command" --conf r.json
    expect 1 '' "ramson: found \"again\" after --config FILE, expected nothing more $help" \
        "$command" --config r.json again
    expect 1 '' "ramson: found \"--config\" after --config FILE, *" \
        "$command" --config r.json --config r.json

    # Mistakes in the file.
    expect 1 '' 'none.json: found No such file or directory, expected a readable file of *' \
        "$command" --config none.json
    configuration 's/9001/90010/'
    expect 1 '' 'r.json:5:14: or_port: found 90010, expected a port from 1 to 65535' \
        "$command" --config r.json
    configuration 's/"or_port"/"orport"/'
    expect 1 '' 'r.json:5:3: orport: found an unknown key, expected "or_port"' \
        "$command" --config=r.json

    [ "$command" = status ] && continue

    # What this machine has not.
    configuration 's/\[1\]/[1023]/'
    expect 1 '' 'r.json:7:17: dataplane.workers\[0\]: found 1023, expected a cpu that *' \
        "$command" --config r.json
    if [ "$(nproc)" -ge 2 ]; then
        configuration -e 's/"control": 0/"control": 0, "hugepages": false, "memory_mb": 64/' \
            -e "s|$work/data|$work/no/such/data|"
        expect 1 '' 'r.json:3:21: data_directory: found "*data" (No such file or directory), *' \
            "$command" --config r.json
        configuration -e 's/"control": 0/"control": 0, "hugepages": false, "memory_mb": 64/' \
            -e "s|$work/data|$work/r.json|"
        expect 1 '' 'r.json:3:21: data_directory: found "*r.json" (no directory), expected *' \
            "$command" --config r.json
    fi
done

# Nobody runs there.
for json in '' --json; do
    configuration "s|$work/data|$work|"
    # shellcheck disable=SC2086 # none is none
    expect 1 '' "ramson: $work: nothing runs with this data directory" status $json --config r.json
    configuration ''
    # shellcheck disable=SC2086
    expect 1 '' "ramson: $work/data: nothing runs *" status --config=r.json $json
done
expect 1 '' "ramson: found \"--json\" after --config FILE, *" status --json --config r.json --json
expect 1 '' "ramson: found \"--json\", expected *" check --json --config r.json

# Petnames.
mkdir "$work/pets"
configuration "s|$work/data|$work/pets|"
tor=2gzyxa5ihm7nsggfxnu52rck2vv4rvmdlkiu3zzui5du4xyclen53wid.onion
duck=duckduckgogg42xjoc72x3sjasowoarfbgcmvfimaftt6twagswzczad.onion
expect 0 '' '' petname list --config r.json
expect 0 '' '' petname add wiki $tor --config r.json
expect 0 '' '' petname --config=r.json add search.pet $duck
expect 0 "search * $duck*wiki * $tor" '' petname list --config r.json
expect 1 '' "ramson: found the name \"wiki\" a second time, *" petname add wiki $duck --config r.json
expect 1 '' "ramson: found \"a.b\", expected a name *" petname add a.b $duck --config r.json
expect 1 '' 'ramson: found "x.onion" (there are not 56 *' petname add x x.onion --config r.json
expect 1 '' 'ramson: found "*" (its checksum is wrong*' \
    petname add x 2gyyxa5ihm7nsggfxnu52rck2vv4rvmdlkiu3zzui5du4xyclen53wid.onion --config r.json
expect 0 '' 'ramson: warning: wikl looks like wiki, which is another service *' \
    petname add wikl $duck --config r.json
expect 0 '' '' petname remove wikl.pet --config r.json
expect 1 '' 'ramson: found no petname "wikl", expected one of *' petname remove wikl --config r.json
for use in '' add 'add wiki' 'list all' 'remove' 'rename a b'; do
    # shellcheck disable=SC2086 # words
    expect 1 '' 'ramson: found another use of petname, *' petname $use --config r.json
done
expect 1 '' 'ramson: found too many words, *' petname add a b c --config r.json
expect 1 '' "ramson: found no --config, expected --config FILE $help" petname list
printf '{\n  "wiki": "x"\n}\n' >"$work/pets/petnames.json"
expect 1 '' 'ramson: */petnames.json:2:11: found "x" (*), expected *' petname list --config r.json
configuration 's|"or_port"|"petnames": "'"$work"'/mine.json", "or_port"|'
expect 0 '' '' petname add wiki $tor --config r.json
[ "$(stat -c %a "$work/mine.json")" = 600 ] || wrong "mine.json is not its owner's alone"

if [ "$(nproc)" -ge 2 ]; then
    configuration ''
    expect 0 'ok' '' check --config r.json
    expect 0 'ok' '' check --config=r.json
    [ ! -e "$work/data" ] || wrong "check made the data directory"
    mkdir "$work/data"
    expect 0 'ok' '' check --config r.json
    configuration 's/net_null0/net_nonsense0/; s/"control": 0/"control": 0, "hugepages": false/'
    expect 1 '' 'r.json:8:33: dataplane.interfaces\[0\].device: found "net_nonsense0", of which *' \
        run --config r.json
    configuration 's/net_null0/0000:fe:1f.7/; s/"control": 0/"control": 0, "hugepages": false/'
    expect 1 '' 'r.json:8:33: dataplane.interfaces\[0\].device: found "0000:fe:1f.7", which this *' \
        run --config r.json
    configuration 's/"control": 0/"control": 0, "memory_mb": 1048576/'
    expect 1 '' 'r.json:7:*: dataplane.memory_mb: found 1048576, but * MB of huge pages are free, *' \
        run --config r.json
fi

[ "$failures" -eq 0 ] && echo "all as expected"
[ "$failures" -eq 0 ]
