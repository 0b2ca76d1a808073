// SPDX-License-Identifier: BSD-3-Clause
// A service's keys in one time period, what its descriptor says, and what introductions by it are
// made with (protocol 8.03, 8.04, 8.13, 8.14, 8.30).
#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "onion/key/onion_keys.h"
#include "onion/service/publish_internal.h"
#include "origin/origin.h"
#include "relay.h"

void service_descriptor_wipe(struct service_descriptor *d)
{
    ed25519_wipe(&d->blinded);
    ed25519_wipe(&d->signing);
    explicit_bzero(d, sizeof(*d));
}

static bool make_online(struct service_descriptor *d, const struct onion_service *s)
{
    if (!onion_blind_secret(&s->keys.identity, d->period, &d->blinded))
        return false;
    d->has_blinded = true;
    memcpy(d->blinded_public, d->blinded.public_key, 32);
    ed25519_generate(&d->signing);
    return true;
}

static bool take_premade(struct service_descriptor *d, const struct onion_service *s)
{
    const struct premade_key *k = key_directory_premade(&s->keys, d->period);
    if (!k)
        return false;
    memcpy(d->blinded_public, k->blinded_public, 32);
    d->signing = k->signing;
    memcpy(d->signing_cert, k->cert, sizeof(k->cert));
    d->signing_cert_length = sizeof(k->cert);
    return true;
}

bool service_descriptor_make(struct service_descriptor *d, const struct onion_service *s,
                             struct time_period period)
{
    memset(d, 0, sizeof(*d));
    d->period = period;
    if (!(s->keys.has_secret ? make_online(d, s) : take_premade(d, s))) {
        service_descriptor_wipe(d);
        return false;
    }
    onion_subcredential(s->keys.identity.public_key, d->blinded_public, d->subcredential);
    d->in_force = true;
    return true;
}

// ---- its text

static void describe(const struct publish_slot *slot, uint64_t run_seconds,
                     struct onion_descriptor *out)
{
    const struct onion_service *s = slot->service;
    const struct service_descriptor *d = slot->descriptor;
    memset(out, 0, sizeof(*out));
    memcpy(out->blinded_key, d->blinded_public, 32);
    // A key that was made ahead comes without the blinded secret; the signing key is as good.
    out->revision =
        onion_revision_counter(d->has_blinded ? &d->blinded : &d->signing, run_seconds - 1);
    out->lifetime_min = DESCRIPTOR_LIFETIME_MIN;
    out->single_onion = s->config->single_onion;
    out->sendme_inc_cells = service_sendme_inc(s->origin);
    out->congestion_control = out->sendme_inc_cells != 0;
    out->pow = s->publish->pow;
    out->n_intro_points = service_intro_points(s, out->intro_points, INTRO_POINTS_MAX);
}

static uint8_t (*copy_clients(const struct key_directory *keys))[32]
{
    uint8_t(*out)[32] = calloc(keys->n_clients ? keys->n_clients : 1, sizeof(*out));
    for (unsigned i = 0; out && i < keys->n_clients; i++)
        memcpy(out[i], keys->clients[i].public_key, 32);
    return out;
}

struct blob *service_descriptor_text(const struct publish_slot *slot, uint64_t run_seconds,
                                     time_t now)
{
    const struct onion_service *s = slot->service;
    const struct service_descriptor *d = slot->descriptor;
    struct onion_descriptor *said = malloc(sizeof(*said));
    uint8_t(*clients)[32] = copy_clients(&s->keys);
    struct blob *text = NULL;
    if (said && clients) {
        struct descriptor_keys keys = {
            .blinded = d->has_blinded ? &d->blinded : NULL,
            .signing = &d->signing,
            .signing_cert = d->has_blinded ? NULL : d->signing_cert,
            .signing_cert_length = d->has_blinded ? 0 : d->signing_cert_length,
            .clients = (const uint8_t(*)[32])clients,
            .n_clients = s->keys.n_clients,
        };
        memcpy(keys.blinded_public, d->blinded_public, 32);
        memcpy(keys.subcredential, d->subcredential, 32);
        describe(slot, run_seconds, said);
        text = onion_descriptor_make(said, &keys, (uint64_t)now);
    }
    free(clients);
    free(said);
    return text;
}

// ---- what introductions are made with

static void add_credential(struct service_publish *p, const uint8_t identity[32],
                           const uint8_t blinded[32])
{
    if (p->n_credentials == SERVICE_SUBCREDENTIALS_MAX)
        return;
    struct service_credential *c = &p->credentials[p->n_credentials++];
    memcpy(c->blinded_public, blinded, 32);
    onion_subcredential(identity, blinded, c->subcredential);
}

// A visitor of a master may be of the period before or behind: whether it is our consensus that is
// older or theirs (C tor has all three, too).
static void add_master(struct service_publish *p, const uint8_t master[32], struct time_period now)
{
    const struct time_period periods[] = {now, time_period_previous(now), time_period_next(now)};
    uint8_t blinded[32];
    for (unsigned i = 0; i < 3; i++)
        if (onion_blind_public(master, periods[i], blinded))
            add_credential(p, master, blinded);
}

void service_credentials_refresh(struct onion_service *s, struct time_period now)
{
    struct service_publish *p = s->publish;
    p->n_credentials = 0;
    for (unsigned i = 0; i < PUBLISH_SLOTS; i++)
        if (s->descriptors[i].in_force)
            add_credential(p, s->keys.identity.public_key, s->descriptors[i].blinded_public);
    for (unsigned i = 0; s->config->onionbalance && i < s->keys.n_masters; i++)
        add_master(p, s->keys.masters[i], now);
}

unsigned service_credentials(const struct onion_service *s, struct service_credential *out,
                             unsigned capacity)
{
    const struct service_publish *p = s->publish;
    unsigned n = !p ? 0 : p->n_credentials < capacity ? p->n_credentials : capacity;
    if (n > 0)
        memcpy(out, p->credentials, n * sizeof(*out));
    return n;
}
