// SPDX-License-Identifier: BSD-3-Clause
// Reading summaries of exit policies, and what they allow.
#include "netdoc/port_policy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "netdoc/tokens.h"

// "80" or "1000-2000". 1; 0: one that is left out; -EINVAL.
static int read_range(struct text entry, struct port_range *out)
{
    uint64_t low, high;
    if (entry.length == 0 || entry.at[0] < '0' || entry.at[0] > '9')
        return 0;
    struct text first = text_take_until(&entry, "-");
    bool is_range = entry.at != first.at + first.length;
    if (text_number(first, UINT16_MAX, &low) < 0 || low == 0)
        return -EINVAL;
    high = low;
    if (is_range && (text_number(entry, UINT16_MAX, &high) < 0 || high < low))
        return -EINVAL;
    *out = (struct port_range){(uint16_t)low, (uint16_t)high};
    return 1;
}

static int by_low(const void *a, const void *b)
{
    const struct port_range *x = a, *y = b;
    return (x->low > y->low) - (x->low < y->low);
}

// Ascending, and those that meet are one. Their number.
static unsigned tidy(struct port_range *ranges, unsigned n)
{
    unsigned kept = 0;
    qsort(ranges, n, sizeof(*ranges), by_low);
    for (unsigned i = 1; i < n; i++) {
        struct port_range *last = &ranges[kept];
        if ((uint32_t)ranges[i].low > (uint32_t)last->high + 1)
            ranges[++kept] = ranges[i];
        else if (ranges[i].high > last->high)
            last->high = ranges[i].high;
    }
    return kept + 1;
}

struct port_policy *port_policy_parse(const char *text, size_t length)
{
    struct port_range ranges[PORT_POLICY_RANGES_MAX];
    unsigned n = 0;
    struct text rest = {text, length};
    struct text verb = text_take_until(&rest, " ");
    bool accept = text_is(verb, "accept");
    if ((!accept && !text_is(verb, "reject")) || verb.length == length)
        return NULL;
    while (rest.length > 0) {
        struct port_range range;
        int found = read_range(text_take_until(&rest, ","), &range);
        if (found < 0 || (found > 0 && n == PORT_POLICY_RANGES_MAX))
            return NULL;
        if (found > 0)
            ranges[n++] = range;
    }
    if (n == 0)
        return NULL;
    n = tidy(ranges, n);
    struct port_policy *policy = malloc(sizeof(*policy) + n * sizeof(ranges[0]));
    if (policy == NULL)
        return NULL;
    *policy = (struct port_policy){.accept = accept, .n_ranges = n};
    memcpy(policy->ranges, ranges, n * sizeof(ranges[0]));
    return policy;
}

bool port_policy_allows(const struct port_policy *policy, uint16_t port)
{
    unsigned low = 0, high = policy->n_ranges;
    if (port == 0)
        return false;
    while (low < high) {
        unsigned middle = (low + high) / 2;
        if (port > policy->ranges[middle].high)
            low = middle + 1;
        else
            high = middle;
    }
    bool listed = low < policy->n_ranges && port >= policy->ranges[low].low;
    return listed == policy->accept;
}

bool port_policy_allows_none(const struct port_policy *policy)
{
    if (policy->accept)
        return policy->n_ranges == 0;
    return policy->n_ranges == 1 && policy->ranges[0].low == 1 &&
           policy->ranges[0].high == UINT16_MAX;
}
