// SPDX-License-Identifier: BSD-3-Clause
// What client addresses and circuits have used of their share.
#include "dos/dos.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "config/config.h"
#include "crypto/random.h"
#include "dir/parameters.h"
#include "keyed_map.h"
#include "relay.h"
#include "token_bucket.h"

enum {
    ADDRESS_KEY_LEN = 17, // family and address
    QUIET_MAX = 65536,    // addresses without a link
    TICK_MAX = 256,       // addresses looked at in one tick
    DEFENCE_REFUSE = 2,   // a parameter's value; 1: none
    QUIET_S = 600,        // an address without connections is remembered for so long at least
};

struct address_entry {
    struct keyed_node node;
    uint8_t key[ADDRESS_KEY_LEN];
    uint32_t clients; // open links, by what their peers are
    uint32_t relays;
    struct token_bucket circuits;
    struct token_bucket connects;
    uint32_t no_circuits_until_s; // 0: not shut out
    uint32_t no_connects_until_s;
    uint32_t used_s; // when it was last heard of
    TAILQ_ENTRY(address_entry) quiet;
};

_Static_assert(offsetof(struct address_entry, key) == sizeof(struct keyed_node),
               "the key follows the node");

struct dos {
    struct relay *relay;
    struct keyed_map addresses;
    TAILQ_HEAD(quiet_list, address_entry) quiet; // without links, quietest first
    size_t addresses_max;
};

// ---- limits

// What holds now, by the configuration and, where that is silent, the consensus.
struct limits {
    bool on;
    bool refuse;      // else it is only counted
    uint32_t allowed; // connections of one address
    uint32_t per_s, burst;
    uint32_t period_s; // for which it is shut out, and up to half of it again
};

static bool is_on(enum config_dos_switch configured, int32_t parameter)
{
    return configured == CONFIG_DOS_CONSENSUS ? parameter != 0 : configured == CONFIG_DOS_ON;
}

static uint32_t number(unsigned configured, int32_t parameter)
{
    return configured ? configured : (uint32_t)parameter;
}

// 5.09
static struct limits circuit_limits(const struct relay *relay)
{
    const struct config_dos *c = &relay->config->dos;
    const struct parameters *p = parameters_of(relay);
    return (struct limits){
        .on = is_on(c->circuits, p->dos_circuit_enabled),
        .refuse = p->dos_circuit_defense == DEFENCE_REFUSE,
        .allowed = number(c->circuits_min_connections, p->dos_circuit_min_connections),
        .per_s = number(c->circuits_per_s, p->dos_circuit_rate),
        .burst = number(c->circuits_burst, p->dos_circuit_burst),
        .period_s = number(c->circuits_period_s, p->dos_circuit_defense_s),
    };
}

// 5.10
static struct limits connection_limits(const struct relay *relay)
{
    const struct config_dos *c = &relay->config->dos;
    const struct parameters *p = parameters_of(relay);
    return (struct limits){
        .on = is_on(c->connections, p->dos_connection_enabled),
        .refuse = p->dos_connection_defense == DEFENCE_REFUSE,
        .allowed = number(c->connections_max, p->dos_connection_max),
        .per_s = number(c->connects_per_s, p->dos_connect_rate),
        .burst = number(c->connects_burst, p->dos_connect_burst),
        .period_s = number(c->connects_period_s, p->dos_connect_defense_s),
    };
}

struct dos *dos_create(struct relay *relay)
{
    struct dos *dos = calloc(1, sizeof(*dos));
    if (!dos || !keyed_map_init(&dos->addresses, ADDRESS_KEY_LEN)) {
        free(dos);
        return NULL;
    }
    dos->relay = relay;
    TAILQ_INIT(&dos->quiet);
    // An address with a link has its place for sure.
    dos->addresses_max = QUIET_MAX + (size_t)relay->config->dataplane.max_links;
    return dos;
}

// ---- addresses

static bool is_quiet(const struct address_entry *e)
{
    return e->clients == 0 && e->relays == 0;
}

static void forget(struct dos *dos, struct address_entry *e)
{
    TAILQ_REMOVE(&dos->quiet, e, quiet);
    keyed_map_remove(&dos->addresses, &e->node);
    dos->relay->counters.dos_addresses--;
    explicit_bzero(e, sizeof(*e));
    free(e);
}

void dos_free(struct dos *dos)
{
    if (!dos)
        return;
    for (size_t i = 0; i < dos->addresses.n_buckets; i++) {
        for (struct keyed_node *node = dos->addresses.buckets[i], *next; node; node = next) {
            next = node->next;
            explicit_bzero(node, sizeof(struct address_entry));
            free(node);
        }
    }
    keyed_map_release(&dos->addresses);
    free(dos);
}

static void make_key(const struct address *a, uint8_t key[ADDRESS_KEY_LEN])
{
    key[0] = a->family;
    memcpy(key + 1, a->bytes, sizeof(a->bytes));
}

// NULL: not known.
static struct address_entry *find(const struct dos *dos, const struct address *a)
{
    uint8_t key[ADDRESS_KEY_LEN];
    make_key(a, key);
    return (struct address_entry *)keyed_map_find(&dos->addresses, key);
}

// Of one that is known already; NULL without memory. It is quiet until it has a link.
static struct address_entry *find_or_add(struct dos *dos, const struct address *a)
{
    struct address_entry *e = find(dos, a);
    if (e)
        return e;
    if (dos->addresses.n_nodes >= dos->addresses_max && !TAILQ_EMPTY(&dos->quiet))
        forget(dos, TAILQ_FIRST(&dos->quiet));
    e = calloc(1, sizeof(*e));
    if (!e)
        return NULL;
    make_key(a, e->key);
    keyed_map_add(&dos->addresses, &e->node);
    TAILQ_INSERT_TAIL(&dos->quiet, e, quiet);
    dos->relay->counters.dos_addresses++;
    return e;
}

// Adds a link to the address, or takes one away.
static void count_link(struct dos *dos, struct address_entry *e, bool relay, int change)
{
    bool was_quiet = is_quiet(e);
    uint32_t *count = relay ? &e->relays : &e->clients;
    if (change > 0)
        ++*count;
    else if (*count > 0)
        --*count;
    e->used_s = dos->relay->uptime_s;
    if (was_quiet)
        TAILQ_REMOVE(&dos->quiet, e, quiet);
    if (is_quiet(e))
        TAILQ_INSERT_TAIL(&dos->quiet, e, quiet);
}

// Whether it is as if we had never heard of it.
static bool is_forgettable(const struct address_entry *e, uint32_t now_s)
{
    return now_s - e->used_s >= QUIET_S && e->no_circuits_until_s <= now_s &&
           e->no_connects_until_s <= now_s;
}

void dos_tick(struct dos *dos)
{
    if (!dos)
        return;
    for (unsigned i = 0; i < TICK_MAX; i++) {
        struct address_entry *e = TAILQ_FIRST(&dos->quiet);
        if (!e || dos->relay->uptime_s - e->used_s < QUIET_S)
            return;
        if (is_forgettable(e, dos->relay->uptime_s)) {
            forget(dos, e);
        } else { // is looked at again
            e->used_s = dos->relay->uptime_s;
            TAILQ_REMOVE(&dos->quiet, e, quiet);
            TAILQ_INSERT_TAIL(&dos->quiet, e, quiet);
        }
    }
}

// ---- shutting out

// Half of the period again at random, so that nobody can tell when it ends.
static uint32_t period_end(const struct dos *dos, uint32_t period_s)
{
    return dos->relay->uptime_s + period_s + 1 + random_uniform(period_s / 2);
}

bool dos_may_connect(struct relay *relay, const struct address *remote)
{
    struct address_entry *e = relay->dos ? find(relay->dos, remote) : NULL;
    if (!e || e->relays > 0)
        return true;
    struct limits limits = connection_limits(relay);
    bool shut_out = e->no_connects_until_s > relay->uptime_s;
    if (!limits.on || (!shut_out && e->clients < limits.allowed))
        return true;
    relay->counters.drop_dos_connect_rate += shut_out;
    relay->counters.drop_dos_connection += !shut_out;
    return !limits.refuse;
}

static void note_connect(struct dos *dos, struct address_entry *e, const struct limits *limits)
{
    uint32_t now_s = dos->relay->uptime_s;
    if (token_bucket_take(&e->connects, limits->per_s, limits->burst, now_s) ||
        e->no_connects_until_s > now_s)
        return; // what it tries while it is shut out makes it no longer
    e->no_connects_until_s = period_end(dos, limits->period_s);
    dos->relay->counters.dos_marked_connections++;
}

// Counted whether the defence is on or not: that may change while the link is open.
bool dos_link_opened(struct relay *relay, const struct address *remote, bool peer_is_relay)
{
    struct address_entry *e = relay->dos ? find_or_add(relay->dos, remote) : NULL;
    if (!e)
        return true;
    count_link(relay->dos, e, peer_is_relay, 1);
    struct limits limits = connection_limits(relay);
    if (peer_is_relay || !limits.on)
        return true;
    note_connect(relay->dos, e, &limits);
    bool too_many = e->clients > limits.allowed;
    relay->counters.drop_dos_connection += too_many;
    return !too_many || !limits.refuse;
}

void dos_link_closed(struct relay *relay, const struct address *remote, bool peer_is_relay)
{
    struct address_entry *e = relay->dos ? find(relay->dos, remote) : NULL;
    if (e && (peer_is_relay ? e->relays : e->clients) > 0)
        count_link(relay->dos, e, peer_is_relay, -1);
}

// ---- circuits and streams

bool dos_may_create(struct relay *relay, const struct address *remote)
{
    struct limits limits = circuit_limits(relay);
    struct address_entry *e = relay->dos && limits.on ? find(relay->dos, remote) : NULL;
    if (!e)
        return true;
    uint32_t now_s = relay->uptime_s;
    // What is tried while it is shut out counts too: the end moves on until it lets go.
    if (!token_bucket_take(&e->circuits, limits.per_s, limits.burst, now_s) &&
        e->clients >= limits.allowed) {
        relay->counters.dos_marked_circuits += e->no_circuits_until_s <= now_s;
        e->no_circuits_until_s = period_end(relay->dos, limits.period_s);
    }
    if (e->no_circuits_until_s <= now_s)
        return true;
    relay->counters.drop_dos_circuit++;
    return !limits.refuse;
}

enum dos_stream_defence dos_stream(struct relay *relay, struct token_bucket *bucket)
{
    const struct config_dos *c = &relay->config->dos;
    const struct parameters *p = parameters_of(relay);
    if (!is_on(c->streams, p->dos_stream_enabled) ||
        token_bucket_take(bucket, number(c->streams_per_s, p->dos_stream_rate),
                          number(c->streams_burst, p->dos_stream_burst), relay->uptime_s))
        return DOS_STREAM_NONE;
    relay->counters.drop_dos_stream++;
    return (enum dos_stream_defence)p->dos_stream_defense;
}

bool dos_refuses_single_hop(const struct relay *relay)
{
    return is_on(relay->config->dos.refuse_single_hop_rendezvous,
                 parameters_of(relay)->dos_refuse_single_hop_rendezvous);
}
