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
    CAPACITY = 336,     // there are 256 in a bucket on average, with a standard deviation of 16
    FINE_CAPACITY = 12, // there are two in a fine bucket on average
    AT_ONCE = 4,        // of a fine bucket: most have no more
    // An entry of a later stage is a value, and below it the pair that it is the sum of: bucket,
    // left, right.
    PLACE_BITS = 9, // of an entry in its bucket
    PLACE_MASK = (1 << PLACE_BITS) - 1,
    PAIR_BITS = BUCKET_BITS + 2 * PLACE_BITS,
};

_Static_assert(PAIR_BITS + EQUIX_BITS - EQUIX_STAGE_BITS - BUCKET_BITS <= 64, "room for a sum");
_Static_assert(CAPACITY < 1 << PLACE_BITS, "room for a place");

// Values are what is above the bits that their bucket says. More than EQUIX_BITS of a hash are
// carried along above them, for it costs more to clear them.
struct stage {
    uint16_t count[BUCKETS];
    uint64_t entries[BUCKETS][CAPACITY + 1]; // the last one takes what there is no room for
};

struct equix_tables {
    uint16_t words[BUCKETS][CAPACITY + 1]; // of the entries of the first stage
    struct stage even, odd;                // first and third; second
    // The entries of one bucket by their lowest bits: value << PLACE_BITS | place.
    uint8_t fine_count[FINE_BUCKETS];
    uint64_t fine[FINE_BUCKETS][FINE_CAPACITY];
};

struct equix_tables *equix_tables_create(void)
{
    return calloc(1, sizeof(struct equix_tables));
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

static struct pair pair_of(uint64_t entry)
{
    return (struct pair){entry >> 2 * PLACE_BITS & (BUCKETS - 1), entry >> PLACE_BITS & PLACE_MASK,
                         entry & PLACE_MASK};
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
            to->entries[bucket][place] = value[i] >> BUCKET_BITS;
            t->words[bucket][place] = (uint16_t)(word + i);
            to->count[bucket] = (uint16_t)(place + (place < CAPACITY));
        }
    }
}

// An entry's value << PLACE_BITS. The first stage has values, the others have pairs below them.
static inline __attribute__((always_inline)) uint64_t raised(uint64_t entry, bool first)
{
    return first ? entry << PLACE_BITS : entry >> (PAIR_BITS - PLACE_BITS) & ~(uint64_t)PLACE_MASK;
}

static inline unsigned fine_of(uint64_t raised_value)
{
    return raised_value >> PLACE_BITS & (FINE_BUCKETS - 1);
}

static inline void put_fine(struct equix_tables *t, uint64_t raised_value, unsigned place)
{
    unsigned fine = fine_of(raised_value);
    if (t->fine_count[fine] < FINE_CAPACITY)
        t->fine[fine][t->fine_count[fine]++] = raised_value | place;
}

// The sum of an entry with one that is `there`, or with what is left where none is; then its place
// is taken again. For what a CPU guesses wrong takes longer than this.
static inline __attribute__((always_inline)) void put_sum(struct stage *to, uint64_t raised_value,
                                                          uint64_t other, uint64_t pair, bool there)
{
    uint64_t sum = raised_value + other; // and the other's place
    unsigned goal = sum >> (PLACE_BITS + FINE_BITS) & (BUCKETS - 1), place = to->count[goal];
    to->entries[goal][place] =
        sum >> (PLACE_BITS + EQUIX_STAGE_BITS) << PAIR_BITS | pair | (sum & PLACE_MASK);
    to->count[goal] = (uint16_t)(place + (there & (place < CAPACITY)));
}

static inline __attribute__((always_inline)) void put_sums(const struct equix_tables *t,
                                                           struct stage *to, uint64_t raised_value,
                                                           unsigned bucket, unsigned place)
{
    uint64_t carried = raised_value + ((uint64_t)(bucket != 0) << PLACE_BITS); // from lower bits
    unsigned fine = fine_of(-carried), n = t->fine_count[fine];
    uint64_t pair = (uint64_t)bucket << 2 * PLACE_BITS | place << PLACE_BITS;
    for (unsigned k = 0; k < AT_ONCE; k++)
        put_sum(to, carried, t->fine[fine][k], pair, k < n);
    for (unsigned k = AT_ONCE; k < n; k++)
        put_sum(to, carried, t->fine[fine][k], pair, true);
}

// Every pair of this stage whose sum is zero where it has to be, to the next one.
static inline __attribute__((always_inline)) void
pair_up(struct equix_tables *t, const struct stage *from, struct stage *to, bool first)
{
    memset(to->count, 0, sizeof(to->count));
    for (unsigned bucket = 0; bucket <= BUCKETS / 2; bucket++) {
        unsigned mirror = mirrored(bucket);
        memset(t->fine_count, 0, sizeof(t->fine_count));
        for (unsigned i = 0; i < from->count[mirror]; i++) {
            uint64_t value = raised(from->entries[mirror][i], first);
            put_fine(t, value, i);
            if (mirror == bucket) // with those before it, and itself
                put_sums(t, to, value, bucket, i);
        }
        for (unsigned i = 0; mirror != bucket && i < from->count[bucket]; i++)
            put_sums(t, to, raised(from->entries[bucket][i], first), bucket, i);
    }
}

struct findings {
    unsigned n;
    struct equix_solution *out;
};

static inline bool is_zero_sum(uint64_t sum)
{
    return (sum >> (PLACE_BITS + FINE_BITS) & ((1u << EQUIX_STAGE_BITS) - 1)) == 0;
}

static void take_findings(const struct equix_tables *t, uint64_t carried, unsigned bucket,
                          unsigned place, struct findings *f)
{
    const struct stage *from = &t->even;
    unsigned fine = fine_of(-carried);
    for (unsigned k = 0; k < t->fine_count[fine] && f->n < EQUIX_SOLUTIONS_MAX; k++) {
        uint64_t sum = carried + t->fine[fine][k];
        if (is_zero_sum(sum))
            words_of_eight(t, from->entries[bucket][place],
                           from->entries[mirrored(bucket)][sum & PLACE_MASK], f->out[f->n++].words);
    }
}

// The sum of all eight. There are few that are zero: they are looked at closer.
static inline __attribute__((always_inline)) void find_with(const struct equix_tables *t,
                                                            uint64_t raised_value, unsigned bucket,
                                                            unsigned place, struct findings *f)
{
    uint64_t carried = raised_value + ((uint64_t)(bucket != 0) << PLACE_BITS);
    unsigned fine = fine_of(-carried);
    bool found = t->fine_count[fine] > AT_ONCE;
    for (unsigned k = 0; k < AT_ONCE; k++) // with what is left, where none is
        found |= is_zero_sum(carried + t->fine[fine][k]);
    if (found)
        take_findings(t, carried, bucket, place, f);
}

static void find_zero_sums(struct equix_tables *t, struct findings *f)
{
    const struct stage *from = &t->even;
    for (unsigned bucket = 0; bucket <= BUCKETS / 2; bucket++) {
        unsigned mirror = mirrored(bucket);
        memset(t->fine_count, 0, sizeof(t->fine_count));
        for (unsigned i = 0; i < from->count[mirror]; i++) {
            uint64_t value = raised(from->entries[mirror][i], false);
            put_fine(t, value, i);
            if (mirror == bucket)
                find_with(t, value, bucket, i, f);
        }
        for (unsigned i = 0; mirror != bucket && i < from->count[bucket]; i++)
            find_with(t, raised(from->entries[bucket][i], false), bucket, i, f);
    }
}

unsigned equix_find(struct equix_tables *t, const struct hashx *hash,
                    struct equix_solution out[EQUIX_SOLUTIONS_MAX])
{
    struct findings f = {.out = out};
    hash_all(t, hash);
    pair_up(t, &t->even, &t->odd, true);
    pair_up(t, &t->odd, &t->even, false);
    find_zero_sums(t, &f);
    return f.n;
}

int equix_solve(struct equix *e, const void *challenge, size_t length,
                struct equix_solution out[EQUIX_SOLUTIONS_MAX])
{
    if (!hashx_make(&e->hash, challenge, length))
        return -1;
    return (int)equix_find(e->tables, &e->hash, out);
}
