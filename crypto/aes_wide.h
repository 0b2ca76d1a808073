// SPDX-License-Identifier: BSD-3-Clause
// AES-128 key schedules, four to a lane at a time. For the including file, see wide.h.
#pragma once

#include "wide.h"

enum {
    AES_ROUNDS = 10,
    WIDE_KEYS = 4 * WIDE_LANES, // schedules that are computed together
};

// One key to a lane.
struct wide_schedule {
    wide round[AES_ROUNDS + 1];
};

// Register i has word i of all keys. AESENCLAST is SubBytes, once what its ShiftRows does is undone
// in advance; four keys share one, and the words come one after the other without any shift. Only
// the way out needs a transposition.
struct wide_words {
    wide word[4];
};

// Schedules on their way. Keys 0 and 1 of 2 lanes, say, go to out[0], 2 and 3 to out[1], and so on.
struct wide_expansion {
    struct wide_words words;
    struct wide_schedule *out[4];
};

TARGET_INLINE struct wide_words wide_transpose(struct wide_words a)
{
    wide low_01 = wide_low_32(a.word[0], a.word[1]), low_23 = wide_low_32(a.word[2], a.word[3]);
    wide high_01 = wide_high_32(a.word[0], a.word[1]), high_23 = wide_high_32(a.word[2], a.word[3]);
    return (struct wide_words){{wide_low_64(low_01, low_23), wide_high_64(low_01, low_23),
                                wide_low_64(high_01, high_23), wide_high_64(high_01, high_23)}};
}

TARGET_INLINE void wide_keys_store(struct wide_words a, int round,
                                   struct wide_schedule *const out[4])
{
    UNROLL
    for (int i = 0; i < 4; i++)
        out[i]->round[round] = a.word[i];
}

// e->out is set.
TARGET_INLINE void wide_expansion_begin(struct wide_expansion *e,
                                        const uint8_t *const keys[WIDE_KEYS])
{
    struct wide_words a;
    UNROLL
    for (int i = 0; i < 4; i++) {
        __m128i lanes[WIDE_LANES];
        UNROLL
        for (int lane = 0; lane < WIDE_LANES; lane++)
            lanes[lane] = load_128(keys[WIDE_LANES * i + lane]);
        a.word[i] = wide_of(lanes);
    }
    wide_keys_store(a, 0, e->out);
    e->words = wide_transpose(a);
}

// Rounds 1 to AES_ROUNDS, one after the other.
TARGET_INLINE void wide_expansion_step(struct wide_expansion *e, int round)
{
    static const uint8_t constants[AES_ROUNDS] = {1, 2, 4, 8, 16, 32, 64, 128, 0x1b, 0x36};
    // RotWord, then the inverse of ShiftRows.
    const wide order =
        wide_broadcast(_mm_setr_epi8(1, 14, 11, 4, 5, 2, 15, 8, 9, 6, 3, 12, 13, 10, 7, 0));
    struct wide_words a = e->words;
    wide substituted =
        wide_aesenclast(wide_shuffle_8(a.word[3], order), wide_set_32(constants[round - 1]));
    a.word[0] = wide_xor(a.word[0], substituted);
    a.word[1] = wide_xor(a.word[1], a.word[0]);
    a.word[2] = wide_xor(a.word[2], a.word[1]);
    a.word[3] = wide_xor(a.word[3], a.word[2]);
    e->words = a;
    wide_keys_store(wide_transpose(a), round, e->out);
}

TARGET_INLINE __m128i round_key(const struct wide_schedule *keys, int lane, int round)
{
    return load_128((const uint8_t *)&keys->round[round] + 16 * lane);
}

// Of one lane's key, in all lanes.
TARGET_INLINE wide wide_round_key(const struct wide_schedule *keys, int lane, int round)
{
    return wide_broadcast(round_key(keys, lane, round));
}
