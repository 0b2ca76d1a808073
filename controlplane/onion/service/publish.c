// SPDX-License-Identifier: BSD-3-Clause
// When a service's descriptors are made and uploaded: for which periods, by which shared random
// value, and when there is something new to say (protocol 8.05, 8.10, 8.12, 8.13).
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "config/config.h"
#include "crypto/random.h"
#include "dir/parameters.h"
#include "netdoc/consensus.h"
#include "onion/pow/pow.h"
#include "onion/service/publish_internal.h"
#include "origin/node/node.h"
#include "origin/origin.h"
#include "relay.h"

// ---- which periods

static bool same_period(struct time_period a, struct time_period b)
{
    return a.number == b.number && a.length_minutes == b.length_minutes;
}

static void forget_slot(struct publish_slot *slot)
{
    publish_uploads_free(slot);
    blob_drop(slot->text);
    slot->text = NULL;
    slot->revision_seconds = 0;
    service_descriptor_wipe(slot->descriptor);
}

// What the second slot has is what the first is to have.
static void rotate(struct onion_service *s)
{
    struct service_publish *p = s->publish;
    struct publish_slot *first = p->slots[0], *second = p->slots[1];
    struct service_descriptor moved = s->descriptors[1];
    forget_slot(first);
    s->descriptors[1] = s->descriptors[0];
    s->descriptors[0] = moved;
    explicit_bzero(&moved, sizeof(moved));
    p->slots[0] = second;
    p->slots[1] = first;
    second->descriptor = &s->descriptors[0];
    first->descriptor = &s->descriptors[1];
}

static void fill_slot(struct publish_slot *slot, const struct onion_epoch *wanted)
{
    struct onion_service *s = slot->service;
    struct service_descriptor *d = slot->descriptor;
    memcpy(slot->srv, wanted->srv, 32);
    slot->run_start = wanted->run_start;
    if (d->in_force && same_period(d->period, wanted->period))
        return;
    forget_slot(slot);
    if (service_descriptor_make(d, s, wanted->period)) {
        slot->changed = true;
        log_info("onion: a descriptor for period %llu begins",
                 (unsigned long long)d->period.number);
    }
}

// An operator with the master key elsewhere must bring new ones in time.
static void tell_of_keys(struct onion_service *s)
{
    struct service_publish *p = s->publish;
    const struct service_descriptor *last = &s->descriptors[PUBLISH_SLOTS - 1];
    unsigned left = 0;
    if (s->keys.has_secret)
        return;
    while (last->in_force && left < PUBLISH_KEYS_FEW) {
        struct time_period t = last->period;
        t.number += left + 1;
        if (!key_directory_premade(&s->keys, t))
            break;
        left++;
    }
    const uint64_t about = last->in_force ? last->period.number : 0;
    if (left == PUBLISH_KEYS_FEW || p->told_keys_at == about + 1)
        return;
    p->told_keys_at = about + 1;
    if (!last->in_force)
        log_warn("onion: no key was made ahead for this time in %s: visitors will not find it",
                 s->config->directory);
    else
        log_warn("onion: keys made ahead in %s are there for %u more time periods only",
                 s->config->directory, left);
}

static void look_at_network(struct onion_service *s)
{
    const struct consensus *c = node_list_consensus(s->origin->nodes);
    const struct parameters *p = parameters_of(s->origin->relay);
    const bool testing = s->origin->relay->config->testing_network;
    struct onion_epoch wanted[PUBLISH_SLOTS];
    onion_epochs_of_service(c, p, testing, wanted);
    if (s->descriptors[1].in_force && same_period(s->descriptors[1].period, wanted[0].period))
        rotate(s);
    for (unsigned i = 0; i < PUBLISH_SLOTS; i++) {
        fill_slot(s->publish->slots[i], &wanted[i]);
        if (s->descriptors[i].in_force)
            publish_look_at_ring(s->publish->slots[i]);
    }
    tell_of_keys(s);
    service_credentials_refresh(s, time_period_of(c, p, testing));
}

// ---- texts

// It grows with the clock, so also over a restart; and when the clock is put back or two texts are
// of one second.
static uint64_t run_seconds(const struct publish_slot *slot, time_t now)
{
    uint64_t n = now >= slot->run_start ? (uint64_t)(now - slot->run_start) + 1 : 1;
    if (n <= slot->revision_seconds)
        n = slot->revision_seconds + 1;
    return n < PUBLISH_RUN_SECONDS_MAX ? n : PUBLISH_RUN_SECONDS_MAX;
}

static bool may_be_long(struct publish_slot *slot, const struct blob *text)
{
    struct onion_service *s = slot->service;
    const size_t most = (size_t)parameters_of(s->origin->relay)->hsdir_descriptor_max_bytes;
    if (text->length < most) {
        s->publish->told_too_long = false;
        return true;
    }
    if (!s->publish->told_too_long)
        log_warn("onion: a descriptor of %zu bytes is too long for directories, which take %zu: "
                 "there are too many authorised clients in %s",
                 text->length, most, s->config->directory);
    s->publish->told_too_long = true;
    return false;
}

static void renew_text(struct publish_slot *slot)
{
    struct origin *origin = slot->service->origin;
    const time_t now = relay_now(origin->relay);
    const uint64_t seconds = run_seconds(slot, now);
    struct blob *text = service_descriptor_text(slot, seconds, now);
    const uint32_t spread_s = PUBLISH_INTERVAL_MAX_S - PUBLISH_INTERVAL_MIN_S;
    slot->changed = false;
    slot->due = now + PUBLISH_INTERVAL_MIN_S + (time_t)random_uniform(spread_s + 1);
    if (!text || !may_be_long(slot, text)) {
        blob_drop(text);
        slot->changed = true; // and is tried again as often as changes are said
        return;
    }
    blob_drop(slot->text);
    slot->text = text;
    slot->revision_seconds = seconds;
    publish_restart(slot);
}

// Whether what has changed may be said now: not more often than so.
static bool take_change(struct service_publish *p, uint64_t now_ms)
{
    const uint64_t most = (uint64_t)PUBLISH_CHANGES_MAX * PUBLISH_CHANGE_MS;
    p->changes_left_ms += now_ms - p->changes_filled_ms;
    p->changes_left_ms = p->changes_left_ms < most ? p->changes_left_ms : most;
    p->changes_filled_ms = now_ms;
    if (p->changes_left_ms < PUBLISH_CHANGE_MS)
        return false;
    p->changes_left_ms -= PUBLISH_CHANGE_MS;
    return true;
}

// Of a text that went out before. When the clock was put back, too.
static bool is_due(const struct publish_slot *slot)
{
    const time_t now = relay_now(slot->service->origin->relay);
    return slot->descriptor->in_force && slot->text &&
           (now >= slot->due || slot->due - now > PUBLISH_INTERVAL_MAX_S);
}

static void renew_texts(struct onion_service *s)
{
    bool due = false, changed = false;
    for (unsigned i = 0; i < PUBLISH_SLOTS; i++) {
        const struct publish_slot *slot = s->publish->slots[i];
        due |= is_due(slot);
        changed |= slot->descriptor->in_force && slot->changed;
    }
    if ((!due && !changed) || !service_intro_points_ready(s))
        return;
    const bool may_change = changed && take_change(s->publish, origin_now_ms(s->origin));
    for (unsigned i = 0; i < PUBLISH_SLOTS; i++) {
        struct publish_slot *slot = s->publish->slots[i];
        if (is_due(slot) || (slot->descriptor->in_force && slot->changed && may_change))
            renew_text(slot);
    }
}

void service_descriptors_changed(struct onion_service *s)
{
    for (unsigned i = 0; s->publish && i < PUBLISH_SLOTS; i++)
        s->publish->slots[i]->changed = true;
}

// ---- the whole

void service_publish_network_changed(struct onion_service *s)
{
    s->publish->network_changed = true;
}

void service_publish_tick(struct onion_service *s)
{
    struct service_publish *p = s->publish;
    const uint64_t now = origin_now_ms(s->origin);
    if (now - p->clients_looked_ms >= PUBLISH_CLIENTS_MS) {
        p->clients_looked_ms = now;
        if (publish_clients_changed(s)) {
            service_descriptors_changed(s);
            p->network_changed = true; // masters' credentials
        }
    }
    if (s->pow && pow_defence_params(s->pow, &p->pow))
        service_descriptors_changed(s);
    if (!origin_may_build(s->origin, NULL))
        return;
    if (p->network_changed) {
        p->network_changed = false;
        look_at_network(s);
    }
    renew_texts(s);
    for (unsigned i = 0; i < PUBLISH_SLOTS; i++)
        publish_uploads_tick(p->slots[i]);
}

bool service_publish_create(struct onion_service *s)
{
    struct service_publish *p = calloc(1, sizeof(*p));
    s->publish = p;
    for (unsigned i = 0; p && i < PUBLISH_SLOTS; i++) {
        p->slots[i] = calloc(1, sizeof(*p->slots[i]));
        if (!p->slots[i]) {
            service_publish_free(s);
            return false;
        }
        p->slots[i]->service = s;
        p->slots[i]->descriptor = &s->descriptors[i];
    }
    if (!p)
        return false;
    p->network_changed = true;
    p->changes_left_ms = (uint64_t)PUBLISH_CHANGES_MAX * PUBLISH_CHANGE_MS;
    p->changes_filled_ms = p->clients_looked_ms = origin_now_ms(s->origin);
    p->clients_mark = publish_clients_mark(s);
    return true;
}

void service_publish_free(struct onion_service *s)
{
    struct service_publish *p = s->publish;
    if (!p)
        return;
    for (unsigned i = 0; i < PUBLISH_SLOTS; i++)
        if (p->slots[i]) {
            forget_slot(p->slots[i]);
            free(p->slots[i]);
        }
    explicit_bzero(p, sizeof(*p));
    free(p);
    s->publish = NULL;
}
