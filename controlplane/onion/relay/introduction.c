// SPDX-License-Identifier: BSD-3-Clause
// Establishes introduction points, and passes introductions on.
#include "onion/relay/introduction.h"

#include "base/cursor.h"
#include "crypto/cgo_message.h"
#include "dir/parameters.h"
#include "onion/message/intro_cell.h"
#include "onion/relay/onion_internal.h"

enum introduce_ack {
    ACK_SUCCESS = 0,
    ACK_UNKNOWN_KEY = 1, // also for what could not be passed on
    ACK_BAD_FORMAT = 2,
};

// The older circuit of the same key goes: its owner has made a new one (7.11).
static void replace(struct onion_table *t, const uint8_t auth_key[INTRO_AUTH_KEY_LEN])
{
    struct onion_entry *old = (struct onion_entry *)keyed_map_find(&t->introductions, auth_key);
    if (old)
        circuit_close(old->circuit, DESTROY_FINISHED);
}

void introduction_take_establish(struct circuit *c, const struct message *m)
{
    static const uint8_t no_extensions = 0;
    struct counters *counters = &c->relay->counters;
    struct establish_intro e;
    if (!onion_circuit_is_plain(c)) {
        onion_refuse(c, &counters->drop_onion_role);
        return;
    }
    if (!establish_intro_parse(m->payload, m->length, &e) ||
        !establish_intro_verify(&e, c->nonce)) {
        onion_refuse(c, &counters->drop_intro_establish);
        return;
    }
    replace(c->relay->onion, e.auth_key);
    struct onion_entry *entry =
        onion_entry_add(c, CIRCUIT_INTRODUCTION, e.auth_key, sizeof(e.auth_key));
    if (!entry) {
        circuit_close(c, DESTROY_RESOURCELIMIT);
        return;
    }
    entry->has_own_limit = e.has_limit;
    entry->rate_per_s = e.rate_per_s;
    entry->burst = e.burst;
    counters->intro_points_established++;
    circuit_originate(c, RELAY_INTRO_ESTABLISHED, 0, &no_extensions, 1);
}

// 7.13, 7.19
static bool is_within_limit(struct onion_entry *e)
{
    const struct relay *relay = e->circuit->relay;
    const struct parameters *p = parameters_of(relay);
    bool limited = e->has_own_limit ? e->rate_per_s > 0 : p->introduce_defense_enabled;
    uint32_t rate = e->has_own_limit ? e->rate_per_s : (uint32_t)p->introduce_rate;
    uint32_t burst = e->has_own_limit ? e->burst : (uint32_t)p->introduce_burst;
    return !limited || token_bucket_take(&e->bucket, rate, burst, relay->uptime_s);
}

// Sends INTRODUCE2 to the service that is asked for.
static enum introduce_ack pass_on(struct onion_table *t, const struct message *m)
{
    struct counters *counters = &t->relay->counters;
    uint8_t auth_key[INTRO_AUTH_KEY_LEN];
    // One that does not fit is refused whatever the service's circuit is like, which is none of the
    // client's business.
    enum introduce1_form form = m->length > CGO_MESSAGE_BODY_MAX
                                    ? INTRODUCE1_MALFORMED
                                    : introduce1_parse(m->payload, m->length, auth_key);
    if (form != INTRODUCE1_GOOD) {
        counters->drop_introduce_old += form == INTRODUCE1_OLD;
        counters->drop_introduce_malformed += form != INTRODUCE1_OLD;
        return ACK_BAD_FORMAT;
    }
    struct onion_entry *service = (struct onion_entry *)keyed_map_find(&t->introductions, auth_key);
    if (!service) {
        counters->drop_introduce_unknown++;
        return ACK_UNKNOWN_KEY;
    }
    if (!is_within_limit(service)) {
        counters->drop_introduce_rate++;
        return ACK_UNKNOWN_KEY;
    }
    if (replay_filter_seen(&t->replays, m->payload, m->length)) {
        counters->drop_introduce_replay++;
        return ACK_UNKNOWN_KEY;
    }
    circuit_originate(service->circuit, RELAY_INTRODUCE2, 0, m->payload, m->length);
    counters->introductions++;
    return ACK_SUCCESS;
}

// What it breaks, or NULL if it is all right (7.15, 7.16).
static uint64_t *introduce_breaks(const struct circuit *c, const struct message *m)
{
    struct counters *counters = &c->relay->counters;
    uint8_t auth_key[INTRO_AUTH_KEY_LEN];
    if (introduce1_parse(m->payload, m->length, auth_key) == INTRODUCE1_SHORT)
        return &counters->drop_introduce_malformed;
    if (c->role == CIRCUIT_INTRODUCING)
        return &counters->drop_introduce_again;
    if (!onion_circuit_is_plain(c))
        return &counters->drop_onion_role;
    if (onion_circuit_is_single_hop(c))
        return &counters->drop_introduce_single_hop;
    return NULL;
}

void introduction_take_introduce(struct circuit *c, const struct message *m)
{
    uint8_t ack[3];
    uint64_t *broken = introduce_breaks(c, m);
    if (broken) {
        onion_refuse(c, broken);
        return;
    }
    c->role = CIRCUIT_INTRODUCING;
    struct writer w = writer_of(ack, sizeof(ack));
    write_u16(&w, pass_on(c->relay->onion, m));
    write_u8(&w, 0); // extensions
    circuit_originate(c, RELAY_INTRODUCE_ACK, 0, ack, (uint16_t)writer_length(&w));
}
