// SPDX-License-Identifier: BSD-3-Clause
// Weights of relays, and their running sums, which draws search.
#include "origin/node/node_weights.h"

#include <stdlib.h>
#include <string.h>

#include "origin/node/node_internal.h"

enum { HAS_GUARD = 1, HAS_EXIT = 2, HAS_DIR = 4 };

// By guard and exit flags: neither, Guard, Exit, both. NULL: 0.
static const char *const names[WEIGHT_RULES][4] = {
    [WEIGHT_GUARD] = {"Wgm", "Wgg", NULL, "Wgd"},
    [WEIGHT_MIDDLE] = {"Wmm", "Wmg", "Wme", "Wmd"},
    [WEIGHT_EXIT] = {"Wem", "Weg", "Wee", "Wed"},
    [WEIGHT_DIRECTORY] = {"Wbm", "Wbg", "Wbe", "Wbd"},
};
// What the weight of one that is a directory cache, too, is multiplied with.
static const char *const cache_names[4] = {"Wmb", "Wgb", "Web", "Wdb"};

// Of 1; negative: it is missing.
static double read_weight(const struct consensus *c, const char *name, int32_t scale)
{
    for (size_t i = 0; c != NULL && i < c->n_weights; i++)
        if (strcmp(c->weights[i].name, name) == 0)
            return (double)(c->weights[i].value > scale ? scale : c->weights[i].value) / scale;
    return -1;
}

void weight_factors_read(const struct consensus *consensus, enum weight_rule rule,
                         struct weight_factors *out)
{
    bool complete = rule != WEIGHT_NONE;
    int32_t scale = consensus_parameter(consensus, "bwweightscale", 10000, 1, INT32_MAX);
    for (unsigned i = 0; i < 4 && complete; i++) {
        const char *name = names[rule][i];
        double weight = name == NULL ? 0 : read_weight(consensus, name, scale);
        double cache = rule == WEIGHT_DIRECTORY ? 1 : read_weight(consensus, cache_names[i], scale);
        complete = weight >= 0 && cache >= 0;
        out->of[i] = weight;
        out->of[i | HAS_DIR] = weight * cache;
    }
    for (unsigned i = 0; i < 8 && !complete; i++)
        out->of[i] = 1;
}

double weight_of(const struct weight_factors *factors, const struct router_status *status)
{
    // As bytes, the way C tor has it, which shows when there is very much.
    uint32_t bytes = status->bandwidth > INT32_MAX / 1000 ? INT32_MAX : status->bandwidth * 1000;
    unsigned class = (status->flags & ROUTER_GUARD ? HAS_GUARD : 0) |
                     (status->flags & ROUTER_V2DIR ? HAS_DIR : 0);
    if ((status->flags & (ROUTER_EXIT | ROUTER_BAD_EXIT)) == ROUTER_EXIT)
        class |= HAS_EXIT;
    return factors->of[class] * bytes;
}

// Whole numbers in the same proportion, as large as a sum of them may be.
static void sum_up(const struct node_list *list, const struct weight_factors *factors,
                   const uint32_t *indices, size_t n, uint64_t *sums)
{
    double total = 0;
    uint64_t sum = 0;
    for (size_t i = 0; i < n; i++)
        total += weight_of(factors, list->nodes[indices != NULL ? indices[i] : i].status);
    double scale = total > 0 ? 0x1p62 / total : 0;
    for (size_t i = 0; i < n; i++) {
        double weight = weight_of(factors, list->nodes[indices != NULL ? indices[i] : i].status);
        sum += (uint64_t)(weight * scale + 0.5);
        sums[i] = sum;
    }
}

static bool can_exit(const struct node *n)
{
    return n->has_keys && !(n->status->flags & (ROUTER_BAD_EXIT | ROUTER_MIDDLE_ONLY)) &&
           !(port_policy_allows_none(n->policy) && port_policy_allows_none(n->policy6));
}

bool node_weights_fill(struct node_list *list)
{
    struct weight_factors factors;
    for (enum weight_rule rule = 0; rule < WEIGHT_RULES; rule++) {
        list->sums[rule] = calloc(list->n + 1, sizeof(uint64_t));
        if (list->sums[rule] == NULL)
            return false;
        weight_factors_read(list->consensus, rule, &factors);
        sum_up(list, &factors, NULL, list->n, list->sums[rule]);
    }
    list->exits = calloc(list->n + 1, sizeof(*list->exits));
    list->exit_sums = calloc(list->n + 1, sizeof(*list->exit_sums));
    if (list->exits == NULL || list->exit_sums == NULL)
        return false;
    list->n_exits = 0;
    for (size_t i = 0; i < list->n; i++)
        if (can_exit(&list->nodes[i]))
            list->exits[list->n_exits++] = (uint32_t)i;
    weight_factors_read(list->consensus, WEIGHT_EXIT, &factors);
    sum_up(list, &factors, list->exits, list->n_exits, list->exit_sums);
    return true;
}

void node_weights_release(struct node_list *list)
{
    for (unsigned rule = 0; rule < WEIGHT_RULES; rule++) {
        free(list->sums[rule]);
        list->sums[rule] = NULL;
    }
    free(list->exits);
    free(list->exit_sums);
    list->exits = NULL;
    list->exit_sums = NULL;
    list->n_exits = 0;
}

struct weighted_set node_list_weighted(const struct node_list *list, enum weight_rule rule)
{
    return (struct weighted_set){.sums = list->sums[rule], .n = list->n};
}

struct weighted_set node_list_weighted_exits(const struct node_list *list)
{
    return (struct weighted_set){list->exits, list->exit_sums, list->n_exits};
}
