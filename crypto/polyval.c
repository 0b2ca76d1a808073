// SPDX-License-Identifier: BSD-3-Clause
// POLYVAL by integer multiplications with gaps between the bits, so that carries get lost in them.
#include "polyval.h"

#include <string.h>

static uint64_t load_le64(const uint8_t *bytes)
{
    uint64_t value = 0;
    for (unsigned i = 8; i-- > 0;)
        value = value << 8 | bytes[i];
    return value;
}

static void store_le64(uint8_t *bytes, uint64_t value)
{
    for (unsigned i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(value >> (8 * i));
}

// The low half of a carry-less product. Each factor is taken apart into four with three zeros
// between their bits: at most 16 ones meet in one place, and 16 only in the highest, from which the
// carry leaves the word.
static uint64_t product_low(uint64_t x, uint64_t y)
{
    const uint64_t every_fourth = 0x1111111111111111;
    uint64_t product = 0;
    for (unsigned class = 0; class < 4; class ++) {
        uint64_t sum = 0;
        for (unsigned i = 0; i < 4; i++) {
            unsigned j = (class + 4 - i) % 4;
            sum ^= (x & every_fourth << i) * (y & every_fourth << j);
        }
        product |= sum & every_fourth << class;
    }
    return product;
}

static uint64_t bits_reversed(uint64_t x)
{
    x = (x >> 1 & 0x5555555555555555) | (x & 0x5555555555555555) << 1;
    x = (x >> 2 & 0x3333333333333333) | (x & 0x3333333333333333) << 2;
    x = (x >> 4 & 0x0f0f0f0f0f0f0f0f) | (x & 0x0f0f0f0f0f0f0f0f) << 4;
    return __builtin_bswap64(x);
}

// The high half is the low half of the reversed factors' product, reversed: 127 bits in all.
static void product(uint64_t x, uint64_t y, uint64_t *low, uint64_t *high)
{
    *low = product_low(x, y);
    *high = bits_reversed(product_low(bits_reversed(x), bits_reversed(y))) >> 1;
}

// a = a * b / x^128 modulo x^128 + x^127 + x^126 + x^121 + 1.
static void multiply(uint64_t a[2], const uint64_t b[2])
{
    uint64_t t[4], middle[2];
    product(a[0], b[0], &t[0], &t[1]);
    product(a[1], b[1], &t[2], &t[3]);
    product(a[0] ^ a[1], b[0] ^ b[1], &middle[0], &middle[1]);
    middle[0] ^= t[0] ^ t[2];
    middle[1] ^= t[1] ^ t[3];
    t[1] ^= middle[0];
    t[2] ^= middle[1];
    // Adding the lowest word's multiple of the modulus clears that word; twice, and the rest is
    // what was asked for.
    for (unsigned i = 0; i < 2; i++) {
        t[i + 1] ^= t[i] << 63 ^ t[i] << 62 ^ t[i] << 57;
        t[i + 2] ^= t[i] ^ t[i] >> 1 ^ t[i] >> 2 ^ t[i] >> 7;
    }
    a[0] = t[2];
    a[1] = t[3];
}

void polyval_init(struct polyval *p, const uint8_t key[POLYVAL_BLOCK_LEN])
{
    *p = (struct polyval){.key = {load_le64(key), load_le64(key + 8)}};
}

void polyval_add(struct polyval *p, const uint8_t *bytes, size_t length)
{
    while (length > 0) {
        uint8_t block[POLYVAL_BLOCK_LEN] = {0};
        size_t taken = length < sizeof(block) ? length : sizeof(block);
        memcpy(block, bytes, taken);
        p->sum[0] ^= load_le64(block);
        p->sum[1] ^= load_le64(block + 8);
        multiply(p->sum, p->key);
        bytes += taken;
        length -= taken;
    }
}

void polyval_tag(const struct polyval *p, uint8_t tag[POLYVAL_BLOCK_LEN])
{
    store_le64(tag, p->sum[0]);
    store_le64(tag + 8, p->sum[1]);
}

void polyval_square(uint8_t a[POLYVAL_BLOCK_LEN])
{
    const uint64_t factor[2] = {load_le64(a), load_le64(a + 8)};
    uint64_t square[2] = {factor[0], factor[1]};
    multiply(square, factor);
    store_le64(a, square[0]);
    store_le64(a + 8, square[1]);
}
