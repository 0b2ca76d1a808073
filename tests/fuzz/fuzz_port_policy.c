// SPDX-License-Identifier: BSD-3-Clause
// Summaries of exit policies.
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "netdoc/port_policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct port_policy *p = port_policy_parse((const char *)data, size);
    if (p == NULL)
        return 0;
    if (p->n_ranges == 0 || p->n_ranges > PORT_POLICY_RANGES_MAX)
        abort();
    bool any = false;
    for (unsigned i = 0; i < p->n_ranges; i++) {
        if (p->ranges[i].low == 0 || p->ranges[i].high < p->ranges[i].low ||
            (i > 0 && p->ranges[i].low <= p->ranges[i - 1].high + 1))
            abort();
        if (port_policy_allows(p, p->ranges[i].low) != p->accept ||
            port_policy_allows(p, p->ranges[i].high) != p->accept)
            abort();
    }
    for (unsigned port = 1; port <= UINT16_MAX && !any; port++)
        any = port_policy_allows(p, (uint16_t)port);
    if (any == port_policy_allows_none(p))
        abort();
    free(p);
    return 0;
}
