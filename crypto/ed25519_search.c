// SPDX-License-Identifier: BSD-3-Clause
// Walks over points of Ed25519 in affine coordinates, and looks at their y.
#include "crypto/ed25519_search.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/random.h"
#include "ed25519_field.h"

enum { PAIRS = ED25519_SEARCH_PAIRS, COFACTOR = 8 };

// A multiple of the base point, and what additions want of it.
struct offset {
    struct fe x, y, dxy; // d x y
};

struct ed25519_search {
    uint64_t mask, value; // of this step
    uint8_t scalar[32];   // of the middle
    struct fe x, y;
    struct offset offsets[PAIRS + 1]; // 8, 16 … times the base point; the last is a step's length
    // Of one step: x1 x2, y1 y2, d x1 x2 y1 y2, and products of 1 - (d x1 x2 y1 y2)^2 up to here.
    struct fe xx[PAIRS + 1], yy[PAIRS + 1], t[PAIRS + 1], products[PAIRS + 1];
};

static void scalar_set(uint8_t scalar[32], uint64_t value)
{
    memset(scalar, 0, 32);
    for (unsigned i = 0; i < 8; i++)
        scalar[i] = (uint8_t)(value >> (8 * i));
}

// Additions stay far from the bits that make a scalar a clamped one (see ed25519_search_create).
static void scalar_add(uint8_t scalar[32], int64_t value)
{
    int64_t carry = value;
    for (unsigned i = 0; i < 32; i++) {
        carry += scalar[i];
        scalar[i] = (uint8_t)carry;
        carry >>= 8;
    }
}

static bool multiply_base(const uint8_t scalar[32], struct fe *x, struct fe *y)
{
    uint8_t encoded[32];
    return crypto_scalarmult_ed25519_base_noclamp(encoded, scalar) == 0 &&
           fe_decode_point(x, y, encoded);
}

static bool make_offset(struct offset *o, unsigned multiple)
{
    uint8_t scalar[32];
    scalar_set(scalar, (uint64_t)multiple * COFACTOR);
    if (!multiply_base(scalar, &o->x, &o->y))
        return false;
    fe_mul(&o->dxy, &o->x, &o->y);
    fe_mul(&o->dxy, &o->dxy, &fe_d);
    return true;
}

// A clamped scalar whose two bits below the top one are clear, so that there is room above; that
// there is none below has a chance of 2^-240.
static bool begin_somewhere(struct ed25519_search *s)
{
    random_bytes(s->scalar, sizeof(s->scalar));
    s->scalar[0] &= 248;
    s->scalar[31] &= 15;
    s->scalar[31] |= 64;
    return multiply_base(s->scalar, &s->x, &s->y);
}

struct ed25519_search *ed25519_search_create(void)
{
    struct ed25519_search *s = malloc(sizeof(*s));
    if (!s)
        return NULL;
    bool good = begin_somewhere(s);
    for (unsigned i = 0; good && i < PAIRS; i++)
        good = make_offset(&s->offsets[i], i + 1);
    if (good && make_offset(&s->offsets[PAIRS], ED25519_SEARCH_TRIES))
        return s;
    ed25519_search_free(s);
    return NULL;
}

void ed25519_search_free(struct ed25519_search *s)
{
    if (s)
        explicit_bzero(s, sizeof(*s));
    free(s);
}

static bool fits(const struct ed25519_search *s, const struct fe *y)
{
    return (__builtin_bswap64(fe_low_64(y)) & s->mask) == s->value;
}

// What was found by one way is computed by another before it is believed.
static bool take(const struct ed25519_search *s, int64_t multiple, struct ed25519_key *out)
{
    uint8_t expanded[ED25519_SECRET_LEN];
    uint64_t begins;
    memcpy(expanded, s->scalar, 32);
    scalar_add(expanded, multiple * COFACTOR);
    random_bytes(expanded + 32, 32);
    bool good = ed25519_from_expanded(expanded, out) == 0;
    explicit_bzero(expanded, sizeof(expanded));
    memcpy(&begins, out->public_key, sizeof(begins));
    return good && (__builtin_bswap64(begins) & s->mask) == s->value;
}

static void multiply_all(struct ed25519_search *s)
{
    struct fe xy, square, product = fe_one;
    fe_mul(&xy, &s->x, &s->y);
    for (unsigned i = 0; i <= PAIRS; i++) {
        const struct offset *o = &s->offsets[i];
        fe_mul(&s->xx[i], &s->x, &o->x);
        fe_mul(&s->yy[i], &s->y, &o->y);
        fe_mul(&s->t[i], &xy, &o->dxy);
        fe_square(&square, &s->t[i]);
        fe_sub(&square, &fe_one, &square);
        fe_mul(&product, &product, &square);
        s->products[i] = product;
    }
}

// 1 / (1 - t) and 1 / (1 + t) of number `i`; `inverse` is that of the products up to it, and
// becomes that of those before it.
static void divide(const struct ed25519_search *s, unsigned i, struct fe *inverse, struct fe *minus,
                   struct fe *plus)
{
    struct fe own, square;
    if (i > 0)
        fe_mul(&own, inverse, &s->products[i - 1]);
    else
        own = *inverse;
    fe_square(&square, &s->t[i]);
    fe_sub(&square, &fe_one, &square);
    fe_mul(inverse, inverse, &square);
    fe_add(minus, &fe_one, &s->t[i]);
    fe_sub(plus, &fe_one, &s->t[i]);
    fe_mul(minus, minus, &own);
    fe_mul(plus, plus, &own);
}

// The middle of the next step.
static void move(struct ed25519_search *s, const struct fe *minus, const struct fe *plus)
{
    const struct offset *o = &s->offsets[PAIRS];
    struct fe a, b, y;
    fe_mul(&a, &s->x, &o->y);
    fe_mul(&b, &s->y, &o->x);
    fe_add(&y, &s->xx[PAIRS], &s->yy[PAIRS]);
    fe_mul(&s->y, &y, minus);
    fe_add(&a, &a, &b);
    fe_mul(&s->x, &a, plus);
    scalar_add(s->scalar, (int64_t)ED25519_SEARCH_TRIES * COFACTOR);
}

bool ed25519_search_step(struct ed25519_search *s, uint64_t mask, uint64_t value,
                         struct ed25519_key *out)
{
    struct fe inverse, minus, plus, step_minus, step_plus, y;
    s->mask = mask;
    s->value = value & mask;
    if (fits(s, &s->y) && take(s, 0, out))
        return true;
    multiply_all(s);
    fe_invert(&inverse, &s->products[PAIRS]);
    divide(s, PAIRS, &inverse, &step_minus, &step_plus);
    for (unsigned i = PAIRS; i-- > 0;) {
        divide(s, i, &inverse, &minus, &plus);
        fe_add(&y, &s->yy[i], &s->xx[i]);
        fe_mul(&y, &y, &minus);
        if (fits(s, &y) && take(s, (int64_t)i + 1, out))
            return true;
        fe_sub(&y, &s->yy[i], &s->xx[i]);
        fe_mul(&y, &y, &plus);
        if (fits(s, &y) && take(s, -(int64_t)i - 1, out))
            return true;
    }
    move(s, &step_minus, &step_plus);
    return false;
}
