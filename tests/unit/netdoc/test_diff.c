// SPDX-License-Identifier: BSD-3-Clause
// Differences of consensuses: each that is made turns the one into the other; commands as
// dir-spec 1.4.1 has them; what is malformed, out of order or for another base is refused (6.30,
// 6.31).
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "crypto/digest.h"
#include "documents.h"
#include "netdoc/consensus.h"
#include "netdoc/diff.h"

enum { TEXT_MAX = 1 << 20 };

static void hex(const uint8_t digest[SHA3_256_LEN], char *out)
{
    for (unsigned i = 0; i < SHA3_256_LEN; i++)
        sprintf(out + 2 * i, "%02x", digest[i]);
}

// What `commands` make of `base`, if the result is to be `wanted`.
static struct blob *apply(const char *base, const char *commands, const char *wanted)
{
    uint8_t digest[SHA3_256_LEN];
    char from[65], to[65];
    sha3_256(base, consensus_signed_length((const uint8_t *)base, strlen(base)), digest);
    hex(digest, from);
    sha3_256(wanted, strlen(wanted), digest);
    hex(digest, to);
    size_t room = strlen(commands) + 300;
    char *diff = malloc(room);
    int n =
        snprintf(diff, room, "network-status-diff-version 1\nhash %s %s\n%s", from, to, commands);
    struct document d = document_of(base), e = document_of(diff);
    struct blob *blob = consensus_diff_apply(d.bytes, d.length, e.bytes, (size_t)n);
    document_drop(&d);
    document_drop(&e);
    free(diff);
    return blob;
}

#define BASE "one\ntwo\nthree\nfour\nfive\ndirectory-signature a b\nsignature\n"

static void expect(const char *commands, const char *wanted)
{
    struct blob *blob = apply(BASE, commands, wanted);
    assert_non_null(blob);
    assert_int_equal(blob->length, strlen(wanted));
    assert_memory_equal(blob->bytes, wanted, blob->length);
    blob_drop(blob);
    assert_null(apply(BASE, commands, BASE "x")); // another result than it says
}

static void commands_are_applied(void **state)
{
    (void)state;
    expect("", BASE);
    expect("6,$d\n", "one\ntwo\nthree\nfour\nfive\n");
    expect("7d\n2d\n", "one\nthree\nfour\nfive\ndirectory-signature a b\n");
    expect("7a\nlast\n.\n0a\nfirst\nsecond\n.\n", "first\nsecond\n" BASE "last\n");
    expect("6,7c\nx\n.\n3,4d\n1c\nONE\nand\n.\n", "ONE\nand\ntwo\nfive\nx\n");
    expect("6,$d\n5a\n..\n\n.\n1,4c\n \n.\n", " \nfive\n..\n\n");
}

static void refuse(const char *commands)
{
    // The result is not looked at before the commands.
    assert_null(apply(BASE, commands, BASE));
}

static void malformed(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "d\n",
        "1\n",
        "1x\n",
        "1dd\n",
        "1 d\n",
        "0d\n",
        "0c\nx\n.\n",
        "8d\n",
        "7,8d\n",
        "8a\nx\n.\n",
        "2,1d\n",
        "2,2d\n",
        "1,2a\nx\n.\n",
        "6,$c\nx\n.\n",
        "$d\n",
        "7,$d\n",
        "1,d\n",
        ",2d\n",
        "-1d\n",
        "2a\n.\n",
        "2a\nx\n",
        "2a\nx\n.",
        "2c\n",
        "1d",
        "2d\n3d\n",
        "2d\n2d\n",
        "3,5d\n4d\n",
        "2a\nx\n.\n2a\ny\n.\n",
        "0a\nx\n.\n0a\nx\n.\n",
        "4294967297d\n",
        "99999999999999999999d\n",
        "2147483648d\n",
        "\n",
        ".\n",
        "w\n",
        "1d \n",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        refuse(bad[i]);
    char longest[200];
    memset(longest, '0', sizeof(longest));
    strcpy(longest + 125, "2d\n"); // 127 bytes
    expect(longest, "one\nthree\nfour\nfive\ndirectory-signature a b\nsignature\n");
    strcpy(longest + 126, "2d\n");
    refuse(longest);
}

static void heads(void **state)
{
    (void)state;
    struct document base = document_of(BASE);
    uint8_t digest[SHA3_256_LEN];
    char from[65], to[65], diff[600];
    sha3_256(BASE, consensus_signed_length(base.bytes, base.length), digest);
    hex(digest, from);
    sha3_256(BASE, strlen(BASE), digest);
    hex(digest, to);
    static const char *const formats[] = {
        "network-status-diff-version 1\nhash %s %s\n", // this one is good
        "network-status-diff-version 2\nhash %s %s\n",
        "network-status-diff-version 1\nhash %s %s x\n",
        "network-status-diff-version 1\nhash %s %s0\n",
        "network-status-diff-version 1\nhash %.62s %s\n",
        "network-status-diff-version 1\nhush %s %s\n",
        "network-status-diff-version 1\nhash %s %s",
        "\nnetwork-status-diff-version 1\nhash %s %s\n",
    };
    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        int n = snprintf(diff, sizeof(diff), formats[i], from, to);
#pragma GCC diagnostic pop
        struct blob *blob =
            consensus_diff_apply(base.bytes, base.length, (const uint8_t *)diff, (size_t)n);
        assert_int_equal(blob != NULL, i == 0);
        blob_drop(blob);
    }
    // For another base.
    int n = snprintf(diff, sizeof(diff), "network-status-diff-version 1\nhash %s %s\n", to, to);
    assert_null(consensus_diff_apply(base.bytes, base.length, (const uint8_t *)diff, (size_t)n));
    assert_null(consensus_diff_apply(base.bytes, 0, (const uint8_t *)diff, (size_t)n));
    assert_null(consensus_diff_apply(base.bytes, base.length, (const uint8_t *)diff, 0));
    document_drop(&base);
}

static size_t check_pair(const uint8_t *from, size_t from_length, const uint8_t *to,
                         size_t to_length)
{
    struct blob *diff = consensus_diff_make(from, from_length, to, to_length);
    assert_non_null(diff);
    struct blob *result = consensus_diff_apply(from, from_length, diff->bytes, diff->length);
    assert_non_null(result);
    assert_int_equal(result->length, to_length);
    assert_memory_equal(result->bytes, to, to_length);
    size_t length = diff->length;
    blob_drop(diff);
    blob_drop(result);
    return length;
}

static void of_documents(void **state)
{
    (void)state;
    struct document a = document_load("consensus"), b = document_load("consensus-microdesc");
    size_t n = check_pair(a.bytes, a.length, a.bytes, a.length);
    assert_true(n < a.length - consensus_signed_length(a.bytes, a.length) + 300);
    check_pair(a.bytes, a.length, b.bytes, b.length);
    check_pair(b.bytes, b.length, a.bytes, a.length);
    assert_null(consensus_diff_make((const uint8_t *)"x\n", 2, a.bytes, a.length));
    assert_null(consensus_diff_make(a.bytes, a.length, (const uint8_t *)"", 0));
    assert_null(consensus_diff_make(a.bytes, a.length - 1, a.bytes, a.length));
    document_drop(&a);
    document_drop(&b);
}

// ---- networks that change at random

struct generator {
    uint64_t state;
};

static uint32_t draw(struct generator *g, uint32_t below)
{
    g->state = g->state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((g->state >> 33) % below);
}

// Relays come, go and change by chance; sorted by identity.
static size_t write_network(char *out, uint64_t relays, uint64_t seed, uint32_t change)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    struct generator churn = {seed};
    size_t n = (size_t)sprintf(out, "network-status-version 3\nvalid-after %u\nparams a=%u\n",
                               (unsigned)seed, draw(&churn, 3));
    for (uint64_t i = 0; i < relays; i++) {
        struct generator own = {i * 77};
        if (draw(&churn, change) == 0)
            own.state += seed;
        if (draw(&churn, change) == 0)
            continue;
        n += (size_t)sprintf(
            out + n, "r relay%u AA%c%c%cAAAAAAAAAAAAAAAAAAAAAA 10.0.0.%u\ns Fast\n", (unsigned)i,
            digits[i >> 12 & 63], digits[i >> 6 & 63], digits[i & 63], draw(&own, 250));
        n += (size_t)sprintf(out + n, "w Bandwidth=%u\n", draw(&own, 100));
        if (draw(&own, 3) == 0)
            n += (size_t)sprintf(out + n, "a [::1]\n");
    }
    n += (size_t)sprintf(out + n, "directory-footer\ndirectory-signature x %u\nsignature\n",
                         (unsigned)seed);
    return n;
}

static void of_random_networks(void **state)
{
    (void)state;
    char *a = malloc(TEXT_MAX), *b = malloc(TEXT_MAX);
    for (uint64_t seed = 1; seed < 200; seed++) {
        uint64_t relays = seed % 10 == 0 ? 3000 : seed;
        uint32_t change = 2 + (uint32_t)seed % 40;
        size_t n = write_network(a, relays, seed, change);
        size_t m = write_network(b, relays, seed + 1, change);
        size_t diff = check_pair((uint8_t *)a, n, (uint8_t *)b, m);
        if (relays == 3000 && change > 20)
            assert_true(diff < m / 2);
    }
    free(a);
    free(b);
}

static void commands_are_made(void **state)
{
    (void)state;
    static const char from[] = "a\nb\nr n AAAAAAAAAAAAAAAAAAAAAAAAAAA x\ns one\nr n "
                               "BAAAAAAAAAAAAAAAAAAAAAAAAAA y\ns two\ndirectory-signature p q\nz\n";
    static const char to[] = "a\nB\nr n AAAAAAAAAAAAAAAAAAAAAAAAAAA x\nr n "
                             "BAAAAAAAAAAAAAAAAAAAAAAAAAA y\ns two\ns "
                             "three\ndirectory-signature p q\ny\n";
    struct blob *diff =
        consensus_diff_make((const uint8_t *)from, strlen(from), (const uint8_t *)to, strlen(to));
    assert_non_null(diff);
    const char *commands = strchr(strchr((char *)diff->bytes, '\n') + 1, '\n') + 1;
    assert_string_equal(commands,
                        "7,$d\n6a\ns three\ndirectory-signature p q\ny\n.\n4d\n2c\nB\n.\n");
    blob_drop(diff);
    check_pair((const uint8_t *)from, strlen(from), (const uint8_t *)to, strlen(to));
}

// A difference that C tor made; ours of the same two is the same.
static void of_tor(void **state)
{
    (void)state;
    struct document from = document_load("consensus-before"), to = document_load("consensus-after"),
                    diff = document_load("consensus-diff");
    struct blob *result = consensus_diff_apply(from.bytes, from.length, diff.bytes, diff.length);
    assert_non_null(result);
    assert_int_equal(result->length, to.length);
    assert_memory_equal(result->bytes, to.bytes, to.length);
    blob_drop(result);
    struct blob *ours = consensus_diff_make(from.bytes, from.length, to.bytes, to.length);
    assert_non_null(ours);
    assert_int_equal(ours->length, diff.length);
    assert_memory_equal(ours->bytes, diff.bytes, diff.length);
    blob_drop(ours);
    // Cut off anywhere, or with a byte changed, it is refused.
    for (size_t n = 0; n < diff.length; n++) {
        assert_null(consensus_diff_apply(from.bytes, from.length, diff.bytes, n));
        diff.bytes[n] ^= 1;
        result = consensus_diff_apply(from.bytes, from.length, diff.bytes, diff.length);
        assert_null(result);
        diff.bytes[n] ^= 1;
    }
    document_drop(&from);
    document_drop(&to);
    document_drop(&diff);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commands_are_applied),
        cmocka_unit_test(malformed),
        cmocka_unit_test(heads),
        cmocka_unit_test(of_documents),
        cmocka_unit_test(of_random_networks),
        cmocka_unit_test(commands_are_made),
        cmocka_unit_test(of_tor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
