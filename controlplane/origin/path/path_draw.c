// SPDX-License-Identifier: BSD-3-Clause
// Drawing one relay by weight.
//
// Most draws allow most of the weight, so a relay is drawn from all first, again and again, until
// one is allowed: each allowed one is then as likely as its weight says. Only when a number of
// tries found none are all of them looked at.
#include "crypto/random.h"
#include "origin/node/node.h"
#include "origin/path/path.h"

enum { TRIES = 64, NUMBERS = 8 };

// Random numbers, some at a time: each time is a system call.
struct numbers {
    uint64_t of[NUMBERS];
    unsigned left;
};

// 0 to bound - 1, each alike. `bound` is not 0.
static uint64_t number_below(struct numbers *r, uint64_t bound)
{
    uint64_t mask = bound > 1 ? UINT64_MAX >> __builtin_clzll(bound - 1) : 0;
    uint64_t number;
    do {
        if (r->left == 0) {
            random_bytes(r->of, sizeof(r->of));
            r->left = NUMBERS;
        }
        number = r->of[--r->left] & mask;
    } while (number >= bound);
    return number;
}

// The first one whose sum is above `number`.
static size_t find_sum(const struct weighted_set *set, uint64_t number)
{
    size_t low = 0, high = set->n - 1;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (set->sums[middle] > number)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

static const struct node *node_of(const struct node_list *nodes, const struct weighted_set *set,
                                  size_t i)
{
    return node_at(nodes, set->indices != NULL ? set->indices[i] : i);
}

static uint64_t weight_at(const struct weighted_set *set, size_t i)
{
    return set->sums[i] - (i > 0 ? set->sums[i - 1] : 0);
}

// Among all that are allowed.
static const struct node *draw_slowly(const struct node_list *nodes, const struct weighted_set *set,
                                      node_allowed_fn allowed, const void *user, struct numbers *r)
{
    uint64_t total = 0, count = 0;
    for (size_t i = 0; i < set->n; i++) {
        if (allowed(user, node_of(nodes, set, i))) {
            total += weight_at(set, i);
            count++;
        }
    }
    if (count == 0)
        return NULL;
    bool alike = total == 0;
    uint64_t number = number_below(r, alike ? count : total);
    for (size_t i = 0; i < set->n; i++) {
        const struct node *n = node_of(nodes, set, i);
        uint64_t weight = alike ? 1 : weight_at(set, i);
        if (weight == 0 || !allowed(user, n))
            continue;
        if (number < weight)
            return n;
        number -= weight;
    }
    return NULL;
}

const struct node *path_draw_from(const struct node_list *nodes, const struct weighted_set *set,
                                  node_allowed_fn allowed, const void *user)
{
    struct numbers r = {.left = 0};
    uint64_t total = set->n > 0 ? set->sums[set->n - 1] : 0;
    for (unsigned i = 0; i < TRIES && total > 0; i++) {
        const struct node *n = node_of(nodes, set, find_sum(set, number_below(&r, total)));
        if (allowed(user, n))
            return n;
    }
    return draw_slowly(nodes, set, allowed, user, &r);
}

const struct node *path_draw(const struct node_list *nodes, enum weight_rule rule,
                             node_allowed_fn allowed, const void *user)
{
    struct weighted_set set = node_list_weighted(nodes, rule);
    return path_draw_from(nodes, &set, allowed, user);
}
