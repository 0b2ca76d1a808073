// SPDX-License-Identifier: BSD-3-Clause
// ramson-bench: benchmarks of the relay's parts.
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "crypto.h"

static const char usage[] =
    "usage: ramson-bench crypto [--json]\n"
    "\n"
    "  crypto   nanoseconds per relay cell and per TLS record, next to OpenSSL\n"
    "\n"
    "  --json   print one JSON object instead of a table\n"
    "  --help   print this\n"
    "  --version\n";

static int refuse(const char *what, const char *argument)
{
    fprintf(stderr, "ramson-bench: %s \"%s\"; see ramson-bench --help\n", what, argument);
    return 1;
}

int main(int argc, char **argv)
{
    const char *command = NULL;
    bool json = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            fputs(usage, stdout);
            return 0;
        }
        if (strcmp(argv[i], "--version") == 0) {
            puts("ramson-bench " RAMSON_VERSION);
            return 0;
        }
        if (strcmp(argv[i], "--json") == 0)
            json = true;
        else if (argv[i][0] == '-')
            return refuse("unknown option", argv[i]);
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
        return bench_crypto(json);
    return refuse("unknown benchmark", command);
}
