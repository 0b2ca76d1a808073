// SPDX-License-Identifier: BSD-3-Clause
// A consensus that anyone may have made.
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "netdoc/consensus.h"
#include "netdoc/protocol_list.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// What a caller does with one that was read.
static void use(const struct consensus *c)
{
    static const uint8_t authorities[1][20];
    char missing[32];
    for (size_t i = 0; i < c->n_routers; i++) {
        if (consensus_find(c, c->routers[i].rsa_id) != &c->routers[i] ||
            !memchr(c->routers[i].nickname, '\0', sizeof(c->routers[i].nickname)))
            abort();
        protocol_list_versions(c->routers[i].protocols, "HSDir");
    }
    for (size_t i = 0; i < c->n_parameters; i++)
        if (consensus_parameter(c, c->parameters[i].name, 0, INT32_MIN, INT32_MAX) !=
            c->parameters[i].value)
            abort();
    protocol_list_covers("Link=4-5", c->required_relay_protocols, missing, sizeof(missing));
    if (consensus_count_signatures(c, authorities, 1, NULL, 0, 0, NULL, NULL) != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct consensus *c;
    const char *wrong = NULL;
    if (consensus_parse(data, size, &c, &wrong) == 0)
        use(c);
    else if (wrong == NULL || c != NULL)
        abort();
    consensus_free(c);
    return 0;
}
