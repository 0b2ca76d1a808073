// SPDX-License-Identifier: BSD-3-Clause
// A new consensus is told to those whom it concerns.
#include "dir/network_view.h"

#include "base/log.h"
#include "bootstrap.h"
#include "dir/parameters.h"
#include "dir/publish/protocols.h"
#include "dir/publish/publish.h"
#include "dir/store/store.h"
#include "identity/identity.h"
#include "netdoc/consensus.h"
#include "origin/node/node.h"
#include "origin/origin.h"
#include "origin/pool/circuit_pool.h"
#include "relay.h"

// The newer one of both flavours; they say the same of what concerns us here.
static const struct consensus *newest(const struct directory_store *store)
{
    const struct stored_consensus *micro = store_consensus(store, CONSENSUS_MICRODESC, 0);
    const struct stored_consensus *full = store_consensus(store, CONSENSUS_NS, 0);
    if (micro == NULL || (full != NULL && full->valid_after > micro->valid_after))
        return full == NULL ? NULL : full->parsed;
    return micro->parsed;
}

static void check_protocols(struct relay *relay, const struct consensus *c)
{
    char missing[64] = "";
    bool outdated = !protocols_satisfy(c->required_relay_protocols, missing, sizeof(missing));
    if (relay->publisher != NULL && publisher_set_outdated(relay->publisher, outdated) && outdated)
        log_error("the network requires a protocol of relays that this one does not speak (%s): "
                  "its descriptor is no longer published; a newer version is needed",
                  missing);
    if (!outdated && !protocols_satisfy(c->recommended_relay_protocols, missing, sizeof(missing)))
        log_info("the network recommends a protocol that this relay does not speak: %s", missing);
}

static void tell_publisher(struct relay *relay, const struct consensus *c)
{
    if (relay->publisher == NULL || relay->identity == NULL)
        return;
    const struct router_status *us = consensus_find(c, relay->identity->rsa_id);
    publisher_listed(relay->publisher, &(struct publisher_listing){
                                           .listed = us != NULL,
                                           .stale = us != NULL && (us->flags & ROUTER_STALE_DESC),
                                           .valid_after = c->valid_after,
                                           .valid_until = c->valid_until,
                                       });
}

static void set_key_times(struct relay *relay)
{
    const struct parameters *p = parameters_of(relay);
    if (relay->identity == NULL)
        return;
    relay->identity->onion_key_lifetime_s = (time_t)p->onion_key_rotation_days * 86400;
    relay->identity->onion_key_grace_s = (time_t)p->onion_key_grace_days * 86400;
}

static void check_client_protocols(const struct consensus *c)
{
    char missing[64] = "";
    if (!protocols_satisfy(c->required_client_protocols, missing, sizeof(missing)))
        log_error("the network requires a protocol of clients that this one does not speak (%s): "
                  "a newer version is needed",
                  missing);
}

static void tell_client(struct relay *relay, const struct consensus *c)
{
    if (relay->origin != NULL || !config_is_relay(relay->config))
        check_client_protocols(c);
    bootstrap_reached(relay, BOOTSTRAP_ASKING_MICRODESCRIPTORS);
    network_microdescriptors_came(relay);
}

void network_microdescriptors_came(struct relay *relay)
{
    const struct origin *origin = relay->origin;
    if (origin == NULL)
        return;
    origin_network_changed(relay->origin);
    if (!origin_may_build(origin, NULL)) {
        size_t total = node_count(origin->nodes);
        bootstrap_microdescriptors(relay, total - node_list_missing(origin->nodes), total,
                                   node_list_paths_percent(origin->nodes));
        return;
    }
    unsigned before;
    const char *text;
    bootstrap_progress(relay, &before, &text);
    bootstrap_reached(relay, BOOTSTRAP_ENOUGH);
    if (before < BOOTSTRAP_ENOUGH)
        circuit_pool_tick(origin->pool); // the first circuit waits for no clock
}

void network_view_changed(struct relay *relay)
{
    const struct consensus *c = newest(relay->store);
    parameters_update(relay, c);
    set_key_times(relay);
    if (c == NULL)
        return;
    if (config_is_relay(relay->config))
        check_protocols(relay, c);
    tell_publisher(relay, c);
    tell_client(relay, c);
}
