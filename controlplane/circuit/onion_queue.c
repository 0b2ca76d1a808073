// SPDX-License-Identifier: BSD-3-Clause
// Batches of onion skins on libuv's helper threads.
#include "circuit/onion_queue.h"

#include <stdlib.h>
#include <string.h>

#include <uv.h>

#include "crypto/random.h"
#include "identity/identity.h"
#include "relay.h"

enum {
    BATCH_SKINS_MAX = ONION_SKINS_MAX,
    BATCHES_MAX = 2,           // under way at a time
    ALWAYS_ADMITTED = 50,      // skins in the queue
    WAIT_MAX_US = 1750000,     // MaxOnionQueueDelay
    WAIT_CUTOFF_US = 5000000,  // onion_queue_wait_cutoff
    FIRST_GUESS_COST_US = 150, // of one skin, until it has been measured
};

struct waiting_skin {
    struct waiting_skin *next;
    uint64_t circuit_id;
    uint64_t since_us;
    struct onion_skin skin;
};

struct batch {
    uv_work_t work;
    struct onion_queue *queue;
    struct onion_keys keys; // a copy: the keys may rotate meanwhile
    unsigned n;
    uint64_t took_us;
    struct waiting_skin *skins[BATCH_SKINS_MAX];
    struct onion_answer answers[BATCH_SKINS_MAX];
};

struct onion_queue {
    struct relay *relay;
    onion_answered_fn answered;
    struct waiting_skin *first, **last;
    unsigned waiting;
    unsigned batches;
    uint64_t cost_us; // of one skin, on average
    struct curve25519_key junk;
    struct curve25519_batch *x25519;
    bool closing;
};

static uint64_t now_us(void)
{
    return uv_hrtime() / 1000;
}

struct onion_queue *onion_queue_create(struct relay *relay, onion_answered_fn answered)
{
    struct onion_queue *q = calloc(1, sizeof(*q));
    if (!q)
        return NULL;
    q->x25519 = curve25519_batch_create();
    if (!q->x25519) {
        free(q);
        return NULL;
    }
    q->relay = relay;
    q->answered = answered;
    q->last = &q->first;
    q->cost_us = FIRST_GUESS_COST_US;
    curve25519_generate(&q->junk);
    return q;
}

static struct waiting_skin *pop(struct onion_queue *q)
{
    struct waiting_skin *s = q->first;
    if (s) {
        q->first = s->next;
        if (!q->first)
            q->last = &q->first;
        q->waiting--;
    }
    return s;
}

static void release(struct onion_queue *q)
{
    explicit_bzero(&q->junk, sizeof(q->junk));
    curve25519_batch_free(q->x25519);
    free(q);
}

void onion_queue_free(struct onion_queue *q)
{
    struct waiting_skin *s;
    while ((s = pop(q)))
        free(s);
    q->closing = true;
    if (q->batches == 0)
        release(q);
}

static void fill_keys(const struct onion_queue *q, struct onion_keys *keys)
{
    const struct identity *identity = q->relay->identity;
    memcpy(keys->rsa_id, identity->rsa_id, sizeof(keys->rsa_id));
    memcpy(keys->ed25519_id, identity->master.public_key, sizeof(keys->ed25519_id));
    keys->keys[0] = identity->onion_key;
    keys->key_count = 1;
    if (identity->has_previous_onion_key)
        keys->keys[keys->key_count++] = identity->previous_onion_key;
    keys->junk = q->junk;
}

static void run_batch(uv_work_t *work)
{
    struct batch *b = work->data;
    uint64_t began = now_us();
    const struct onion_skin *skins[BATCH_SKINS_MAX];
    for (unsigned i = 0; i < b->n; i++)
        skins[i] = &b->skins[i]->skin;
    onion_skins_answer(b->queue->x25519, &b->keys, skins, b->answers, b->n);
    b->took_us = now_us() - began;
}

static void start_batches(struct onion_queue *q);

static void batch_done(uv_work_t *work, int status)
{
    struct batch *b = work->data;
    struct onion_queue *q = b->queue;
    (void)status;
    q->batches--;
    q->cost_us = (7 * q->cost_us + b->took_us / b->n + 1) / 8;
    for (unsigned i = 0; i < b->n; i++) {
        if (!q->closing)
            q->answered(q->relay, b->skins[i]->circuit_id, &b->skins[i]->skin, &b->answers[i]);
        free(b->skins[i]);
    }
    explicit_bzero(b, sizeof(*b));
    free(b);
    if (!q->closing)
        start_batches(q);
    else if (q->batches == 0)
        release(q);
}

// A skin that waited so long that its client has given up.
static void drop_stale(struct onion_queue *q, struct waiting_skin *s)
{
    struct onion_answer refusal = {.refused = DESTROY_RESOURCELIMIT};
    q->relay->counters.drop_handshake_overload++;
    q->answered(q->relay, s->circuit_id, &s->skin, &refusal);
    free(s);
}

static void start_batches(struct onion_queue *q)
{
    while (q->first && q->batches < BATCHES_MAX) {
        struct batch *b = calloc(1, sizeof(*b));
        if (!b)
            return; // the next skin tries again
        b->work.data = b;
        b->queue = q;
        uint64_t now = now_us();
        struct waiting_skin *s;
        while (b->n < BATCH_SKINS_MAX && (s = pop(q))) {
            if (now - s->since_us > WAIT_CUTOFF_US)
                drop_stale(q, s);
            else
                b->skins[b->n++] = s;
        }
        if (b->n == 0) {
            free(b);
            return;
        }
        fill_keys(q, &b->keys);
        q->batches++;
        uv_queue_work(q->relay->loop, &b->work, run_batch, batch_done);
    }
}

bool onion_queue_add(struct onion_queue *q, uint64_t circuit_id, const struct onion_skin *skin)
{
    bool too_long = q->waiting >= ALWAYS_ADMITTED && q->waiting * q->cost_us > WAIT_MAX_US;
    struct waiting_skin *s = too_long ? NULL : malloc(sizeof(*s));
    if (!s) {
        q->relay->counters.drop_handshake_overload++;
        return false;
    }
    *s = (struct waiting_skin){.circuit_id = circuit_id, .since_us = now_us(), .skin = *skin};
    *q->last = s;
    q->last = &s->next;
    q->waiting++;
    start_batches(q);
    return true;
}
