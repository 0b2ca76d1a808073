// SPDX-License-Identifier: BSD-3-Clause
// Puts the origin's side together, and takes it down again.
#include "origin/origin.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "circuit/circuit_internal.h"
#include "onion/client/onion_client.h"
#include "onion/petname/petname.h"
#include "onion/service/onion_service.h"
#include "origin/circuit/origin_circuit.h"
#include "origin/guard/guard.h"
#include "origin/node/node.h"
#include "origin/path/vanguards.h"
#include "origin/pool/circuit_pool.h"
#include "origin/socks/socks.h"
#include "origin/state/state_file.h"
#include "origin/stream/app_stream.h"
#include "relay.h"
#include "stream/circuit_streams.h"

uint64_t origin_now_ms(const struct origin *origin)
{
    return streams_now_us(origin->relay->circuits->streams) / 1000;
}

static struct petname_book *make_petnames(const struct relay *relay)
{
    char path[PATH_MAX];
    return petnames_path(relay->config, path, sizeof(path)) ? petname_book_create(path) : NULL;
}

static bool make_services(struct origin *o, char *error, unsigned long error_size)
{
    if (o->relay->config->onion_service_count == 0)
        return true;
    o->onion_services = onion_services_create(o, error, error_size);
    return o->onion_services != NULL;
}

static bool make_parts(struct origin *o, char *error, unsigned long error_size)
{
    snprintf(error, error_size, "no memory for the origin's side");
    return (o->state = state_file_create(o->relay)) && (o->nodes = node_list_create(o->relay)) &&
           (o->guards = guards_create(o)) && (o->vanguards = vanguards_create(o)) &&
           (o->circuits = origin_circuits_create(o)) && (o->pool = circuit_pool_create(o)) &&
           (o->streams = app_streams_create(o)) && (o->petnames = make_petnames(o->relay)) &&
           (o->onion_client = onion_client_create(o, error, error_size)) &&
           make_services(o, error, error_size) &&
           (o->socks = socks_server_create(o, error, error_size));
}

struct origin *origin_create(struct relay *relay, char *error, unsigned long error_size)
{
    struct origin *origin = calloc(1, sizeof(*origin));
    if (origin)
        origin->relay = relay;
    if (!origin || !make_parts(origin, error, error_size)) {
        origin_free(origin);
        return NULL;
    }
    return origin;
}

// Users before what they use; each is gone for the others once it is freed.
void origin_free(struct origin *origin)
{
    if (!origin)
        return;
    socks_server_free(origin->socks);
    origin->socks = NULL;
    petname_book_free(origin->petnames);
    origin->petnames = NULL;
    onion_services_free(origin->onion_services);
    origin->onion_services = NULL;
    app_streams_free(origin->streams);
    origin->streams = NULL;
    onion_client_free(origin->onion_client);
    origin->onion_client = NULL;
    circuit_pool_free(origin->pool);
    origin->pool = NULL;
    origin_circuits_free(origin->circuits);
    origin->circuits = NULL;
    vanguards_free(origin->vanguards);
    origin->vanguards = NULL;
    guards_free(origin->guards);
    origin->guards = NULL;
    node_list_free(origin->nodes);
    origin->nodes = NULL;
    state_file_free(origin->state); // what the others said last is written
    free(origin);
}

void origin_tick(struct origin *origin)
{
    guards_tick(origin->guards);
    vanguards_refresh(origin->vanguards);
    origin_circuits_tick(origin->circuits);
    circuit_pool_tick(origin->pool);
    onion_client_tick(origin->onion_client);
    app_streams_tick(origin->streams);
    onion_services_tick(origin->onion_services);
    socks_server_tick(origin->socks);
    state_file_tick(origin->state);
}

void origin_network_changed(struct origin *origin)
{
    if (!origin)
        return;
    node_list_refresh(origin->nodes);
    if (guards_refresh(origin->guards))
        circuit_pool_retire_all(origin->pool);
    vanguards_refresh(origin->vanguards);
    onion_client_network_changed(origin->onion_client);
    onion_services_network_changed(origin->onion_services);
    app_streams_look(origin->streams);
}

bool origin_may_build(const struct origin *origin, const char **why)
{
    const struct consensus *c = node_list_consensus(origin->nodes);
    time_t now = relay_now(origin->relay);
    const char *missing = NULL;
    if (!c)
        missing = "there is no consensus yet";
    else if (!consensus_is_reasonably_live(c, now))
        missing = "the consensus is too old, or of another time";
    else if (node_list_paths_percent(origin->nodes) < node_list_paths_wanted_percent(origin->nodes))
        missing = "too few relays' microdescriptors are here";
    else if (!guards_have_descriptors(origin->guards))
        missing = "the primary guards' microdescriptors are not here";
    if (why)
        *why = missing;
    return !missing;
}
