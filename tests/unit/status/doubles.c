// SPDX-License-Identifier: BSD-3-Clause
// Doubles of what the status document is made of.
#include "doubles.h"

#include <stdio.h>
#include <string.h>

#include "circuit/circuit.h"
#include "dir/store/store.h"
#include "link/link.h"
#include "onion/service/onion_service.h"
#include "origin/circuit/origin_circuit.h"
#include "origin/guard/guard.h"
#include "origin/node/node.h"
#include "origin/origin.h"
#include "origin/stream/app_stream.h"
#include "relay.h"

enum { CIRCUITS_MAX = 20000, HOPS = 3 };

struct origin_circuit {
    int unused;
};

struct doubles doubles;
static struct origin origin;
static struct origin_circuit circuits[CIRCUITS_MAX];
static struct own_circuit_path path = {.n_hops = HOPS};

void doubles_set(struct relay *relay)
{
    for (unsigned i = 0; i < HOPS; i++)
        memset(path.hops[i].target.rsa_id, (int)(0x10 + i), 20);
    origin = (struct origin){.relay = relay};
    relay->origin = &origin;
}

bool origin_may_build(const struct origin *o, const char **why)
{
    (void)o;
    if (why)
        *why = doubles.may_build ? NULL : "there is no consensus yet";
    return doubles.may_build;
}

void guards_each(const struct guards *g, void (*each)(void *user, const struct guard_info *info),
                 void *user)
{
    (void)g;
    for (unsigned i = 0; i < doubles.guards; i++) {
        struct guard_info info = {.listed = true, .filtered = true, .primary = i < 3};
        snprintf(info.nickname, sizeof(info.nickname), "guard%u", i);
        memset(info.rsa_id, (int)i, sizeof(info.rsa_id));
        info.confirmed = i == 0;
        info.confirmed_on = i == 0 ? 1800000000 : 0;
        info.reachable = i == 0 ? GUARD_REACHABLE_YES : GUARD_REACHABLE_NO;
        each(user, &info);
    }
}

// ---- circuits

void origin_circuits_each(const struct origin_circuits *all,
                          void (*each)(void *user, const struct origin_circuit *oc), void *user)
{
    (void)all;
    for (unsigned i = 0; i < doubles.circuits; i++)
        each(user, &circuits[i]);
}

enum origin_purpose origin_circuit_purpose(const struct origin_circuit *oc)
{
    return oc == &circuits[0] ? ORIGIN_GENERAL : ORIGIN_MEASURE;
}

enum origin_circuit_state origin_circuit_state(const struct origin_circuit *oc)
{
    return oc == &circuits[0] ? ORIGIN_OPEN : ORIGIN_BUILDING;
}

const struct own_circuit_path *origin_circuit_path(const struct origin_circuit *oc)
{
    (void)oc;
    return &path;
}

uint64_t origin_circuits_build_timeout_ms(const struct origin_circuits *all, unsigned *learned_of)
{
    (void)all;
    *learned_of = 7;
    return 1500;
}

// The middle one is not listed.
const struct node *node_find(const struct node_list *list, const uint8_t rsa_id[20])
{
    static const struct router_status listed = {.nickname = "relay"};
    static const struct node node = {.status = &listed};
    (void)list;
    return rsa_id[0] == 0x11 ? NULL : &node;
}

size_t node_list_missing(const struct node_list *list)
{
    (void)list;
    return 0;
}

unsigned node_list_paths_percent(const struct node_list *list)
{
    (void)list;
    return 0;
}

// ---- streams

void app_streams_each(const struct app_streams *all,
                      void (*each)(void *user, const struct app_stream_info *info), void *user)
{
    (void)all;
    for (unsigned i = 0; i < doubles.streams; i++) {
        struct app_request request = {.command = APP_CONNECT, .port = 443};
        struct app_stream_info info = {.id = i + 1, .request = &request, .tries = 1};
        if (i % 3 == 2) {
            request.command = APP_RESOLVE_PTR;
            request.address = address_ipv4(0xc0000201, 0);
        } else {
            snprintf(request.host, sizeof(request.host), "%s", doubles.host);
        }
        if (i % 3 > 0)
            info.circuit = &circuits[i % (doubles.circuits ? doubles.circuits : 1)];
        info.connected = i % 3 == 1;
        info.received_bytes = 1000000;
        each(user, &info);
    }
}

// ---- onion services

void onion_services_each(const struct onion_services *all,
                         void (*each)(void *user, const struct onion_service_info *info),
                         void *user)
{
    static const struct config_onion_service config = {
        .directory = "/var/lib/ramson/blog", .introduction_points = 3, .pow = true};
    struct onion_service_info info = {
        .config = &config,
        .hostname = "blog.onion",
        .n_intro_points = 2,
        .descriptors = {{.period = 19000, .uploaded = 7, .wanted = 8}},
        .n_rendezvous = 4,
        .n_streams = 5,
        .introductions = 6,
        .replays = 1,
        .refused = 2,
        .suggested_effort = 33,
    };
    (void)all;
    memset(info.intro_points[1].rsa_id, 0x11, 20);
    info.intro_points[0].state = ONION_INTRO_READY;
    info.intro_points[0].introductions = 6;
    for (unsigned i = 0; i < doubles.services; i++)
        each(user, &info);
}

// ---- the rest

size_t link_table_count(const struct link_table *t)
{
    (void)t;
    return 2;
}

size_t circuit_table_count(const struct circuit_table *t)
{
    (void)t;
    return 5;
}

const struct stored_consensus *store_consensus(const struct directory_store *store,
                                               enum consensus_flavour flavour, unsigned index)
{
    (void)store, (void)flavour, (void)index;
    return NULL;
}

const struct certificate *const *store_certificates(const struct directory_store *store,
                                                    unsigned *n)
{
    (void)store;
    *n = 3;
    return NULL;
}
