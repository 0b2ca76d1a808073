// SPDX-License-Identifier: BSD-3-Clause
// Solver: the hashes of all 2^16 words, put in buckets by their lowest bits. Those that add up to
// zero there are in buckets that mirror each other, so each bucket is paired with one other; the
// sums are what the next stage begins with, without the bits that are zero now. Memory does not
// grow with the number of pairs: what a bucket has no room for is left out, which is next to
// nothing.
#include <stdlib.h>
#include <string.h>

#include "equix/equix_internal.h"

enum {
    BUCKET_BITS = 8,
    BUCKETS = 1 << BUCKET_BITS,
    FINE_BITS = EQUIX_STAGE_BITS - BUCKET_BITS,
    FINE_BUCKETS = 1 << FINE_BITS,
    CAPACITY = 336, // there are 256 in a bucket on average, with a standard deviation of 16
    // A sum, and the pair that it is of in the bits above: bucket, left, right.
    SUM_BITS = 38,
    PLACE_BITS = 9, // of an entry in its bucket
    PLACE_MASK = (1 << PLACE_BITS) - 1,
    END = CAPACITY, // of a chain
};
static const uint64_t sum_mask = (UINT64_C(1) << SUM_BITS) - 1;

_Static_assert(SUM_BITS >= EQUIX_BITS - EQUIX_STAGE_BITS - BUCKET_BITS, "room for a sum");
_Static_assert(SUM_BITS + BUCKET_BITS + 2 * PLACE_BITS <= 64 && CAPACITY < 1 << PLACE_BITS,
               "room for a pair");

// Entries hold what is above the bits that their bucket says.
struct stage {
    uint16_t count[BUCKETS];
    uint64_t entries[BUCKETS][CAPACITY];
};

struct equix_tables {
    uint16_t words[BUCKETS][CAPACITY]; // of the entries of the first stage
    struct stage even, odd;            // first and third; second
    // The entries of one bucket by their lowest bits: chains that go up.
    uint16_t first[FINE_BUCKETS], next[CAPACITY];
};

struct equix_tables *equix_tables_create(void)
{
    return malloc(sizeof(struct equix_tables));
}

void equix_tables_free(struct equix_tables *t)
{
    free(t);
}

static unsigned mirrored(unsigned bucket)
{
    return -bucket % BUCKETS;
}

// ---- from pairs back to words

static void put_in_order(uint16_t *words, unsigned half)
{
    uint16_t left[EQUIX_SOLUTION_WORDS / 2];
    if (equix_in_order(words, half))
        return;
    memcpy(left, words, half * sizeof(*words));
    memmove(words, words + half, half * sizeof(*words));
    memcpy(words + half, left, half * sizeof(*words));
}

struct pair {
    unsigned bucket, left, right; // right: in the mirrored bucket
};

static uint64_t pair_pack(unsigned bucket, unsigned left, unsigned right)
{
    return (uint64_t)(bucket << 2 * PLACE_BITS | left << PLACE_BITS | right) << SUM_BITS;
}

static struct pair pair_of(uint64_t entry)
{
    uint32_t packed = (uint32_t)(entry >> SUM_BITS);
    return (struct pair){packed >> 2 * PLACE_BITS, packed >> PLACE_BITS & PLACE_MASK,
                         packed & PLACE_MASK};
}

static void words_of_two(const struct equix_tables *t, uint64_t entry, uint16_t *out)
{
    struct pair p = pair_of(entry);
    out[0] = t->words[p.bucket][p.left];
    out[1] = t->words[mirrored(p.bucket)][p.right];
    put_in_order(out, 1);
}

static void words_of_four(const struct equix_tables *t, uint64_t entry, uint16_t *out)
{
    struct pair p = pair_of(entry);
    words_of_two(t, t->odd.entries[p.bucket][p.left], out);
    words_of_two(t, t->odd.entries[mirrored(p.bucket)][p.right], out + 2);
    put_in_order(out, 2);
}

static void words_of_eight(const struct equix_tables *t, uint64_t left, uint64_t right,
                           uint16_t *out)
{
    words_of_four(t, left, out);
    words_of_four(t, right, out + 4);
    put_in_order(out, 4);
}

// ---- stages

static void hash_all(struct equix_tables *t, const struct hashx *hash)
{
    struct stage *to = &t->even;
    memset(to->count, 0, sizeof(to->count));
    for (unsigned word = 0; word < EQUIX_INDICES; word += HASHX_LANES) {
        uint64_t in[HASHX_LANES], value[HASHX_LANES];
        for (unsigned i = 0; i < HASHX_LANES; i++)
            in[i] = word + i;
        hashx_hash(hash, in, value);
        for (unsigned i = 0; i < HASHX_LANES; i++) {
            unsigned bucket = value[i] % BUCKETS, place = to->count[bucket];
            if (place == CAPACITY)
                continue;
            to->count[bucket]++;
            to->entries[bucket][place] = value[i] >> BUCKET_BITS;
            t->words[bucket][place] = (uint16_t)(word + i);
        }
    }
}

// Those of a bucket into chains by their lowest bits.
static void chain(struct equix_tables *t, const struct stage *from, unsigned bucket)
{
    for (unsigned i = 0; i < FINE_BUCKETS; i++)
        t->first[i] = END;
    for (unsigned i = from->count[bucket]; i-- > 0;) {
        uint16_t *first = &t->first[from->entries[bucket][i] % FINE_BUCKETS];
        t->next[i] = *first;
        *first = (uint16_t)i;
    }
}

// Every pair of this stage whose sum is zero where it has to be, to the next one.
static void pair_up(struct equix_tables *t, const struct stage *from, struct stage *to)
{
    memset(to->count, 0, sizeof(to->count));
    for (unsigned bucket = 0; bucket <= BUCKETS / 2; bucket++) {
        unsigned mirror = mirrored(bucket);
        chain(t, from, mirror);
        for (unsigned i = 0; i < from->count[bucket]; i++) {
            uint64_t value = from->entries[bucket][i] + (bucket != 0); // what the lower bits carry
            unsigned j = t->first[-value % FINE_BUCKETS];
            for (; j != END && (mirror != bucket || j <= i); j = t->next[j]) {
                uint64_t sum = (value + from->entries[mirror][j]) >> FINE_BITS;
                unsigned goal = sum % BUCKETS, place = to->count[goal];
                if (place == CAPACITY)
                    continue;
                to->count[goal]++;
                to->entries[goal][place] =
                    (sum >> BUCKET_BITS & sum_mask) | pair_pack(bucket, i, j);
            }
        }
    }
}

// The last stage: the sum of all eight.
static unsigned find_zero_sums(struct equix_tables *t, const struct stage *from,
                               struct equix_solution out[EQUIX_SOLUTIONS_MAX])
{
    unsigned n = 0;
    for (unsigned bucket = 0; bucket <= BUCKETS / 2; bucket++) {
        unsigned mirror = mirrored(bucket);
        chain(t, from, mirror);
        for (unsigned i = 0; i < from->count[bucket]; i++) {
            uint64_t left = from->entries[bucket][i];
            uint64_t value = left + (bucket != 0);
            unsigned j = t->first[-value % FINE_BUCKETS];
            for (; j != END && (mirror != bucket || j <= i); j = t->next[j]) {
                uint64_t right = from->entries[mirror][j];
                if ((value + right) >> FINE_BITS & ((1u << EQUIX_STAGE_BITS) - 1))
                    continue;
                words_of_eight(t, left, right, out[n].words);
                if (++n == EQUIX_SOLUTIONS_MAX)
                    return n;
            }
        }
    }
    return n;
}

unsigned equix_find(struct equix_tables *t, const struct hashx *hash,
                    struct equix_solution out[EQUIX_SOLUTIONS_MAX])
{
    hash_all(t, hash);
    pair_up(t, &t->even, &t->odd);
    pair_up(t, &t->odd, &t->even);
    return find_zero_sums(t, &t->even, out);
}

int equix_solve(struct equix *e, const void *challenge, size_t length,
                struct equix_solution out[EQUIX_SOLUTIONS_MAX])
{
    if (!hashx_make(&e->hash, challenge, length))
        return -1;
    return (int)equix_find(e->tables, &e->hash, out);
}
