// SPDX-License-Identifier: BSD-3-Clause
// Lines of onion skins, and batches of them on libuv's helper threads.
#include "circuit/onion_queue.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include <uv.h>

#include "crypto/curve25519_batch.h"
#include "crypto/random.h"
#include "dir/parameters.h"
#include "handle_map.h"
#include "identity/identity.h"
#include "relay.h"

enum {
    WAITING_MAX = 8192,        // skins
    ALWAYS_ADMITTED = 50,      // skins, however long they take
    FIRST_GUESS_COST_US = 150, // of one skin, until it has been measured
    BATCH_UNIT = 8,            // what the lanes of vectors are filled by
};

struct line;

struct waiting_skin {
    TAILQ_ENTRY(waiting_skin) next;
    struct line *line; // NULL: with a helper thread
    uint64_t circuit_id;
    uint64_t since_us;
    struct onion_skin skin;
};

// The skins of one connection, oldest first; there is one at least.
struct line {
    TAILQ_ENTRY(line) turn;
    TAILQ_ENTRY(line) same_length;
    TAILQ_HEAD(, waiting_skin) skins;
    unsigned n;
    uint8_t worker;
    struct handle conn;
};

TAILQ_HEAD(lines, line);

struct batch {
    uv_work_t work;
    struct onion_queue *queue;
    const struct curve25519_batch *x25519;
    struct circuit_params offer;
    struct onion_keys keys; // a copy: the keys may rotate meanwhile
    unsigned n;
    uint64_t took_us;
    struct waiting_skin *skins[ONION_SKINS_MAX];
    struct onion_answer answers[ONION_SKINS_MAX];
};

struct onion_queue {
    struct relay *relay;
    onion_answered_fn answered;
    struct handle_map *by_conn;              // lines, one map per worker
    struct lines turns;                      // whose is next
    struct lines by_length[WAITING_MAX + 2]; // how many skins, and who has so many
    unsigned longest;                        // 0: nobody has any
    unsigned waiting;
    unsigned batches, batches_max; // under way at a time
    uint64_t cost_us;              // of one skin, on average
    struct curve25519_key junk;
    struct curve25519_batch *x25519;
    bool closing;
};

static uint64_t now_us(void)
{
    return uv_hrtime() / 1000;
}

// ---- lines

static void set_length(struct onion_queue *q, struct line *line, unsigned n)
{
    if (line->n)
        TAILQ_REMOVE(&q->by_length[line->n], line, same_length);
    line->n = n;
    if (n)
        TAILQ_INSERT_TAIL(&q->by_length[n], line, same_length);
    if (n > q->longest)
        q->longest = n;
    else if (q->longest && TAILQ_EMPTY(&q->by_length[q->longest]))
        q->longest--; // what was the longest is one shorter now
}

static struct line *line_of(struct onion_queue *q, uint8_t worker, struct handle conn)
{
    struct line *line = handle_map_get(&q->by_conn[worker], conn);
    if (line)
        return line;
    line = calloc(1, sizeof(*line));
    if (!line || !handle_map_put(&q->by_conn[worker], conn, line)) {
        free(line);
        return NULL;
    }
    line->worker = worker;
    line->conn = conn;
    TAILQ_INIT(&line->skins);
    TAILQ_INSERT_TAIL(&q->turns, line, turn);
    return line;
}

static void unlink_skin(struct onion_queue *q, struct waiting_skin *s)
{
    struct line *line = s->line;
    TAILQ_REMOVE(&line->skins, s, next);
    s->line = NULL;
    q->waiting--;
    set_length(q, line, line->n - 1);
    if (line->n > 0)
        return;
    TAILQ_REMOVE(&q->turns, line, turn);
    handle_map_remove(&q->by_conn[line->worker], line->conn);
    free(line);
}

// The oldest skin of the line whose turn it is, which goes to the end of the turns. NULL: none.
static struct waiting_skin *take(struct onion_queue *q)
{
    struct line *line = TAILQ_FIRST(&q->turns);
    if (!line)
        return NULL;
    TAILQ_REMOVE(&q->turns, line, turn);
    TAILQ_INSERT_TAIL(&q->turns, line, turn);
    struct waiting_skin *s = TAILQ_FIRST(&line->skins);
    unlink_skin(q, s);
    return s;
}

// `s` is no longer linked.
static void refuse(struct onion_queue *q, struct waiting_skin *s)
{
    const struct onion_answer refusal = {.refused = DESTROY_RESOURCELIMIT};
    q->relay->counters.drop_handshake_overload++;
    q->answered(q->relay, s->circuit_id, &s->skin, &refusal);
    free(s);
}

static bool too_many(const struct onion_queue *q)
{
    uint64_t wait_max_ms = (uint64_t)parameters_of(q->relay)->onion_queue_max_delay_ms;
    return q->waiting > WAITING_MAX ||
           (q->waiting > ALWAYS_ADMITTED &&
            q->waiting * q->cost_us > 1000 * wait_max_ms * q->batches_max);
}

// ---- batches

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

static void fill_offer(const struct onion_queue *q, struct circuit_params *offer)
{
    const struct parameters *p = parameters_of(q->relay);
    *offer = onion_skin_default_offer;
    offer->sendme_inc_cells = (uint8_t)p->cc_sendme_inc_cells;
    if (p->cc_algorithm == CC_ALGORITHM_SENDME)
        offer->congestion_control = offer->cgo = false; // the one needs the other
}

// On a helper thread.
static void run_batch(uv_work_t *work)
{
    struct batch *b = work->data;
    const struct onion_skin *skins[ONION_SKINS_MAX];
    uint64_t began = now_us();
    for (unsigned i = 0; i < b->n; i++)
        skins[i] = &b->skins[i]->skin;
    onion_skins_answer(b->x25519, &b->keys, &b->offer, skins, b->answers, b->n);
    b->took_us = now_us() - began;
}

static void start_batches(struct onion_queue *q);
static void release(struct onion_queue *q);

static void batch_done(uv_work_t *work, int status)
{
    struct batch *b = work->data;
    struct onion_queue *q = b->queue;
    (void)status;
    q->batches--;
    q->cost_us = (7 * q->cost_us + b->took_us / b->n + 1) / 8;
    if (!q->closing)
        start_batches(q); // before the answers: the thread has nothing to do meanwhile
    for (unsigned i = 0; i < b->n; i++) {
        if (!q->closing)
            q->answered(q->relay, b->skins[i]->circuit_id, &b->skins[i]->skin, &b->answers[i]);
        free(b->skins[i]);
    }
    explicit_bzero(b, sizeof(*b));
    free(b);
    if (q->closing && q->batches == 0)
        release(q);
}

// As many as leave their share to the other idle threads, in whole vectors.
static unsigned batch_size(const struct onion_queue *q)
{
    unsigned idle = q->batches_max - q->batches;
    unsigned share = (q->waiting + idle - 1) / idle;
    share = (share + BATCH_UNIT - 1) / BATCH_UNIT * BATCH_UNIT;
    return share < ONION_SKINS_MAX ? share : ONION_SKINS_MAX;
}

static void fill_batch(struct onion_queue *q, struct batch *b)
{
    unsigned size = batch_size(q);
    uint64_t now = now_us();
    uint64_t cutoff_us =
        UINT64_C(1000000) * (uint64_t)parameters_of(q->relay)->onion_queue_wait_cutoff_s;
    struct waiting_skin *s;
    while (b->n < size && (s = take(q))) {
        if (now - s->since_us > cutoff_us)
            refuse(q, s); // its client has given up
        else
            b->skins[b->n++] = s;
    }
}

static void start_batches(struct onion_queue *q)
{
    while (q->waiting && q->batches < q->batches_max) {
        struct batch *b = calloc(1, sizeof(*b));
        if (!b)
            return; // the next skin tries again
        b->work.data = b;
        b->queue = q;
        b->x25519 = q->x25519;
        fill_batch(q, b);
        if (b->n == 0) {
            free(b);
            return;
        }
        fill_keys(q, &b->keys);
        fill_offer(q, &b->offer);
        q->batches++;
        uv_queue_work(q->relay->loop, &b->work, run_batch, batch_done);
    }
}

// ---- the queue

struct onion_queue *onion_queue_create(struct relay *relay, onion_answered_fn answered)
{
    struct onion_queue *q = calloc(1, sizeof(*q));
    if (!q)
        return NULL;
    q->relay = relay;
    q->answered = answered;
    TAILQ_INIT(&q->turns);
    for (unsigned i = 0; i < sizeof(q->by_length) / sizeof(q->by_length[0]); i++)
        TAILQ_INIT(&q->by_length[i]);
    q->batches_max = relay->n_helpers ? relay->n_helpers : 1;
    q->cost_us = FIRST_GUESS_COST_US;
    curve25519_generate(&q->junk);
    q->by_conn = calloc(relay->n_workers, sizeof(*q->by_conn));
    q->x25519 = curve25519_batch_create();
    if (!q->by_conn || !q->x25519) {
        free(q->by_conn);
        release(q);
        return NULL;
    }
    return q;
}

static void release(struct onion_queue *q)
{
    curve25519_batch_free(q->x25519);
    explicit_bzero(&q->junk, sizeof(q->junk));
    free(q);
}

void onion_queue_free(struct onion_queue *q)
{
    struct waiting_skin *s;
    while ((s = take(q)))
        free(s);
    for (unsigned i = 0; i < q->relay->n_workers; i++)
        handle_map_release(&q->by_conn[i]);
    free(q->by_conn);
    q->by_conn = NULL;
    q->closing = true;
    if (q->batches == 0)
        release(q);
}

struct waiting_skin *onion_queue_add(struct onion_queue *q, uint64_t circuit_id, uint8_t worker,
                                     struct handle conn, const struct onion_skin *skin)
{
    struct waiting_skin *s = malloc(sizeof(*s));
    struct line *line = s ? line_of(q, worker, conn) : NULL;
    if (!line) {
        free(s);
        q->relay->counters.drop_handshake_overload++;
        return NULL;
    }
    s->line = line;
    s->circuit_id = circuit_id;
    s->since_us = now_us();
    s->skin = *skin;
    TAILQ_INSERT_TAIL(&line->skins, s, next);
    set_length(q, line, line->n + 1);
    q->waiting++;
    // Never the one that was added: it is its line's last, and of several lines as long as its own,
    // its own is the last to have become so.
    if (too_many(q)) {
        struct line *longest = TAILQ_FIRST(&q->by_length[q->longest]);
        struct waiting_skin *oldest = TAILQ_FIRST(&longest->skins);
        unlink_skin(q, oldest);
        refuse(q, oldest);
    }
    start_batches(q);
    return s;
}

void onion_queue_cancel(struct onion_queue *q, struct waiting_skin *skin)
{
    if (!skin->line)
        return;
    q->relay->counters.drop_handshake_closed++;
    unlink_skin(q, skin);
    free(skin);
}
