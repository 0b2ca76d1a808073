// SPDX-License-Identifier: BSD-3-Clause
// Printing and adding up counters.
#include "base/counters.h"

#include <inttypes.h>

void counters_print(FILE *out, const char *title, const struct counters *c)
{
    fprintf(out, "%s\n", title);
#define PRINT_COUNTER(name, what)                                                                  \
    do {                                                                                           \
        uint64_t value = __atomic_load_n(&c->name, __ATOMIC_RELAXED);                              \
        if (value)                                                                                 \
            fprintf(out, "  %-28s %20" PRIu64 "  %s\n", #name, value, what);                       \
    } while (0);
    COUNTERS(PRINT_COUNTER)
#undef PRINT_COUNTER
    fflush(out);
}

void counters_add(struct counters *sum, const struct counters *c)
{
#define ADD_COUNTER(name, what) sum->name += __atomic_load_n(&c->name, __ATOMIC_RELAXED);
    COUNTERS(ADD_COUNTER)
#undef ADD_COUNTER
}
