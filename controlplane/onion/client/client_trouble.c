// SPDX-License-Identifier: BSD-3-Clause
// Introduction points that failed are left alone for two minutes (protocol 9.34), and the choice
// among the others.
#include <string.h>

#include "crypto/random.h"
#include "onion/client/client_internal.h"
#include "origin/node/node.h"

// NULL: none is remembered.
static const struct trouble *find(const struct visit *v, const uint8_t auth_key[32])
{
    for (unsigned i = 0; i < v->n_troubles; i++)
        if (memcmp(v->troubles[i].auth_key, auth_key, 32) == 0)
            return &v->troubles[i];
    return NULL;
}

static void take_out(struct visit *v, unsigned i)
{
    memmove(&v->troubles[i], &v->troubles[i + 1], (--v->n_troubles - i) * sizeof(v->troubles[0]));
}

// The latest comes last: what goes on failing is not forgotten.
void trouble_note(struct visit *v, const uint8_t auth_key[32], enum trouble_kind kind)
{
    const struct trouble *known = find(v, auth_key);
    struct trouble t = {.at_ms = 0};
    if (known) {
        t = *known;
        take_out(v, (unsigned)(known - v->troubles));
    } else if (v->n_troubles == TROUBLES_MAX) {
        take_out(v, 0);
    }
    memcpy(t.auth_key, auth_key, sizeof(t.auth_key));
    t.at_ms = client_now_ms(v->client);
    t.error |= kind == TROUBLE_ERROR;
    t.timed_out |= kind == TROUBLE_TIMEOUT;
    t.unreachable += kind == TROUBLE_UNREACHABLE;
    v->troubles[v->n_troubles++] = t;
}

void trouble_expire(struct visit *v)
{
    unsigned expired = 0;
    uint64_t now = client_now_ms(v->client);
    while (expired < v->n_troubles && now - v->troubles[expired].at_ms >= TROUBLE_FORGOTTEN_MS)
        expired++;
    v->n_troubles -= expired;
    memmove(&v->troubles[0], &v->troubles[expired], v->n_troubles * sizeof(v->troubles[0]));
}

unsigned trouble_unreachable(const struct visit *v, const uint8_t auth_key[32])
{
    const struct trouble *t = find(v, auth_key);
    return t ? t->unreachable : 0;
}

static bool hop_of(const struct visit *v, const struct onion_intro_point *point,
                   struct own_circuit_hop *hop)
{
    return link_specifiers_hop(point->specifiers, point->specifiers_length, point->onion_key,
                               v->client->origin->relay->config->testing_network, hop);
}

static bool is_excluded(const struct visit *v, const struct own_circuit_hop *hop)
{
    const struct node_list *nodes = v->client->origin->nodes;
    const struct node *n = node_find(nodes, hop->target.rsa_id);
    return n && node_excluded(nodes, n, NODE_ANYWHERE);
}

static bool is_troubled(const struct visit *v, const struct onion_intro_point *point)
{
    const struct trouble *t = find(v, point->auth_key);
    return t && (t->error || t->timed_out || t->unreachable >= UNREACHABLE_MAX);
}

// One that nobody can go to, or that the operator does not want, is no better than one that failed:
// the service may say others by now.
static bool is_usable(const struct visit *v, const struct onion_intro_point *point,
                      struct own_circuit_hop *hop, bool *excluded)
{
    if (is_troubled(v, point) || !hop_of(v, point, hop))
        return false;
    *excluded = is_excluded(v, hop);
    return !*excluded || !v->client->origin->relay->config->nodes.strict;
}

bool trouble_any_usable(const struct visit *v)
{
    struct own_circuit_hop hop;
    bool excluded;
    for (unsigned i = 0; i < v->descriptor.n_intro_points; i++)
        if (is_usable(v, &v->descriptor.intro_points[i], &hop, &excluded))
            return true;
    return false;
}

enum onion_failure trouble_failure(const struct visit *v)
{
    for (unsigned i = 0; i < v->descriptor.n_intro_points; i++) {
        const struct trouble *t = find(v, v->descriptor.intro_points[i].auth_key);
        if (!t || !t->timed_out)
            return ONION_INTRODUCTION_FAILED;
    }
    return v->descriptor.n_intro_points > 0 ? ONION_INTRODUCTION_TIMEOUT
                                            : ONION_INTRODUCTION_FAILED;
}

// ---- the choice

// One that the operator excludes is taken when there is no other, unless he is strict.
bool trouble_choose(const struct visit *v, struct onion_intro_point *out,
                    struct own_circuit_hop *hop)
{
    const struct onion_descriptor *d = &v->descriptor;
    const struct onion_intro_point *chosen = NULL;
    bool chosen_is_excluded = false, excluded;
    unsigned n_good = 0, n_excluded = 0;
    for (unsigned i = 0; i < d->n_intro_points; i++) {
        struct own_circuit_hop h;
        if (!is_usable(v, &d->intro_points[i], &h, &excluded) || (excluded && n_good > 0))
            continue;
        // Each of a kind as likely as the others.
        unsigned n = excluded ? ++n_excluded : ++n_good;
        if (!chosen || (chosen_is_excluded && !excluded) || random_uniform(n) == 0) {
            chosen = &d->intro_points[i];
            chosen_is_excluded = excluded;
            *hop = h;
        }
    }
    if (chosen)
        *out = *chosen;
    return chosen != NULL;
}
