// SPDX-License-Identifier: BSD-3-Clause
// One skin at a time through the queue, a millisecond between them.
#include "handshake_latency.h"

#include <stdlib.h>
#include <string.h>

#include <uv.h>

#include "../controlplane/relay.h" // there is another one here
#include "circuit/onion_queue.h"
#include "identity/identity.h"

enum { TIMES = 1000, WARM_UP = 20, PAUSE_MS = 1 };

struct lone {
    struct relay relay;
    struct identity identity;
    struct onion_queue *queue;
    const struct onion_skin *skin;
    uv_loop_t loop;
    uv_timer_t timer;
    uint64_t began_ns;
    double us[WARM_UP + TIMES];
    unsigned done;
    bool good;
};

static struct lone *lone_of(struct relay *relay)
{
    return (struct lone *)((char *)relay - offsetof(struct lone, relay));
}

static void next(uv_timer_t *timer)
{
    struct lone *l = timer->data;
    l->began_ns = uv_hrtime();
    if (!onion_queue_add(l->queue, 1, 0, (struct handle){1, 1}, l->skin))
        l->good = false;
}

static void answered(struct relay *relay, uint64_t circuit_id, const struct onion_skin *skin,
                     const struct onion_answer *answer)
{
    struct lone *l = lone_of(relay);
    (void)circuit_id, (void)skin;
    l->us[l->done++] = (double)(uv_hrtime() - l->began_ns) / 1000;
    l->good &= answer->refused == DESTROY_NONE;
    if (l->done < WARM_UP + TIMES)
        uv_timer_start(&l->timer, next, PAUSE_MS, 0);
    else
        uv_close((uv_handle_t *)&l->timer, NULL);
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void run(struct lone *l, struct handshake_latency *out)
{
    uv_timer_init(&l->loop, &l->timer);
    l->timer.data = l;
    uv_timer_start(&l->timer, next, 0, 0);
    uv_run(&l->loop, UV_RUN_DEFAULT);
    double *us = l->us + WARM_UP;
    qsort(us, TIMES, sizeof(*us), compare);
    *out = (struct handshake_latency){.least_us = us[0],
                                      .p50_us = us[TIMES / 2],
                                      .p99_us = us[TIMES * 99 / 100],
                                      .most_us = us[TIMES - 1],
                                      .times = TIMES};
}

bool handshake_latency_measure(const struct onion_keys *keys, const struct onion_skin *skin,
                               struct handshake_latency *out)
{
    struct lone *l = calloc(1, sizeof(*l));
    if (!l || uv_loop_init(&l->loop) != 0) {
        free(l);
        return false;
    }
    memcpy(l->identity.rsa_id, keys->rsa_id, sizeof(l->identity.rsa_id));
    memcpy(l->identity.master.public_key, keys->ed25519_id, sizeof(keys->ed25519_id));
    l->identity.onion_key = keys->keys[0];
    l->relay.loop = &l->loop;
    l->relay.identity = &l->identity;
    l->relay.n_workers = 1;
    l->relay.n_helpers = 1;
    l->skin = skin;
    l->queue = onion_queue_create(&l->relay, answered);
    l->good = l->queue != NULL;
    if (l->good) {
        run(l, out);
        onion_queue_free(l->queue);
    }
    bool good = l->good;
    uv_loop_close(&l->loop);
    explicit_bzero(l, sizeof(*l));
    free(l);
    return good;
}
