// SPDX-License-Identifier: BSD-3-Clause
// What a proof of work is over, and whether it holds.
#include "onion/pow/pow.h"

#include <sodium.h>
#include <string.h>

#include "crypto/equix.h"

static const char personalization[16] = "Tor hs intro v1";

enum { SEED_AT = 48, NONCE_AT = 80, EFFORT_AT = 96, RATING_LEN = 4 };

_Static_assert((int)POW_SOLUTION_LEN == (int)EQUIX_SOLUTION_LEN, "solution on the wire");

static void put_big_endian(uint32_t value, uint8_t out[4])
{
    for (unsigned i = 0; i < 4; i++)
        out[i] = (uint8_t)(value >> (24 - 8 * i));
}

void pow_challenge(const uint8_t blinded[32], const uint8_t seed[32],
                   const uint8_t nonce[POW_NONCE_LEN], uint32_t effort,
                   uint8_t out[POW_CHALLENGE_LEN])
{
    memcpy(out, personalization, sizeof(personalization));
    memcpy(out + sizeof(personalization), blinded, 32);
    memcpy(out + SEED_AT, seed, 32);
    memcpy(out + NONCE_AT, nonce, POW_NONCE_LEN);
    put_big_endian(effort, out + EFFORT_AT);
}

// One of `effort` solutions is low enough.
static bool low_enough(const uint8_t challenge[POW_CHALLENGE_LEN],
                       const uint8_t solution[POW_SOLUTION_LEN], uint32_t effort)
{
    crypto_generichash_blake2b_state state;
    uint8_t hash[RATING_LEN];
    uint64_t rating = 0;
    // libsodium advises against digests as short as this, but makes them.
    if (crypto_generichash_blake2b_init(&state, NULL, 0, sizeof(hash)) != 0)
        return false;
    crypto_generichash_blake2b_update(&state, challenge, POW_CHALLENGE_LEN);
    crypto_generichash_blake2b_update(&state, solution, POW_SOLUTION_LEN);
    if (crypto_generichash_blake2b_final(&state, hash, sizeof(hash)) != 0)
        return false;
    for (unsigned i = 0; i < sizeof(hash); i++)
        rating = rating << 8 | hash[i];
    return rating * effort <= UINT32_MAX;
}

static void solution_to_wire(const struct equix_solution *from, uint8_t to[POW_SOLUTION_LEN])
{
    for (unsigned i = 0; i < EQUIX_SOLUTION_WORDS; i++) {
        to[2 * i] = (uint8_t)from->words[i];
        to[2 * i + 1] = (uint8_t)(from->words[i] >> 8);
    }
}

static void solution_from_wire(const uint8_t from[POW_SOLUTION_LEN], struct equix_solution *to)
{
    for (unsigned i = 0; i < EQUIX_SOLUTION_WORDS; i++)
        to->words[i] = (uint16_t)(from[2 * i] | from[2 * i + 1] << 8);
}

bool pow_check(struct equix *e, const uint8_t blinded[32], const uint8_t seed[32],
               const struct pow_proof *proof)
{
    uint8_t challenge[POW_CHALLENGE_LEN];
    struct equix_solution solution;
    pow_challenge(blinded, seed, proof->nonce, proof->effort, challenge);
    if (!low_enough(challenge, proof->solution, proof->effort)) // much the cheaper of the two
        return false;
    solution_from_wire(proof->solution, &solution);
    return equix_verify(e, challenge, sizeof(challenge), &solution) == EQUIX_OK;
}

bool pow_try(struct equix *e, const uint8_t blinded[32], const uint8_t seed[32],
             struct pow_proof *proof)
{
    uint8_t challenge[POW_CHALLENGE_LEN];
    struct equix_solution found[EQUIX_SOLUTIONS_MAX];
    pow_challenge(blinded, seed, proof->nonce, proof->effort, challenge);
    int n = equix_solve(e, challenge, sizeof(challenge), found);
    for (int i = 0; i < n; i++) {
        solution_to_wire(&found[i], proof->solution);
        if (low_enough(challenge, proof->solution, proof->effort)) {
            memcpy(proof->seed_head, seed, sizeof(proof->seed_head));
            proof->present = true;
            return true;
        }
    }
    return false;
}

void pow_next_nonce(uint8_t nonce[POW_NONCE_LEN])
{
    for (unsigned i = 0; i < POW_NONCE_LEN && ++nonce[i] == 0; i++)
        ;
}
