// SPDX-License-Identifier: BSD-3-Clause
// Choosing an exit: of those that serve the most of the ports that are wanted, by weight (protocol
// 9.18).
#include <stdlib.h>
#include <string.h>

#include "origin/path/path_internal.h"

struct exit_need {
    const struct path_need *need;
    const uint8_t *served; // how many of the ports, by index of policy
    unsigned level;        // so many it must serve
};

static bool exit_need_met(const void *user, const struct node *n)
{
    const struct exit_need *e = user;
    const struct path_request *request = e->need->request;
    if (e->served[request->ipv6 ? n->policy6_index : n->policy_index] != e->level)
        return false;
    for (unsigned i = 0; i < request->n_not_exits; i++)
        if (memcmp(request->not_exits[i], n->status->rsa_id, 20) == 0)
            return false;
    return path_need_met(e->need, n);
}

static uint8_t count_served(const struct port_policy *policy, const struct path_request *request)
{
    uint8_t n = 0;
    if (request->n_ports == 0)
        return !port_policy_allows_none(policy);
    for (unsigned i = 0; i < request->n_ports; i++)
        n += port_policy_allows(policy, request->ports[i]);
    return n;
}

static const struct node *draw_best(const struct path_need *need, const uint8_t *served,
                                    unsigned most)
{
    struct weighted_set exits = node_list_weighted_exits(need->nodes);
    struct exit_need e = {.need = need, .served = served};
    const struct node *n = NULL;
    for (e.level = most; e.level > 0 && n == NULL; e.level--)
        n = path_draw_from(need->nodes, &exits, exit_need_met, &e);
    return n;
}

const struct node *path_draw_exit(struct path_need *need)
{
    size_t n_policies = node_policy_count(need->nodes);
    uint8_t *served = calloc(n_policies + 1, 1);
    uint8_t most = 0;
    if (served == NULL)
        return NULL;
    for (size_t i = 0; i < n_policies; i++) {
        served[i] = count_served(node_policy_at(need->nodes, i), need->request);
        most = served[i] > most ? served[i] : most;
    }
    const struct node *n = draw_best(need, served, most);
    if (n == NULL) { // then one that is slow, or comes and goes
        need->fast = need->stable = false;
        n = draw_best(need, served, most);
    }
    free(served);
    return n;
}
