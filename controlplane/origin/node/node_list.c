// SPDX-License-Identifier: BSD-3-Clause
// The list of nodes: made anew from the consensus and the microdescriptors of the store.
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "dir/store/store.h"
#include "identity/identity.h"
#include "netdoc/protocol_list.h"
#include "origin/node/node_internal.h"
#include "relay.h"

struct node_list *node_list_create(struct relay *relay)
{
    static const char refuses_all[] = "reject 1-65535";
    struct node_list *list = calloc(1, sizeof(*list));
    if (list == NULL)
        return NULL;
    list->relay = relay;
    list->none.policy = port_policy_parse(refuses_all, sizeof(refuses_all) - 1);
    digest_table_init(&list->infos, 32);
    digest_table_init(&list->policies, 32);
    digest_table_init(&list->families, 32);
    digest_table_init(&list->by_ed_id, 32);
    parameters_read(NULL, &list->parameters);
    if (list->none.policy == NULL) {
        free(list);
        return NULL;
    }
    return list;
}

// What belongs to one consensus.
static void empty(struct node_list *list)
{
    node_weights_release(list);
    digest_table_release(&list->by_ed_id);
    free(list->copy.routers);
    free(list->copy.parameters);
    free(list->copy.weights);
    list->copy = (struct consensus){0};
    free(list->nodes);
    free(list->places);
    free(list->policy_list);
    list->nodes = NULL;
    list->places = NULL;
    list->policy_list = NULL;
    list->consensus = NULL;
    list->self = NULL;
    list->n = list->n_missing = list->n_policies = 0;
    list->paths_percent = 0;
    list->has_by_ed_id = list->has_exits = false;
}

void node_list_free(struct node_list *list)
{
    if (list == NULL)
        return;
    empty(list);
    node_infos_release(list);
    free(list->none.policy);
    free(list);
}

// ---- protocols

enum ability {
    CAN_EXTEND2 = 1 << 0,
    CAN_ED_LINK_AUTH = 1 << 1,
    CAN_NTOR_V3 = 1 << 2,
    CAN_CONGESTION_CONTROL = 1 << 3,
    CAN_CGO = 1 << 4,
    CAN_HS_INTRO = 1 << 5,
    CAN_HS_REND = 1 << 6,
    CAN_HS_DIR = 1 << 7,
    CAN_PAD = 1 << 8,
    ABILITIES_KNOWN = 1 << 9,
};

static uintptr_t read_abilities(const char *protocols)
{
    uint64_t relay = protocol_list_versions(protocols, "Relay");
    bool flow2 = protocol_list_has(protocols, "FlowCtrl", 2);
    bool v3 = relay >> 4 & 1;
    uintptr_t out = ABILITIES_KNOWN;
    out |= relay >> 2 & 1 || protocols == NULL ? CAN_EXTEND2 : 0;
    out |= protocol_list_has(protocols, "LinkAuth", 3) ? CAN_ED_LINK_AUTH : 0;
    out |= v3 ? CAN_NTOR_V3 : 0;
    out |= v3 && flow2 ? CAN_CONGESTION_CONTROL : 0;
    out |= flow2 && (relay >> 5 & 1) && (relay >> 6 & 1) ? CAN_CGO : 0;
    out |= protocol_list_has(protocols, "HSIntro", 4) ? CAN_HS_INTRO : 0;
    out |= protocol_list_has(protocols, "HSRend", 2) ? CAN_HS_REND : 0;
    out |= protocol_list_has(protocols, "HSDir", 2) ? CAN_HS_DIR : 0;
    out |= protocol_list_has(protocols, "Padding", 2) ? CAN_PAD : 0;
    return out;
}

// Lists are strings that relays have in common: each is read once. `known` is by their addresses.
static uintptr_t abilities_of(struct digest_table *known, const char *protocols)
{
    uintptr_t out = (uintptr_t)digest_table_get(known, &protocols);
    if (out == 0) {
        out = read_abilities(protocols);
        (void)digest_table_put(known, &protocols, (void *)out); // without memory: read again
    }
    return out;
}

static void set_abilities(struct node *n, uintptr_t can)
{
    n->extend2 = can & CAN_EXTEND2;
    n->ed_link_auth = can & CAN_ED_LINK_AUTH;
    n->ntor_v3 = can & CAN_NTOR_V3;
    n->congestion_control = can & CAN_CONGESTION_CONTROL;
    n->cgo = can & CAN_CGO;
    n->hs_intro = can & CAN_HS_INTRO;
    n->hs_rend = can & CAN_HS_REND;
    n->hs_dir = can & CAN_HS_DIR;
    n->padding = can & CAN_PAD;
}

// ---- one node

// Where a policy stands in this refresh's list.
static uint32_t policy_index(struct node_list *list, struct node_policy *p)
{
    if (p->index >= list->n_policies || list->policy_list[p->index] != p) {
        p->index = (uint32_t)list->n_policies;
        list->policy_list[list->n_policies++] = p;
    }
    return p->index;
}

// 0.0.0.0 is no place that anybody can go to (13.12).
static bool has_place(const struct router_status *status)
{
    static const uint8_t nowhere[4];
    return status->ipv4.family == ADDRESS_IPV4 && status->ipv4.port != 0 &&
           memcmp(status->ipv4.bytes, nowhere, sizeof(nowhere)) != 0;
}

static void set_info(struct node_list *list, struct node *n, const struct node_info *info)
{
    n->has_keys = info->usable && has_place(n->status);
    n->has_ed_id = info->has_ed_id;
    memcpy(n->ntor_key, info->ntor_key, sizeof(n->ntor_key));
    memcpy(n->ed_id, info->ed_id, sizeof(n->ed_id));
    if (n->ipv6.family == ADDRESS_NONE)
        n->ipv6 = info->ipv6;
    n->policy = info->policy->policy;
    n->policy6 = info->policy6->policy;
    n->policy_index = policy_index(list, info->policy);
    n->policy6_index = policy_index(list, info->policy6);
    n->family = info->family;
}

static void fill_nodes(struct node_list *list)
{
    static const uint8_t no_digest[32];
    struct digest_table known;
    const struct identity *self = list->relay->identity;
    digest_table_init(&known, sizeof(const char *));
    for (size_t i = 0; i < list->n; i++) {
        struct router_status *status = &list->copy.routers[i];
        struct node *n = &list->nodes[i];
        const struct node_info *info = node_info_of(list, status);
        *n = (struct node){.status = status, .index = (uint32_t)i, .ipv6 = status->ipv6};
        set_abilities(n, abilities_of(&known, status->protocols));
        status->protocols = NULL; // the store's
        if (info != NULL)
            set_info(list, n, info);
        else if (memcmp(status->digest, no_digest, sizeof(no_digest)) != 0)
            list->n_missing++;
        if (self != NULL && memcmp(self->rsa_id, status->rsa_id, 20) == 0)
            list->self = n;
        node_place_fill(list, n, &list->places[i]);
    }
    digest_table_release(&known);
}

// ---- the list

static void *copy_of(const void *items, size_t n, size_t size)
{
    void *copy = calloc(n + 1, size);
    if (copy != NULL && n > 0)
        memcpy(copy, items, n * size);
    return copy;
}

// So that no node points to what the store has let go, whoever looks at it when.
static bool copy_consensus(struct node_list *list, const struct consensus *c)
{
    list->copy = *c;
    list->copy.routers = copy_of(c->routers, c->n_routers, sizeof(*c->routers));
    list->copy.parameters = copy_of(c->parameters, c->n_parameters, sizeof(*c->parameters));
    list->copy.weights = copy_of(c->weights, c->n_weights, sizeof(*c->weights));
    list->copy.protocol_lists = NULL;
    list->copy.required_relay_protocols = list->copy.recommended_relay_protocols = NULL;
    list->copy.required_client_protocols = list->copy.recommended_client_protocols = NULL;
    list->copy.signatures = NULL;
    list->copy.n_signatures = 0;
    return list->copy.routers != NULL && list->copy.parameters != NULL &&
           list->copy.weights != NULL;
}

static bool fill(struct node_list *list, const struct consensus *consensus)
{
    size_t n = consensus->n_routers;
    if (!copy_consensus(list, consensus))
        return false;
    list->nodes = calloc(n + 1, sizeof(*list->nodes));
    list->places = calloc(n + 1, sizeof(*list->places));
    list->policy_list = calloc(2 * n + 1, sizeof(struct node_policy *));
    if (list->nodes == NULL || list->places == NULL || list->policy_list == NULL)
        return false;
    list->consensus = &list->copy;
    list->n = n;
    parameters_read(list->consensus, &list->parameters);
    fill_nodes(list);
    if (!node_weights_fill(list))
        return false;
    node_paths_count(list);
    return true;
}

void node_list_refresh(struct node_list *list)
{
    const struct directory_store *store = list->relay->store;
    const struct stored_consensus *c =
        store != NULL ? store_consensus(store, CONSENSUS_MICRODESC, 0) : NULL;
    empty(list);
    list->generation++;
    if (c != NULL && !fill(list, c->parsed)) {
        log_error("no memory for the list of relays");
        empty(list);
        return;
    }
    node_infos_sweep(list);
}

uint64_t node_list_generation(const struct node_list *list)
{
    return list->generation;
}

size_t node_count(const struct node_list *list)
{
    return list->n;
}

const struct node *node_at(const struct node_list *list, size_t index)
{
    return index < list->n ? &list->nodes[index] : NULL;
}

const struct node *node_find(const struct node_list *list, const uint8_t rsa_id[20])
{
    const struct router_status *status =
        list->consensus != NULL ? consensus_find(list->consensus, rsa_id) : NULL;
    return status != NULL ? &list->nodes[status - list->consensus->routers] : NULL;
}

const struct node *node_find_ed(struct node_list *list, const uint8_t ed_id[32])
{
    for (size_t i = 0; i < list->n && !list->has_by_ed_id; i++)
        if (list->nodes[i].has_ed_id)
            (void)digest_table_put(&list->by_ed_id, list->nodes[i].ed_id, &list->nodes[i]);
    list->has_by_ed_id = true;
    return digest_table_get(&list->by_ed_id, ed_id);
}

const struct consensus *node_list_consensus(const struct node_list *list)
{
    return list->consensus;
}

const struct node *node_list_self(const struct node_list *list)
{
    return list->self;
}

size_t node_policy_count(const struct node_list *list)
{
    return list->n_policies;
}

const struct port_policy *node_policy_at(const struct node_list *list, size_t index)
{
    return list->policy_list[index]->policy;
}

size_t node_list_missing(const struct node_list *list)
{
    return list->n_missing;
}

void node_hop(const struct node *n, struct own_circuit_hop *out)
{
    *out = (struct own_circuit_hop){
        .has_ntor_key = n->has_keys,
        .ntor_v3 = n->ntor_v3,
        .congestion_control = n->congestion_control,
        .cgo = n->cgo,
        .padding = n->padding,
    };
    struct link_target *target = &out->target;
    memcpy(target->rsa_id, n->status->rsa_id, sizeof(target->rsa_id));
    // Who does not authenticate with it on a link can't be asked for by it.
    target->has_ed_id = n->has_ed_id && n->ed_link_auth;
    if (target->has_ed_id)
        memcpy(target->ed_id, n->ed_id, sizeof(target->ed_id));
    if (n->has_keys)
        memcpy(out->ntor_key, n->ntor_key, sizeof(out->ntor_key));
    const struct address *addresses[] = {&n->status->ipv4, &n->ipv6};
    for (unsigned i = 0; i < 2; i++)
        if (addresses[i]->family != ADDRESS_NONE && addresses[i]->port != 0)
            target->addresses[target->n_addresses++] = *addresses[i];
}
