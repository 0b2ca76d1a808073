// SPDX-License-Identifier: BSD-3-Clause
// Named values of a consensus: network parameters and bandwidth weights.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "netdoc/consensus_internal.h"

// The order is that of the whole arguments, so '=' counts as the end of a name.
static int compare_names(struct text a, struct text b)
{
    a.length++;
    b.length++;
    return text_compare(a, b);
}

static unsigned count_arguments(struct text rest)
{
    struct text argument;
    unsigned n = 0;
    while (n <= CONSENSUS_PARAMETERS_MAX && token_argument(&rest, &argument))
        n++;
    return n;
}

int consensus_read_values(struct consensus_parser *p, const struct token *t,
                          struct consensus_parameter **out, size_t *n)
{
    struct text rest = t->arguments, argument, before = {NULL, 0};
    unsigned count = count_arguments(rest);
    if (count > CONSENSUS_PARAMETERS_MAX)
        return consensus_wrong(p, "too many parameters");
    struct consensus_parameter *values = calloc(count + 1, sizeof(*values));
    if (values == NULL)
        return -ENOMEM;
    *out = values; // belongs to the consensus, also when this fails
    while (token_argument(&rest, &argument)) {
        const char *equals = memchr(argument.at, '=', argument.length);
        if (equals == NULL)
            return consensus_wrong(p, "a parameter without a value");
        struct text name = {argument.at, (size_t)(equals - argument.at)};
        struct text value = {equals + 1, argument.length - name.length - 1};
        int32_t number;
        if (text_int32(value, &number) < 0)
            return consensus_wrong(p, "a parameter that is no 32-bit number");
        if (before.at != NULL && compare_names(before, name) >= 0)
            return consensus_wrong(p, "parameters are not sorted");
        before = name;
        if (name.length >= sizeof(values->name))
            continue; // nobody asks for such a name
        memcpy(values[*n].name, name.at, name.length);
        values[(*n)++].value = number;
    }
    return 0;
}

int32_t consensus_parameter(const struct consensus *c, const char *name, int32_t otherwise,
                            int32_t least, int32_t most)
{
    int32_t value = otherwise;
    for (size_t i = 0; c != NULL && i < c->n_parameters; i++) {
        if (strcmp(c->parameters[i].name, name) == 0) {
            value = c->parameters[i].value;
            break;
        }
    }
    return value < least ? least : value > most ? most : value;
}
