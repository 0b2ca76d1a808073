// SPDX-License-Identifier: BSD-3-Clause
// Hands exchanges out to the lanes of the best kernel, and what is too few for it to libsodium.
#include "curve25519_batch_internal.h"

#include <stdlib.h>
#include <string.h>

#include "crypto/curve25519.h"

struct curve25519_batch {
    const struct curve25519_kernel *kernel; // NULL: one by one
    void *table;
};

struct curve25519_batch *curve25519_batch_create_choice(const struct curve25519_kernel *kernel)
{
    if (kernel && !kernel->usable())
        return NULL;
    struct curve25519_batch *batch = calloc(1, sizeof(*batch));
    if (!batch)
        return NULL;
    batch->kernel = kernel;
    if (!kernel)
        return batch;
    batch->table = aligned_alloc(64, (kernel->table_bytes + 63) / 64 * 64);
    if (!batch->table) {
        free(batch);
        return NULL;
    }
    kernel->make_table(batch->table);
    return batch;
}

struct curve25519_batch *curve25519_batch_create(void)
{
    const struct curve25519_kernel *best = NULL;
    if (curve25519_ifma.usable())
        best = &curve25519_ifma;
    else if (curve25519_avx2.usable())
        best = &curve25519_avx2;
    return curve25519_batch_create_choice(best);
}

void curve25519_batch_free(struct curve25519_batch *batch)
{
    if (!batch)
        return;
    free(batch->table);
    free(batch);
}

const char *curve25519_batch_implementation(const struct curve25519_batch *batch)
{
    return batch->kernel ? batch->kernel->name : "one by one";
}

static void exchange_alone(struct curve25519_exchange *e)
{
    if (e->peer) {
        e->good = curve25519_shared(e->secret, e->peer, e->out);
    } else {
        struct curve25519_key key;
        curve25519_from_secret(e->secret, &key);
        memcpy(e->out, key.public_key, sizeof(key.public_key));
        e->good = true;
        curve25519_wipe(&key);
    }
}

// Exchanges of one kind, up to what the kernel takes at a time.
struct pile {
    struct curve25519_exchange *list[CURVE25519_VECTORS_MAX * 8];
    size_t n;
};

static size_t vectors(const struct curve25519_kernel *kernel, const struct pile *pile)
{
    return (pile->n + kernel->lanes - 1) / kernel->lanes;
}

// A last vector with too few lanes in use.
static void trim(const struct curve25519_kernel *kernel, struct pile *pile)
{
    size_t rest = pile->n % kernel->lanes;
    if (rest < kernel->worth)
        for (; rest > 0; rest--)
            exchange_alone(pile->list[--pile->n]);
}

static void run_piles(const struct curve25519_batch *batch, struct pile *points, struct pile *bases)
{
    trim(batch->kernel, points);
    if (points->n || bases->n)
        batch->kernel->run(batch->table, points->list, points->n, bases->list, bases->n);
    points->n = bases->n = 0;
}

void curve25519_many(const struct curve25519_batch *batch, struct curve25519_exchange *list,
                     size_t n)
{
    const struct curve25519_kernel *kernel = batch ? batch->kernel : NULL;
    struct pile points, bases;
    points.n = bases.n = 0;
    for (size_t i = 0; i < n; i++) {
        if (!kernel) {
            exchange_alone(&list[i]);
            continue;
        }
        struct pile *pile = list[i].peer ? &points : &bases;
        if (pile->n % kernel->lanes == 0 &&
            vectors(kernel, &points) + vectors(kernel, &bases) == CURVE25519_VECTORS_MAX)
            run_piles(batch, &points, &bases);
        pile->list[pile->n++] = &list[i];
    }
    if (kernel)
        run_piles(batch, &points, &bases);
}
