// SPDX-License-Identifier: BSD-3-Clause
// ramson-bench: benchmarks of the relay and its parts.
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/message.h"
#include "compare_page.h"
#include "crypto.h"
#include "handshake.h"
#include "machine.h"
#include "pow.h"
#include "relay.h"
#include "scale.h"

static const char usage[] =
    "usage: ramson-bench relay [options]\n"
    "       ramson-bench handshake [--rounds N] [--json] [--report DIR]\n"
    "       ramson-bench scale [options]\n"
    "       ramson-bench crypto [--json] [--report DIR]\n"
    "       ramson-bench pow [--json] [--report DIR]\n"
    "       ramson-bench machine [--json]\n"
    "       ramson-bench page --report DIR <compare-tor.json\n"
    "\n"
    "  relay      a worker with its whole stack between its neighbours: Gbit/s per core, cycles\n"
    "             per cell by stage, latency, and the ratio to what the ciphers alone would allow\n"
    "  handshake  ntor and ntor-v3 onion skins that one core answers per second\n"
    "  scale      what a cell costs from 100 to 10,000 links and 1,000 to 500,000 circuits\n"
    "  crypto     nanoseconds per relay cell and per TLS record, next to OpenSSL\n"
    "  pow        proofs of work: challenges tried and proofs checked per second\n"
    "  machine    what reports say of this machine\n"
    "  page       the page of bench/compare-tor.sh, from what that prints with --json\n"
    "\n"
    "relay:\n"
    "  --links N           half of them towards origins (64)\n"
    "  --circuits N        (2000)\n"
    "  --direction D       both, forward, backward, or N: percent of the cells forward (both)\n"
    "  --mtu N[,N…]        a run of each (1500,9000)\n"
    "  --cipher C          of the records: aes128, aes256, chacha (aes256)\n"
    "  --cell-cipher C     of the circuits: tor1, cgo (tor1)\n"
    "  --record-cells N    in the records that come in (31, as C tor fills them)\n"
    "  --run N             cells of one circuit in a row (1)\n"
    "  --window N          cells per link that may be inside the relay (32)\n"
    "  --loss PERCENT      of frames, either way (0)\n"
    "  --workers N         (1)\n"
    "  --cross WHICH       circuits from one worker to another: any, none, all; half: both kinds\n"
    "                      are measured in turns (half when there are several workers)\n"
    "  --joined            half of the circuits are joined in pairs, as at a rendezvous point, "
    "and\n"
    "                      measured in turns with the others; with tor1, not with --cross half\n"
    "  --cpus G,W          CPU of the generators, CPU of the first worker (0,1)\n"
    "  --seconds S         of each measurement (2)\n"
    "  --cpu-time          count the workers' CPU time: for CPUs that others use, too; so it is "
    "by\n"
    "                      itself where there are fewer CPUs than threads\n"
    "  --checksums WHO     nic, software: who does TCP's and IP's (nic)\n"
    "  --hugepages         use the system's\n"
    "  --memory MB         (as much as the pools take)\n"
    "  --no-latency        leave that part out\n"
    "  --wrong-keys        expect other keys than the relay has: the check must then fail\n"
    "\n"
    "scale:\n"
    "  --links N, --circuits N  leave out what has more\n"
    "  --rounds N          of all points; the least of each counts (3; of handshake: 31)\n"
    "  --seconds S         a quarter of it for each point and round (2)\n"
    "  --cpus, --hugepages as above\n"
    "\n"
    "  --json        print one JSON object instead of a table\n"
    "  --report DIR  write an HTML page with charts there\n"
    "  --help        print this\n"
    "  --version\n";

static int refuse(const char *what, const char *argument)
{
    fprintf(stderr, "ramson-bench: %s \"%s\"; see ramson-bench --help\n", what, argument);
    return 1;
}

static bool parse_number(const char *text, double min, double max, double *out)
{
    char *end;
    *out = strtod(text, &end);
    return end != text && *end == '\0' && *out >= min && *out <= max;
}

static bool parse_unsigned(const char *text, unsigned min, unsigned max, unsigned *out)
{
    double value;
    if (!parse_number(text, min, max, &value) || value != (double)(unsigned)value)
        return false;
    *out = (unsigned)value;
    return true;
}

static bool parse_cipher(const char *text, uint16_t *out)
{
    if (strcmp(text, "aes128") == 0)
        *out = TLS_AES_128_GCM_SHA256_ID;
    else if (strcmp(text, "aes256") == 0)
        *out = TLS_AES_256_GCM_SHA384_ID;
    else if (strcmp(text, "chacha") == 0)
        *out = TLS_CHACHA20_POLY1305_SHA256_ID;
    else
        return false;
    return true;
}

static bool parse_cell_cipher(const char *text, bool *cgo)
{
    *cgo = strcmp(text, "cgo") == 0;
    return *cgo || strcmp(text, "tor1") == 0;
}

static bool parse_direction(const char *text, struct relay_options *o)
{
    static const struct {
        const char *name;
        unsigned percent;
    } names[] = {{"both", 50}, {"forward", 100}, {"backward", 0}};
    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        o->forward_percent = names[i].percent;
        if (strcmp(text, names[i].name) == 0)
            return true;
    }
    return parse_unsigned(text, 0, 100, &o->forward_percent);
}

// "1500,9000"
static bool parse_mtus(const char *text, struct relay_options *o)
{
    char copy[64], *rest = copy, *one;
    o->n_mtus = 0;
    if ((size_t)snprintf(copy, sizeof(copy), "%s", text) >= sizeof(copy))
        return false;
    while ((one = strsep(&rest, ",")))
        if (o->n_mtus == RELAY_MTUS_MAX || !parse_unsigned(one, 576, 9600, &o->mtus[o->n_mtus++]))
            return false;
    return true;
}

static bool parse_cross(const char *text, struct relay_options *o)
{
    static const char *const names[] = {
        [CROSS_ANY] = "any", [CROSS_NONE] = "none", [CROSS_ALL] = "all", [CROSS_HALF] = "half"};
    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcmp(text, names[i]) == 0) {
            o->cross = (enum relay_cross)i;
            return true;
        }
    return false;
}

static bool parse_checksums(const char *text, struct relay_options *o)
{
    o->nic_checksums = strcmp(text, "nic") == 0;
    return o->nic_checksums || strcmp(text, "software") == 0;
}

// Options that have a value. False: the value makes no sense. `*known` is false for no such option.
static bool take_value(const char *name, const char *value, struct relay_options *o, bool *known)
{
    *known = true;
    if (strcmp(name, "--links") == 0)
        return parse_unsigned(value, 2, 60000, &o->links) && o->links % 2 == 0;
    if (strcmp(name, "--circuits") == 0)
        return parse_unsigned(value, 1, 1000000, &o->circuits);
    if (strcmp(name, "--direction") == 0)
        return parse_direction(value, o);
    if (strcmp(name, "--mtu") == 0)
        return parse_mtus(value, o);
    if (strcmp(name, "--cipher") == 0)
        return parse_cipher(value, &o->cipher);
    if (strcmp(name, "--cell-cipher") == 0)
        return parse_cell_cipher(value, &o->cgo);
    if (strcmp(name, "--record-cells") == 0)
        return parse_unsigned(value, 1, 31, &o->record_cells);
    if (strcmp(name, "--run") == 0)
        return parse_unsigned(value, 1, 1000, &o->run_cells);
    if (strcmp(name, "--window") == 0)
        return parse_unsigned(value, 1, 2000, &o->window_cells);
    if (strcmp(name, "--loss") == 0)
        return parse_number(value, 0, 50, &o->loss_percent);
    if (strcmp(name, "--workers") == 0)
        return parse_unsigned(value, 1, 16, &o->workers);
    if (strcmp(name, "--seconds") == 0)
        return parse_number(value, 0.05, 3600, &o->seconds);
    if (strcmp(name, "--rounds") == 0)
        return parse_unsigned(value, 1, 100, &o->rounds);
    if (strcmp(name, "--memory") == 0)
        return parse_unsigned(value, 256, 1 << 20, &o->memory_mb);
    if (strcmp(name, "--cpus") == 0)
        return sscanf(value, "%d,%d", &o->cpus[0], &o->cpus[1]) == 2;
    if (strcmp(name, "--cross") == 0)
        return parse_cross(value, o);
    if (strcmp(name, "--checksums") == 0)
        return parse_checksums(value, o);
    if (strcmp(name, "--report") == 0)
        return (o->report = value)[0] != '\0';
    *known = false;
    return true;
}

static bool take_flag(const char *name, struct relay_options *o)
{
    if (strcmp(name, "--json") == 0)
        o->json = true;
    else if (strcmp(name, "--hugepages") == 0)
        o->hugepages = true;
    else if (strcmp(name, "--no-latency") == 0)
        o->latency = false;
    else if (strcmp(name, "--wrong-keys") == 0)
        o->wrong_keys = true;
    else if (strcmp(name, "--cpu-time") == 0)
        o->cpu_time = true;
    else if (strcmp(name, "--joined") == 0)
        o->joined = true;
    else
        return false;
    return true;
}

int main(int argc, char **argv)
{
    const char *command = NULL;
    struct relay_options options = relay_defaults;
    for (int i = 1; i < argc; i++) {
        bool known = false;
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            fputs(usage, stdout);
            return 0;
        }
        if (strcmp(argv[i], "--version") == 0) {
            puts("ramson-bench " RAMSON_VERSION);
            return 0;
        }
        if (take_flag(argv[i], &options))
            continue;
        if (i + 1 < argc && !take_value(argv[i], argv[i + 1], &options, &known))
            return refuse("bad value for an option", argv[i + 1]);
        if (known)
            i++;
        else if (argv[i][0] == '-')
            return refuse("unknown option, or no value for", argv[i]);
        else if (command)
            return refuse("unexpected argument", argv[i]);
        else
            command = argv[i];
    }
    if (!command) {
        fputs("ramson-bench: which benchmark? see ramson-bench --help\n", stderr);
        return 1;
    }
    if (strcmp(command, "crypto") == 0)
        return bench_crypto(options.json, options.report);
    if (strcmp(command, "handshake") == 0)
        return bench_handshake(options.rounds ? options.rounds : 31, options.json, options.report);
    if (strcmp(command, "pow") == 0)
        return bench_pow(options.json, options.report);
    if (strcmp(command, "scale") == 0)
        return bench_scale(argv[0], &options);
    if (strcmp(command, "relay") == 0 && options.joined &&
        (options.cgo || options.cross == CROSS_HALF))
        return refuse("no cgo, and no two kinds of crossing, with", "--joined");
    if (strcmp(command, "relay") == 0)
        return bench_relay(&options);
    if (strcmp(command, "machine") == 0)
        return bench_machine(options.json);
    if (strcmp(command, "page") == 0 && options.report)
        return bench_page(options.report);
    if (strcmp(command, "page") == 0)
        return refuse("--report DIR is missing for", command);
    return refuse("unknown benchmark", command);
}
