// SPDX-License-Identifier: BSD-3-Clause
// X25519 in the lanes of vectors: many exchanges, and one inversion for all. Needs vector
// operations and a field before it, and makes `curve25519_lanes_run` and `curve25519_lanes_table`.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "curve25519_batch_internal.h"
#include "curve25519_ladder.h"

#include "curve25519_comb.h"

struct lanes_work {
    struct fe x[CURVE25519_VECTORS_MAX], z[CURVE25519_VECTORS_MAX];
    struct fe product[CURVE25519_VECTORS_MAX]; // of all z up to here
    struct fe x_1, inverse, t;
    _Alignas(64) uint64_t rows[5][LANES];
    struct lane_words secrets;
    uint8_t digits[DIGITS][LANES];
};

// Empty lanes do what the first one does.
static inline const struct curve25519_exchange *in_lane(struct curve25519_exchange *const *list,
                                                        size_t n, unsigned lane)
{
    return list[lane < n ? lane : 0];
}

static void clamped(uint64_t words[4], const uint8_t secret[32])
{
    words_from_bytes(words, secret);
    words[0] &= ~UINT64_C(7);
    words[3] &= ~(UINT64_C(1) << 63);
    words[3] |= UINT64_C(1) << 62;
}

TARGET static void run_points(struct lanes_work *w, unsigned v,
                              struct curve25519_exchange *const *list, size_t n)
{
    for (unsigned lane = 0; lane < LANES; lane++) {
        const struct curve25519_exchange *e = in_lane(list, n, lane);
        uint64_t limbs[5], words[4];
        limbs_from_bytes(limbs, e->peer);
        clamped(words, e->secret);
        for (int i = 0; i < 5; i++)
            w->rows[i][lane] = limbs[i];
        for (int i = 0; i < 4; i++)
            w->secrets.words[i][lane] = words[i];
        explicit_bzero(words, sizeof(words));
    }
    fe_load(&w->x_1, w->rows);
    ladder_run(&w->x[v], &w->z[v], &w->x_1, &w->secrets);
}

TARGET static void run_bases(struct lanes_work *w, unsigned v, const struct table *t,
                             struct curve25519_exchange *const *list, size_t n)
{
    for (unsigned lane = 0; lane < LANES; lane++) {
        uint64_t words[4];
        clamped(words, in_lane(list, n, lane)->secret);
        digits_of(w->digits, lane, words);
        explicit_bzero(words, sizeof(words));
    }
    base_run(&w->x[v], &w->z[v], t, w->digits);
}

// 1 in the lanes in which z is 0, so that their product with others can be inverted; and x = 0
// there, so that 0 comes out, as 0^(p - 2) would make it.
TARGET static void no_zeros(struct lanes_work *w, unsigned v)
{
    struct fe one, zero;
    _Alignas(64) uint64_t zeros[LANES];
    fe_store(w->rows, &w->z[v]);
    for (unsigned lane = 0; lane < LANES; lane++) {
        uint64_t limbs[5];
        for (int i = 0; i < 5; i++)
            limbs[i] = w->rows[i][lane];
        limbs_freeze(limbs);
        uint64_t any = limbs[0] | limbs[1] | limbs[2] | limbs[3] | limbs[4];
        zeros[lane] = (any - 1) >> 63;
        explicit_bzero(limbs, sizeof(limbs));
    }
    vec_mask mask = vec_bit(vec_load(zeros), 0);
    fe_number(&one, 1);
    fe_number(&zero, 0);
    fe_select(&w->z[v], mask, &w->z[v], &one);
    fe_select(&w->x[v], mask, &w->x[v], &zero);
}

TARGET static void finish_vector(struct lanes_work *w, const struct fe *result,
                                 struct curve25519_exchange *const *list, size_t n)
{
    fe_store(w->rows, result);
    for (unsigned lane = 0; lane < LANES && lane < n; lane++) {
        uint64_t limbs[5];
        for (int i = 0; i < 5; i++)
            limbs[i] = w->rows[i][lane];
        limbs_freeze(limbs);
        limbs_to_bytes(list[lane]->out, limbs);
        list[lane]->good = (limbs[0] | limbs[1] | limbs[2] | limbs[3] | limbs[4]) != 0;
        explicit_bzero(limbs, sizeof(limbs));
    }
}

static size_t vectors_of(size_t n)
{
    return (n + LANES - 1) / LANES;
}

TARGET static void finish(struct lanes_work *w, unsigned n_vectors,
                          struct curve25519_exchange *const *points, size_t n_points,
                          struct curve25519_exchange *const *bases, size_t n_bases)
{
    for (unsigned v = 0; v < n_vectors; v++) {
        no_zeros(w, v);
        if (v == 0)
            w->product[0] = w->z[0];
        else
            fe_times(&w->product[v], &w->product[v - 1], &w->z[v]);
    }
    fe_invert(&w->inverse, &w->product[n_vectors - 1]);
    for (unsigned v = n_vectors; v-- > 0;) {
        if (v > 0) {
            fe_times(&w->t, &w->inverse, &w->product[v - 1]);
            fe_times(&w->inverse, &w->inverse, &w->z[v]);
        } else {
            w->t = w->inverse;
        }
        fe_times(&w->t, &w->t, &w->x[v]);
        size_t at = v * (size_t)LANES, base_at = (v - vectors_of(n_points)) * LANES;
        if (at < n_points)
            finish_vector(w, &w->t, points + at, n_points - at);
        else
            finish_vector(w, &w->t, bases + base_at, n_bases - base_at);
    }
}

// Not inlined, so that its callees' frames lie where forget_lanes wipes.
CALLED void run_all(const void *table, struct curve25519_exchange *const *points, size_t n_points,
                    struct curve25519_exchange *const *bases, size_t n_bases)
{
    struct lanes_work w;
    unsigned v = 0;
    for (size_t i = 0; i < n_points; i += LANES)
        run_points(&w, v++, points + i, n_points - i);
    for (size_t i = 0; i < n_bases; i += LANES)
        run_bases(&w, v++, table, bases + i, n_bases - i);
    if (v > 0)
        finish(&w, v, points, n_points, bases, n_bases);
    explicit_bzero(&w, sizeof(w));
}

// What the compiler put on the stack below: registers of numbers that a secret can be told from.
static __attribute__((noinline)) void forget_lanes(void)
{
    uint8_t below[sizeof(struct lanes_work) + 8192];
    explicit_bzero(below, sizeof(below));
}

TARGET static void curve25519_lanes_run(const void *table,
                                        struct curve25519_exchange *const *points, size_t n_points,
                                        struct curve25519_exchange *const *bases, size_t n_bases)
{
    run_all(table, points, n_points, bases, n_bases);
    forget_lanes();
}
