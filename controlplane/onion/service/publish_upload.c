// SPDX-License-Identifier: BSD-3-Clause
// Where a descriptor goes: the responsible directories of its ring, each by a request of its own,
// tried again when it fails (protocol 8.09, 8.12). C tor does not try one again before the next
// text is due; whoever reaches nothing but that directory meanwhile does not find the service.
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "crypto/random.h"
#include "dir/parameters.h"
#include "onion/directory/hsdir_request.h"
#include "onion/directory/hsdir_ring.h"
#include "onion/service/publish_internal.h"
#include "origin/circuit/origin_circuit.h"
#include "origin/node/node.h"
#include "origin/origin.h"
#include "relay.h"

// ---- what came of them

static void count(struct publish_slot *slot)
{
    slot->descriptor->wanted = slot->text ? slot->n_uploads : 0;
    slot->descriptor->uploaded = 0;
    for (unsigned i = 0; i < slot->n_uploads; i++)
        slot->descriptor->uploaded += slot->uploads[i]->state == UPLOAD_DONE;
}

static void failed(struct upload *u)
{
    const unsigned doublings = u->tries - 1;
    uint64_t wait_ms = (uint64_t)PUBLISH_RETRY_MS << doublings;
    if (wait_ms > PUBLISH_RETRY_MAX_MS)
        wait_ms = PUBLISH_RETRY_MAX_MS;
    wait_ms = wait_ms / 2 + random_uniform((uint32_t)wait_ms);
    u->state = u->tries < PUBLISH_TRIES_MAX ? UPLOAD_WAITING : UPLOAD_OVER;
    u->not_before_ms = origin_now_ms(u->slot->service->origin) + wait_ms;
}

static void done(void *user, enum hsdir_result result, struct blob *text)
{
    struct upload *u = user;
    (void)text;
    u->request = NULL;
    if (result == HSDIR_REQUEST_DONE)
        u->state = UPLOAD_DONE;
    else if (result == HSDIR_REQUEST_FAILED)
        failed(u);
    else
        u->state = UPLOAD_OVER; // it would say so of the same text again
    count(u->slot);
    if (u->state == UPLOAD_DONE)
        log_info("onion: descriptor for period %llu is at %u of %u directories",
                 (unsigned long long)u->slot->descriptor->period.number,
                 u->slot->descriptor->uploaded, u->slot->descriptor->wanted);
}

// ---- their beginning

static void rewind_upload(struct upload *u)
{
    hsdir_request_cancel(u->request);
    u->request = NULL;
    u->state = UPLOAD_WAITING;
    u->tries = 0;
    u->not_before_ms = 0;
}

void publish_restart(struct publish_slot *slot)
{
    for (unsigned i = 0; i < slot->n_uploads; i++)
        rewind_upload(slot->uploads[i]);
    count(slot);
}

unsigned publish_under_way(const struct onion_service *s)
{
    unsigned n = 0;
    for (unsigned i = 0; i < PUBLISH_SLOTS; i++)
        for (unsigned j = 0; j < s->publish->slots[i]->n_uploads; j++)
            n += s->publish->slots[i]->uploads[j]->state == UPLOAD_UNDER_WAY;
    return n;
}

// False: nothing can be begun now.
static bool begin(struct upload *u)
{
    struct origin *origin = u->slot->service->origin;
    const struct node *dir = node_find(origin->nodes, u->rsa_id);
    const char *why = NULL;
    if (!dir)
        return true; // it is on its way out of the ring
    u->request = hsdir_request_publish(origin, dir, u->slot->text, done, u, &why);
    if (!u->request) {
        log_info("onion: no descriptor is uploaded now: %s", why ? why : "?");
        return false;
    }
    u->state = UPLOAD_UNDER_WAY;
    u->tries++;
    return true;
}

void publish_uploads_tick(struct publish_slot *slot)
{
    const struct onion_service *s = slot->service;
    const uint64_t now = origin_now_ms(s->origin);
    if (!slot->text)
        return;
    for (unsigned i = 0; i < slot->n_uploads; i++) {
        struct upload *u = slot->uploads[i];
        if (u->state != UPLOAD_WAITING || now < u->not_before_ms)
            continue;
        if (publish_under_way(s) >= PUBLISH_UPLOADS_MAX ||
            origin_circuits_building(s->origin->circuits) + PUBLISH_CIRCUITS_LEFT >=
                ORIGIN_BUILDING_MAX ||
            !begin(u))
            return;
    }
}

// ---- whom they go to

static void drop(struct publish_slot *slot, unsigned i)
{
    hsdir_request_cancel(slot->uploads[i]->request);
    free(slot->uploads[i]);
    slot->uploads[i] = slot->uploads[--slot->n_uploads];
}

void publish_uploads_free(struct publish_slot *slot)
{
    while (slot->n_uploads > 0)
        drop(slot, 0);
    free(slot->uploads);
    slot->uploads = NULL;
}

static struct upload *find(const struct publish_slot *slot, const uint8_t rsa_id[20])
{
    for (unsigned i = 0; i < slot->n_uploads; i++)
        if (memcmp(slot->uploads[i]->rsa_id, rsa_id, 20) == 0)
            return slot->uploads[i];
    return NULL;
}

static struct upload *add(struct publish_slot *slot, const uint8_t rsa_id[20])
{
    struct upload **grown = realloc(slot->uploads, (slot->n_uploads + 1) * sizeof(struct upload *));
    struct upload *u = calloc(1, sizeof(*u));
    if (grown)
        slot->uploads = grown;
    if (!grown || !u) {
        free(u);
        return NULL;
    }
    u->slot = slot;
    memcpy(u->rsa_id, rsa_id, 20);
    slot->uploads[slot->n_uploads++] = u;
    return u;
}

static void replace(struct publish_slot *slot, const struct node *const *nodes, unsigned n)
{
    for (unsigned i = 0; i < slot->n_uploads; i++)
        slot->uploads[i]->responsible = false;
    for (unsigned i = 0; i < n; i++) {
        struct upload *u = find(slot, nodes[i]->status->rsa_id);
        u = u ? u : add(slot, nodes[i]->status->rsa_id);
        if (u)
            u->responsible = true;
    }
    for (unsigned i = slot->n_uploads; i-- > 0;)
        if (!slot->uploads[i]->responsible)
            drop(slot, i);
}

static const struct hsdir_ring *ring_of(const struct publish_slot *slot)
{
    const struct onion_service *s = slot->service;
    const struct service_descriptor *d = slot->descriptor;
    const struct node_list *nodes = s->origin->nodes;
    struct publish_ring *r = &s->all->rings[d - s->descriptors];
    if (r->ring && r->generation == node_list_generation(nodes) &&
        r->period.number == d->period.number &&
        r->period.length_minutes == d->period.length_minutes && memcmp(r->srv, slot->srv, 32) == 0)
        return r->ring;
    hsdir_ring_free(r->ring);
    r->ring = hsdir_ring_make(nodes, d->period, slot->srv);
    r->period = d->period;
    r->generation = node_list_generation(nodes);
    memcpy(r->srv, slot->srv, 32);
    return r->ring;
}

void publish_rings_free(struct publish_ring rings[PUBLISH_SLOTS])
{
    for (unsigned i = 0; i < PUBLISH_SLOTS; i++) {
        hsdir_ring_free(rings[i].ring);
        rings[i].ring = NULL;
    }
}

void publish_look_at_ring(struct publish_slot *slot)
{
    const struct parameters *p = parameters_of(slot->service->origin->relay);
    const struct node **nodes = calloc(HSDIRS_MAX, sizeof(*nodes));
    const struct hsdir_ring *ring = nodes ? ring_of(slot) : NULL;
    if (ring)
        replace(slot, nodes,
                hsdir_ring_responsible(ring, slot->descriptor->blinded_public,
                                       (unsigned)p->hsdir_replicas, (unsigned)p->hsdir_spread_store,
                                       nodes, HSDIRS_MAX));
    free(nodes);
    count(slot);
}
