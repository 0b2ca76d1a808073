// SPDX-License-Identifier: BSD-3-Clause
// What the status document says.
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bootstrap.h"
#include "circuit/circuit.h"
#include "crypto/encoding.h"
#include "dir/store/store.h"
#include "identity/identity.h"
#include "link/link.h"
#include "onion/service/onion_service.h"
#include "origin/circuit/origin_circuit.h"
#include "origin/guard/guard.h"
#include "origin/node/node.h"
#include "origin/origin.h"
#include "origin/stream/app_stream.h"
#include "relay.h"
#include "status/status.h"

// json_object_set_new takes over its value even when it fails, so that nothing leaks; what memory
// was missing for is just not there.
static void set(json_t *object, const char *key, json_t *value)
{
    json_object_set_new(object, key, value);
}

static void set_number(json_t *object, const char *key, uint64_t value)
{
    set(object, key, json_integer((json_int_t)value));
}

static void set_id(json_t *object, const char *key, const uint8_t id[20])
{
    char hex[HEX_TEXT_SIZE(20)];
    hex_encode(id, 20, hex, sizeof(hex));
    set(object, key, json_string(hex));
}

// Whatever an application has asked for, as text that everybody can read.
static json_t *printable(const char *text)
{
    char out[512];
    size_t n = 0;
    for (; text[n] && n < sizeof(out) - 1; n++)
        out[n] = isprint((unsigned char)text[n]) ? text[n] : '?';
    return json_stringn(out, n);
}

// A list that ends somewhere, and how many more there were.
struct list {
    json_t *items;
    const struct relay *relay;
    size_t omitted;
    const struct origin_circuit **circuits; // those that are there; their numbers count from 1
    size_t n_circuits;
};

static bool add(struct list *list, json_t *item)
{
    if (json_array_size(list->items) < STATUS_LIST_MAX)
        return json_array_append_new(list->items, item) == 0;
    list->omitted++;
    json_decref(item);
    return false;
}

static void set_list(json_t *object, const char *key, const struct list *list)
{
    char name[48];
    set(object, key, list->items);
    snprintf(name, sizeof(name), "%s_omitted", key);
    if (list->omitted > 0)
        set_number(object, name, list->omitted);
}

// ---- the network

static json_t *bootstrap_of(const struct relay *relay)
{
    unsigned percent;
    const char *text, *why = NULL;
    json_t *o = json_object();
    bootstrap_progress(relay, &percent, &text);
    set_number(o, "percent", percent);
    set(o, "text", json_string(text));
    bool may_build = relay->origin && origin_may_build(relay->origin, &why);
    set(o, "may_build", json_boolean(may_build));
    if (why)
        set(o, "why_not", json_string(why));
    return o;
}

static json_t *directory_of(const struct relay *relay)
{
    unsigned n_certificates;
    json_t *o = json_object();
    const struct stored_consensus *c = store_consensus(relay->store, CONSENSUS_MICRODESC, 0);
    store_certificates(relay->store, &n_certificates);
    set_number(o, "certificates", n_certificates);
    if (!c)
        return o;
    set_number(o, "valid_after", (uint64_t)c->valid_after);
    set_number(o, "fresh_until", (uint64_t)c->fresh_until);
    set_number(o, "valid_until", (uint64_t)c->valid_until);
    set_number(o, "relays", c->parsed->n_routers);
    if (relay->origin) {
        set_number(o, "microdescriptors_missing", node_list_missing(relay->origin->nodes));
        set_number(o, "paths_percent", node_list_paths_percent(relay->origin->nodes));
    }
    return o;
}

static void add_guard(void *user, const struct guard_info *info)
{
    static const char *const reachable[] = {[GUARD_REACHABLE_MAYBE] = "maybe",
                                            [GUARD_REACHABLE_YES] = "yes",
                                            [GUARD_REACHABLE_NO] = "no"};
    struct list *list = user;
    json_t *o = json_object();
    set(o, "nickname", printable(info->nickname));
    set_id(o, "fingerprint", info->rsa_id);
    set(o, "primary", json_boolean(info->primary));
    set(o, "confirmed", json_boolean(info->confirmed));
    set(o, "filtered", json_boolean(info->filtered));
    set(o, "listed", json_boolean(info->listed));
    set(o, "reachable", json_string(reachable[info->reachable]));
    set_number(o, "sampled_on", (uint64_t)info->sampled_on);
    if (info->confirmed)
        set_number(o, "confirmed_on", (uint64_t)info->confirmed_on);
    set_number(o, "circuits", info->circuits);
    add(list, o);
}

// ---- circuits and streams

// What a circuit is called in one document.
static size_t number_of(const struct list *list, const struct origin_circuit *oc)
{
    for (size_t i = 0; i < list->n_circuits; i++)
        if (list->circuits[i] == oc)
            return i + 1;
    return 0;
}

static json_t *hop_of(const struct relay *relay, const struct own_circuit_hop *hop)
{
    json_t *o = json_object();
    const struct node *n = node_find(relay->origin->nodes, hop->target.rsa_id);
    if (n)
        set(o, "nickname", printable(n->status->nickname));
    set_id(o, "fingerprint", hop->target.rsa_id);
    return o;
}

static void add_circuit(void *user, const struct origin_circuit *oc)
{
    static const char *const states[] = {
        [ORIGIN_BUILDING] = "building", [ORIGIN_GUARD_WAIT] = "waits for a better guard",
        [ORIGIN_OPEN] = "open",         [ORIGIN_TOO_SLOW] = "too slow",
        [ORIGIN_CLOSED] = "closed",
    };
    struct list *list = user;
    const struct own_circuit_path *path = origin_circuit_path(oc);
    json_t *o = json_object(), *hops = json_array();
    if (list->circuits && list->n_circuits < STATUS_LIST_MAX)
        list->circuits[list->n_circuits++] = oc;
    set_number(o, "id", number_of(list, oc));
    set(o, "purpose", json_string(origin_purpose_text(origin_circuit_purpose(oc))));
    set(o, "state", json_string(states[origin_circuit_state(oc)]));
    for (unsigned i = 0; path && i < path->n_hops; i++)
        json_array_append_new(hops, hop_of(list->relay, &path->hops[i]));
    set(o, "hops", hops);
    add(list, o);
}

static json_t *target_of(const struct app_request *request)
{
    char text[APP_HOST_MAX + ADDRESS_TEXT_MAX + 16];
    struct address address = request->address;
    if (address.family == ADDRESS_NONE && request->command == APP_CONNECT) {
        snprintf(text, sizeof(text), "%s:%u", request->host, request->port);
    } else if (address.family == ADDRESS_NONE) {
        snprintf(text, sizeof(text), "%s", request->host);
    } else {
        address.port = request->port;
        address_format(&address, text);
        char *colon = strrchr(text, ':');
        if (request->command != APP_CONNECT && colon)
            *colon = '\0'; // it is for no port
    }
    return printable(text);
}

static void add_stream(void *user, const struct app_stream_info *info)
{
    static const char *const commands[] = {
        [APP_CONNECT] = "connect", [APP_RESOLVE] = "resolve", [APP_RESOLVE_PTR] = "resolve_ptr"};
    struct list *list = user;
    json_t *o = json_object();
    set_number(o, "id", info->id);
    set(o, "command", json_string(commands[info->request->command]));
    set(o, "target", target_of(info->request));
    set(o, "state",
        json_string(info->connected ? "connected" : (info->circuit ? "connecting" : "waiting")));
    if (info->circuit)
        set_number(o, "circuit", number_of(list, info->circuit));
    set_number(o, "tries", info->tries);
    set_number(o, "age_ms", info->age_ms);
    set_number(o, "received_bytes", info->received_bytes);
    set_number(o, "sent_bytes", info->sent_bytes);
    add(list, o);
}

static void set_origin(json_t *report, const struct relay *relay)
{
    const struct origin *origin = relay->origin;
    struct list guards = {.items = json_array(), .relay = relay}, circuits = guards,
                streams = guards;
    unsigned learned_of = 0;
    circuits.items = json_array();
    circuits.circuits = calloc(STATUS_LIST_MAX, sizeof(const struct origin_circuit *));
    guards_each(origin->guards, add_guard, &guards);
    origin_circuits_each(origin->circuits, add_circuit, &circuits);
    streams.items = json_array();
    streams.circuits = circuits.circuits;
    streams.n_circuits = circuits.n_circuits;
    app_streams_each(origin->streams, add_stream, &streams);
    free(circuits.circuits);
    set_list(report, "guards", &guards);
    set_list(report, "circuits", &circuits);
    set_list(report, "streams", &streams);
    set_number(report, "build_timeout_ms",
               origin_circuits_build_timeout_ms(origin->circuits, &learned_of));
    set_number(report, "build_timeout_learned_of", learned_of);
}

// ---- onion services

static json_t *intro_point_of(const struct relay *relay, const struct onion_intro_info *info)
{
    static const char *const states[] = {[ONION_INTRO_BUILDING] = "building",
                                         [ONION_INTRO_ESTABLISHING] = "establishing",
                                         [ONION_INTRO_READY] = "established"};
    json_t *o = json_object();
    const struct node *n = node_find(relay->origin->nodes, info->rsa_id);
    if (n)
        set(o, "nickname", printable(n->status->nickname));
    set_id(o, "fingerprint", info->rsa_id);
    set(o, "state", json_string(states[info->state]));
    set_number(o, "introductions", info->introductions);
    return o;
}

static json_t *descriptors_of(const struct onion_service_info *info)
{
    json_t *list = json_array();
    for (size_t i = 0; i < sizeof(info->descriptors) / sizeof(info->descriptors[0]); i++) {
        if (info->descriptors[i].period == 0)
            continue;
        json_t *o = json_object();
        set_number(o, "period", info->descriptors[i].period);
        set_number(o, "uploaded", info->descriptors[i].uploaded);
        set_number(o, "wanted", info->descriptors[i].wanted);
        json_array_append_new(list, o);
    }
    return list;
}

static void add_service(void *user, const struct onion_service_info *info)
{
    struct list *list = user;
    json_t *o = json_object(), *points = json_array();
    set(o, "address", json_string(info->hostname));
    set(o, "directory", printable(info->config->directory));
    set_number(o, "introduction_points_wanted", info->config->introduction_points);
    for (unsigned i = 0; i < info->n_intro_points; i++)
        json_array_append_new(points, intro_point_of(list->relay, &info->intro_points[i]));
    set(o, "introduction_points", points);
    set(o, "descriptors", descriptors_of(info));
    set_number(o, "visitors", info->n_rendezvous);
    set_number(o, "streams", info->n_streams);
    set_number(o, "introductions", info->introductions);
    set_number(o, "replays", info->replays);
    set_number(o, "refused", info->refused);
    if (info->config->pow)
        set_number(o, "suggested_effort", info->suggested_effort);
    add(list, o);
}

static void set_services(json_t *report, const struct relay *relay)
{
    struct list services = {.items = json_array(), .relay = relay};
    onion_services_each(relay->origin->onion_services, add_service, &services);
    if (json_array_size(services.items) > 0)
        set_list(report, "onion_services", &services);
    else
        json_decref(services.items);
}

// ---- the process

static json_t *relay_of(const struct relay *relay)
{
    char id[64];
    json_t *o = json_object();
    set(o, "nickname", json_string(relay->config->nickname));
    set_id(o, "fingerprint", relay->identity->rsa_id);
    base64_encode(relay->identity->master.public_key, 32, false, id, sizeof(id));
    set(o, "ed25519", json_string(id));
    set_number(o, "or_port", relay->config->or_port);
    set_number(o, "circuits", circuit_table_count(relay->circuits));
    return o;
}

static json_t *counters_of(const struct relay *relay)
{
    json_t *o = json_object();
    struct counters sum = {0};
    if (relay->sum_counters)
        relay->sum_counters(relay->sum_counters_user, &sum);
    counters_add(&sum, &relay->counters);
#define COUNTER_REPORT(name, what)                                                                 \
    if (sum.name)                                                                                  \
        set_number(o, #name, sum.name);
    COUNTERS(COUNTER_REPORT)
#undef COUNTER_REPORT
    return o;
}

json_t *status_report(const struct relay *relay)
{
    json_t *report = json_object();
    const char *role = relay->origin ? "relay and client" : "relay";
    if (!report)
        return NULL;
    set(report, "version", json_string(RAMSON_VERSION));
    set(report, "role", json_string(config_is_relay(relay->config) ? role : "client"));
    set_number(report, "now", (uint64_t)relay_now(relay));
    set_number(report, "uptime_s", relay->uptime_s);
    if (relay->identity)
        set(report, "relay", relay_of(relay));
    if (relay->bootstrap)
        set(report, "bootstrap", bootstrap_of(relay));
    set(report, "directory", directory_of(relay));
    set_number(report, "links", link_table_count(relay->links));
    if (relay->origin) {
        set_origin(report, relay);
        set_services(report, relay);
    }
    set(report, "counters", counters_of(relay));
    return report;
}
