// SPDX-License-Identifier: BSD-3-Clause
// The world around a service's descriptors.
#include "publish_world.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "crypto/digest.h"
#include "crypto/random.h"
#include "dir/parameters.h"
#include "onion/descriptor/hs_descriptor.h"
#include "onion/directory/hsdir_request.h"
#include "onion/key/onion_keys.h"
#include "onion/pow/pow.h"
#include "origin/circuit/origin_circuit.h"

struct publish_world *publish_world;

enum { DAY_S = 86400, ANSWER_MS = 3000, FAILURE_MS = 20000 };

static const time_t first_day = 1800000000 - 1800000000 % DAY_S;

// ---- what a service stands on

uint64_t origin_now_ms(const struct origin *origin)
{
    (void)origin;
    return publish_world->now_ms;
}

bool origin_may_build(const struct origin *origin, const char **why)
{
    (void)origin, (void)why;
    return publish_world->may_build;
}

unsigned origin_circuits_building(const struct origin_circuits *all)
{
    (void)all;
    return publish_world->building;
}

unsigned service_intro_points(const struct onion_service *s, struct onion_intro_point *out,
                              unsigned capacity)
{
    (void)s;
    assert_true(capacity >= publish_world->n_points);
    memcpy(out, publish_world->points, publish_world->n_points * sizeof(*out));
    return publish_world->n_points;
}

bool service_intro_points_ready(const struct onion_service *s)
{
    (void)s;
    return publish_world->ready;
}

uint8_t service_sendme_inc(const struct origin *origin)
{
    (void)origin;
    return 31;
}

bool pow_defence_params(struct pow_defence *d, struct onion_pow_params *out)
{
    (void)d;
    bool changed = publish_world->pow_changed;
    publish_world->pow_changed = false;
    *out = publish_world->pow;
    return changed;
}

int key_directory_load(const char *path, bool create, struct key_directory *out,
                       void (*warn)(void *user, const char *line), void *user,
                       char error[KEY_DIRECTORY_ERROR_MAX])
{
    const struct key_directory *files = &publish_world->files;
    (void)warn, (void)user;
    assert_false(create);
    assert_string_equal(path, publish_world->config.directory);
    if (publish_world->unreadable) {
        snprintf(error, KEY_DIRECTORY_ERROR_MAX, "the test says that nothing can be read");
        return -EINVAL;
    }
    *out = *files;
    out->clients = files->n_clients ? calloc(files->n_clients, sizeof(*out->clients)) : NULL;
    if (out->clients)
        memcpy(out->clients, files->clients, files->n_clients * sizeof(*out->clients));
    out->masters = NULL;
    return 0;
}

const struct premade_key *key_directory_premade(const struct key_directory *d,
                                                struct time_period period)
{
    for (unsigned i = 0; i < d->n_premade; i++)
        if (d->premade[i].period.number == period.number)
            return &d->premade[i];
    return NULL;
}

void key_directory_release(struct key_directory *d)
{
    free(d->clients);
    free(d->masters);
    memset(d, 0, sizeof(*d));
}

// ---- directories

static struct world_stored *held_by(size_t relay, const uint8_t blinded[32])
{
    for (unsigned i = 0; i < WORLD_STORED_MAX; i++) {
        struct world_stored *s = &publish_world->stored[i];
        if (s->text && s->relay == relay && memcmp(s->blinded, blinded, 32) == 0)
            return s;
    }
    return NULL;
}

static void forget_stored(struct world_stored *s)
{
    blob_drop(s->text);
    s->text = NULL;
}

static struct world_stored *room(void)
{
    for (unsigned i = 0; i < WORLD_STORED_MAX; i++)
        if (!publish_world->stored[i].text)
            return &publish_world->stored[i];
    fail_msg("too many descriptors are stored");
    return NULL;
}

// As an HSDir does it (7.03, 7.05).
static bool store(size_t relay, struct blob *text)
{
    struct hs_descriptor d;
    assert_int_equal(hs_descriptor_parse(text->bytes, text->length, &d), 0);
    assert_int_equal(hs_descriptor_verify(&d, (uint64_t)network_now), 0);
    assert_int_equal(d.lifetime_min, DESCRIPTOR_LIFETIME_MIN);
    assert_true(text->length < 50000);
    struct world_stored *s = held_by(relay, d.blinded_key);
    if (s && s->revision >= d.revision)
        return false;
    if (s)
        forget_stored(s);
    else
        s = room();
    *s = (struct world_stored){
        .relay = relay, .revision = d.revision, .at = network_now, .text = blob_hold(text)};
    memcpy(s->blinded, d.blinded_key, 32);
    return true;
}

struct hsdir_request *hsdir_request_publish(struct origin *origin, const struct node *dir,
                                            struct blob *text, hsdir_done_fn done, void *user,
                                            const char **why)
{
    struct publish_world *w = publish_world;
    (void)why;
    assert_ptr_equal(origin, &w->network->origin);
    for (unsigned i = 0; i < WORLD_REQUESTS_MAX; i++) {
        struct hsdir_request *r = &w->requests[i];
        if (r->used)
            continue;
        *r = (struct hsdir_request){.used = true, .relay = dir->index, .text = blob_hold(text)};
        r->done = done;
        r->user = user;
        r->answers_ms = w->now_ms + ANSWER_MS;
        w->n_requests++;
        w->n_to_dead += dir->index == w->dead;
        w->under_way++;
        w->most_under_way = w->under_way > w->most_under_way ? w->under_way : w->most_under_way;
        return r;
    }
    fail_msg("too many requests");
    return NULL;
}

void hsdir_request_cancel(struct hsdir_request *r)
{
    if (!r)
        return;
    assert_true(r->used);
    blob_drop(r->text);
    r->used = false;
    publish_world->under_way--;
}

static void answer(struct hsdir_request *r)
{
    struct publish_world *w = publish_world;
    struct hsdir_request ended = *r;
    enum hsdir_result result = HSDIR_REQUEST_FAILED;
    if (ended.relay == w->dead || network_random(w->network, 100) < w->failing_pct)
        w->n_failed++;
    else if (store(ended.relay, ended.text))
        result = HSDIR_REQUEST_DONE;
    else
        result = HSDIR_REQUEST_REFUSED;
    w->n_stored += result == HSDIR_REQUEST_DONE;
    w->n_refused += result == HSDIR_REQUEST_REFUSED;
    hsdir_request_cancel(r);
    ended.done(ended.user, result, NULL);
}

// ---- time

// Of the run that this time is in, back by so many.
static void srv_of(time_t valid_after, unsigned back, uint8_t out[32])
{
    const struct publish_world *w = publish_world;
    uint64_t run = (uint64_t)valid_after / (24 * w->network->interval_s) - back;
    uint64_t seed[2] = {run, w->srv_key};
    sha256(seed, sizeof(seed), out);
}

static void new_consensus(void)
{
    struct network *n = publish_world->network;
    n->valid_after = network_now - network_now % n->interval_s;
    n->has_srv = !publish_world->no_srv;
    srv_of(n->valid_after, 0, n->srv_current);
    srv_of(n->valid_after, 1, n->srv_previous);
    network_publish(n);
    if (!publish_world->stopped)
        service_publish_network_changed(&publish_world->service);
}

static void expire(void)
{
    struct publish_world *w = publish_world;
    for (unsigned i = 0; i < WORLD_STORED_MAX; i++)
        if (w->stored[i].text && network_now - w->stored[i].at > 60 * DESCRIPTOR_LIFETIME_MIN)
            forget_stored(&w->stored[i]);
}

void publish_world_pass(unsigned seconds)
{
    struct publish_world *w = publish_world;
    for (unsigned i = 0; i < seconds; i++) {
        w->now_ms += 1000;
        network_now++;
        if (network_now % w->network->interval_s == 0)
            new_consensus();
        if (!w->stopped)
            service_publish_tick(&w->service);
        for (unsigned j = 0; j < WORLD_REQUESTS_MAX && w->under_way > 0; j++)
            if (w->requests[j].used && w->now_ms >= w->requests[j].answers_ms)
                answer(&w->requests[j]);
        if (network_now % 60 == 0)
            expire();
    }
}

void publish_world_jump(time_t seconds)
{
    network_now += seconds;
    new_consensus();
}

// ---- the beginning and the end

void publish_world_start(void)
{
    struct publish_world *w = publish_world;
    w->stopped = false;
    memset(w->service.descriptors, 0, sizeof(w->service.descriptors));
    assert_true(service_publish_create(&w->service));
}

void publish_world_stop(void)
{
    struct publish_world *w = publish_world;
    service_publish_free(&w->service);
    w->stopped = true;
    assert_int_equal(w->under_way, 0);
    for (unsigned i = 0; i < PUBLISH_SLOTS; i++)
        assert_false(w->service.descriptors[i].in_force);
}

static void make_point(struct onion_intro_point *p, unsigned i)
{
    static const uint8_t head[] = {2, 0, 6, 11, 0, 0, 1, 35, 41, 2, 20};
    struct ed25519_key auth;
    struct curve25519_key key;
    memset(p, 0, sizeof(*p));
    memcpy(p->specifiers, head, sizeof(head));
    memset(p->specifiers + sizeof(head), (int)i + 1, 20);
    p->specifiers_length = sizeof(head) + 20;
    ed25519_generate(&auth);
    memcpy(p->auth_key, auth.public_key, 32);
    curve25519_generate(&key);
    memcpy(p->enc_key, key.public_key, 32);
    curve25519_generate(&key);
    memcpy(p->onion_key, key.public_key, 32);
}

struct publish_world *publish_world_open(time_t offset_s, unsigned interval_s)
{
    struct publish_world *w = calloc(1, sizeof(*w));
    assert_non_null(w);
    publish_world = w;
    w->network = network_create(WORLD_RELAYS);
    w->network->interval_s = interval_s;
    w->network->config.testing_network = interval_s < 3600;
    w->now_ms = 5000000;
    w->may_build = w->ready = w->stopped = true;
    w->dead = SIZE_MAX;
    network_now = first_day + offset_s;
    w->service.all = &w->all;
    w->service.origin = &w->network->origin;
    w->service.config = &w->config;
    snprintf(w->config.directory, sizeof(w->config.directory), "/nonexistent");
    w->service.keys.has_secret = true;
    ed25519_generate(&w->service.keys.identity);
    w->files.has_secret = true;
    w->files.identity = w->service.keys.identity;
    w->n_points = 3;
    for (unsigned i = 0; i < 3; i++)
        make_point(&w->points[i], i);
    new_consensus();
    publish_world_start();
    return w;
}

void publish_world_close(void)
{
    struct publish_world *w = publish_world;
    if (!w->stopped)
        publish_world_stop();
    for (unsigned i = 0; i < WORLD_STORED_MAX; i++)
        forget_stored(&w->stored[i]);
    publish_rings_free(w->all.rings);
    free(w->service.keys.clients);
    free(w->files.clients);
    network_free(w->network);
    free(w);
    publish_world = NULL;
}

// ---- a client, by the specification's letter (8.02–8.11)

static void disaster(struct time_period t, uint8_t out[32])
{
    uint8_t bytes[64] = "shared-random-disaster";
    size_t n = strlen((char *)bytes);
    for (int i = 7; i >= 0; i--)
        bytes[n++] = (uint8_t)(t.length_minutes >> 8 * i);
    for (int i = 7; i >= 0; i--)
        bytes[n++] = (uint8_t)(t.number >> 8 * i);
    sha3_256(bytes, n, out);
}

static struct time_period client_period(time_t valid_after, uint8_t srv[32])
{
    const struct publish_world *w = publish_world;
    const unsigned interval_s = w->network->interval_s;
    struct time_period t = {.length_minutes = interval_s * 24 / 60};
    t.number = ((uint64_t)valid_after / 60 - 12 * interval_s / 60) / t.length_minutes;
    // The first half of a run goes with the value before.
    srv_of(valid_after, (uint64_t)valid_after / interval_s % 24 < 12, srv);
    if (w->no_srv)
        disaster(t, srv);
    return t;
}

static void store_index(const uint8_t blinded[32], uint64_t replica, struct time_period t,
                        uint8_t out[32])
{
    uint8_t bytes[12 + 32 + 24] = "store-at-idx";
    memcpy(bytes + 12, blinded, 32);
    for (int i = 0; i < 8; i++) {
        bytes[44 + i] = (uint8_t)(replica >> 8 * (7 - i));
        bytes[52 + i] = (uint8_t)(t.length_minutes >> 8 * (7 - i));
        bytes[60 + i] = (uint8_t)(t.number >> 8 * (7 - i));
    }
    sha3_256(bytes, sizeof(bytes), out);
}

static void node_index(const uint8_t ed_id[32], const uint8_t srv[32], struct time_period t,
                       uint8_t out[32])
{
    uint8_t bytes[8 + 32 + 32 + 16] = "node-idx";
    memcpy(bytes + 8, ed_id, 32);
    memcpy(bytes + 40, srv, 32);
    for (int i = 0; i < 8; i++) {
        bytes[72 + i] = (uint8_t)(t.number >> 8 * (7 - i));
        bytes[80 + i] = (uint8_t)(t.length_minutes >> 8 * (7 - i));
    }
    sha3_256(bytes, sizeof(bytes), out);
}

struct place {
    uint8_t index[32];
    size_t relay;
};

static int by_index(const void *a, const void *b)
{
    return memcmp(a, b, 32);
}

static size_t make_ring(struct time_period t, const uint8_t srv[32], struct place out[WORLD_RELAYS])
{
    const struct network *n = publish_world->network;
    size_t count = 0;
    for (size_t i = 0; i < n->n; i++) {
        if (!(n->relays[i].flags & ROUTER_HSDIR))
            continue;
        node_index(n->relays[i].ed_id, srv, t, out[count].index);
        out[count++].relay = i;
    }
    qsort(out, count, sizeof(*out), by_index);
    return count;
}

unsigned publish_world_find(time_t valid_after, const uint8_t *client, unsigned *of,
                            enum descriptor_result *result, struct onion_descriptor *out)
{
    const struct publish_world *w = publish_world;
    const uint8_t *identity = w->service.keys.identity.public_key;
    uint8_t srv[32], blinded[32], subcredential[32];
    struct time_period t = client_period(valid_after, srv);
    struct place ring[WORLD_RELAYS];
    bool taken[WORLD_RELAYS] = {false};
    unsigned found = 0;
    size_t n = make_ring(t, srv, ring);
    assert_true(onion_blind_public(identity, t, blinded));
    onion_subcredential(identity, blinded, subcredential);
    *of = 0;
    for (uint64_t replica = 1; replica <= 2; replica++) {
        uint8_t at[32];
        size_t first = 0;
        store_index(blinded, replica, t, at);
        while (first < n && memcmp(ring[first].index, at, 32) < 0)
            first++;
        unsigned chosen = 0;
        for (size_t i = 0; i < n && chosen < 3; i++) {
            size_t relay = ring[(first + i) % n].relay;
            if (taken[relay])
                continue;
            taken[relay] = true;
            chosen++;
            (*of)++;
            const struct world_stored *s = held_by(relay, blinded);
            if (!s)
                continue;
            if (found++ == 0)
                *result = onion_descriptor_read(s->text->bytes, s->text->length, blinded,
                                                subcredential, client, (uint64_t)valid_after, out);
        }
    }
    return found;
}

void publish_world_expect_found(void)
{
    struct onion_descriptor d;
    enum descriptor_result result = DESCRIPTOR_MALFORMED;
    unsigned of,
        found = publish_world_find(publish_world->network->valid_after, NULL, &of, &result, &d);
    assert_int_equal(found, of);
    assert_int_equal(result, DESCRIPTOR_GOOD);
    assert_int_equal(d.n_intro_points, publish_world->n_points);
}
