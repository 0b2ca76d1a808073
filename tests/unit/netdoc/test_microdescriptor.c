// SPDX-License-Identifier: BSD-3-Clause
// Microdescriptors (9.10).
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "documents.h"
#include "netdoc/consensus.h"
#include "netdoc/microdescriptor.h"

#define NTOR "ntor-onion-key uEOhjCtmer6mxaqo37tu5x90Wjsd8r5CE8oKnD8qyg8\n"
#define ID "id ed25519 GsILDAqPXw4dEaHMd84YBy2CaKkvB1BOdvSw/anbSCA\n"
#define KEY "-----BEGIN RSA PUBLIC KEY-----\nMIGJ\n-----END RSA PUBLIC KEY-----\n"

// Each is one that the consensus names.
static void test_those_of_tor(void **state)
{
    (void)state;
    struct document d = document_load("microdescriptors");
    struct document text = document_load("consensus-microdesc");
    struct consensus *c;
    size_t at = 0, length;
    unsigned n = 0;
    assert_int_equal(consensus_parse(text.bytes, text.length, &c, NULL), 0);
    while (at < d.length) {
        struct microdescriptor m;
        unsigned found = 0;
        assert_int_equal(microdescriptor_parse(d.bytes + at, d.length - at, &m, &length), 0);
        assert_int_equal(m.text_length, length);
        assert_true(m.has_ed_id);
        for (size_t i = 0; i < c->n_routers; i++)
            found += memcmp(c->routers[i].digest, m.sha256, 32) == 0;
        assert_int_equal(found, 1);
        at += length;
        n++;
    }
    assert_int_equal(n, c->n_routers);
    consensus_free(c);
    document_drop(&d);
    document_drop(&text);
}

static void test_shapes(void **state)
{
    (void)state;
    static const char *const good[] = {
        "onion-key\n" KEY NTOR ID,
        "onion-key\n" NTOR,
        "onion-key\n" NTOR "id rsa1024 AAAA\n" ID "id x y\n",
        "onion-key\n" KEY NTOR "a [2001:db8::1]:9001\nfamily $AAAA b\nfamily-ids ed25519:x\n"
        "p accept 80,443\np6 reject 1-65535\n" ID "unheard-of\n",
        "onion-key\nntor-onion-key uEOhjCtmer6mxaqo37tu5x90Wjsd8r5CE8oKnD8qyg8= more\n",
    };
    static const char *const bad[] = {
        "",
        "onion-key\n" KEY ID,
        "onion-key\n-----BEGIN X-----\nMIGJ\n-----END X-----\n" NTOR,
        "\nonion-key\n" NTOR,
        "@last-listed 2026-01-01 00:00:00\nonion-key\n" NTOR,
        NTOR "onion-key\n",
        "onion-key\n" NTOR NTOR,
        "onion-key\n" NTOR ID ID,
        "onion-key\n" NTOR "id ed25519\n",
        "onion-key\n" NTOR "id ed25519 AAAA\n",
        "onion-key\n" NTOR "family a\nfamily b\n",
        "onion-key\n" NTOR "family-ids\nfamily-ids ed25519:x\n",
        "onion-key\n" NTOR "p accept 80\np accept 443\n",
        "onion-key\n" NTOR "p6 accept 80\np accept 80\np6 accept 80\n",
        "onion-key\n" NTOR "a\n",
        "onion-key\nntor-onion-key\n",
        "onion-key\nntor-onion-key AAAA\n",
        "onion-key\n" NTOR "id",
        "\xef\xbb\xbfonion-key\n" NTOR,
    };
    struct microdescriptor m;
    size_t length;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        struct document d = document_of(good[i]);
        if (microdescriptor_parse(d.bytes, d.length, &m, &length) != 0)
            fail_msg("refused: %s", good[i]);
        assert_memory_equal(m.ntor_key, "\xb8\x43\xa1\x8c", 4);
        assert_int_equal(m.has_ed_id, i != 1 && i != 4);
        assert_int_equal(length, d.length);
        document_drop(&d);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct document d = document_of(bad[i]);
        if (microdescriptor_parse(d.bytes, d.length, &m, &length) != -EINVAL)
            fail_msg("taken: %s", bad[i]);
        assert_true(d.length == 0 || length >= 1);
        document_drop(&d);
    }
}

static struct microdescriptor parse_one(struct document *d)
{
    struct microdescriptor m;
    size_t length;
    assert_int_equal(microdescriptor_parse(d->bytes, d->length, &m, &length), 0);
    assert_int_equal(length, d->length);
    return m;
}

static void assert_text(struct text text, const char *expected)
{
    if (!text_is(text, expected))
        fail_msg("\"%.*s\", not \"%s\"", (int)text.length, text.at, expected);
}

// The lines are as those of C tor's test_microdesc.c (methods 33 and 35, family-ids without a
// known kind, addresses of both families).
static void test_what_else_it_says(void **state)
{
    (void)state;
    struct document d =
        document_of("onion-key\n" KEY NTOR "a 18.0.0.1:9999\na [::1:2:3:4]:9090\n"
                    "a [2001:db8::1]:9001\n"
                    "family !Strange $D219590AC9513BCDEBBA9AB721007A4CC01BBAE3  othernode \n"
                    "family-ids ed25519:dXMgdGhlIHRyaXVtcGguICAgIC1UaG9tYXMgUGFpbmU "
                    "rlwe:0YHRh9Cw0YHRgtC70LjQstGL0LUg0YHQtdC80YzQuC0\n"
                    "p accept 20-23,43\np6 reject 25\n" ID);
    struct microdescriptor m = parse_one(&d);
    char text[ADDRESS_TEXT_MAX];
    assert_string_equal(address_format(&m.ipv6, text), "[::1:2:3:4]:9090");
    assert_text(m.family, "!Strange $D219590AC9513BCDEBBA9AB721007A4CC01BBAE3  othernode");
    assert_text(m.family_ids, "ed25519:dXMgdGhlIHRyaXVtcGguICAgIC1UaG9tYXMgUGFpbmU "
                              "rlwe:0YHRh9Cw0YHRgtC70LjQstGL0LUg0YHQtdC80YzQuC0");
    assert_text(m.policy, "accept 20-23,43");
    assert_text(m.policy6, "reject 25");
    assert_true(m.has_ed_id);
    document_drop(&d);

    // Nothing, or nothing that can be understood: the keys count all the same.
    static const char *const little[] = {
        "", "family\nfamily-ids\np\np6\n",
        "a 18.0.0.1:9999\na [::1\na [::1]\na [::1]:\na [::1]:0\na [::1]:65536\na [::1]9090\n"
        "a [10.0.0.1]:80\na []:80\na [:::]:80\na ]:80\na [\na "
        "[0000000000000000000000000000000000000000000000000000000000000000000000000000000001]:1\n"};
    for (size_t i = 0; i < sizeof(little) / sizeof(little[0]); i++) {
        char all[512];
        snprintf(all, sizeof(all), "onion-key\n" NTOR "%s", little[i]);
        d = document_of(all);
        m = parse_one(&d);
        assert_int_equal(m.ipv6.family, ADDRESS_NONE);
        assert_int_equal(m.family.length + m.family_ids.length, 0);
        assert_int_equal(m.policy.length + m.policy6.length, 0);
        document_drop(&d);
    }
}

// One after another; a bad one ends where the next begins.
static void test_several(void **state)
{
    (void)state;
    struct document d = document_of("junk\nonion-key\n" NTOR "onion-key\nbad\nonion-key\n" NTOR ID);
    static const int expected[] = {-EINVAL, 0, -EINVAL, 0};
    struct microdescriptor m;
    size_t at = 0, length, n = 0;
    for (; at < d.length; at += length)
        assert_int_equal(microdescriptor_parse(d.bytes + at, d.length - at, &m, &length),
                         expected[n++]);
    assert_int_equal(n, 4);
    assert_true(m.has_ed_id);
    document_drop(&d);

    struct document big = {malloc(MICRODESCRIPTOR_MAX + 1), MICRODESCRIPTOR_MAX + 1};
    memset(big.bytes, '\n', big.length);
    memcpy(big.bytes, "onion-key\n" NTOR, strlen("onion-key\n" NTOR));
    assert_int_equal(microdescriptor_parse(big.bytes, big.length, &m, &length), -EINVAL);
    assert_int_equal(microdescriptor_parse(big.bytes, big.length - 1, &m, &length), 0);
    big.bytes[big.length - 2] = '\0';
    assert_int_equal(microdescriptor_parse(big.bytes, big.length - 1, &m, &length), -EINVAL);
    document_drop(&big);
}

static void test_truncated(void **state)
{
    (void)state;
    struct document d = document_of("onion-key\n" KEY NTOR ID);
    struct microdescriptor m;
    size_t length;
    for (size_t i = 0; i < d.length; i++) {
        struct document part = document_copy(&d, i);
        // The id may be missing: then this is another microdescriptor.
        bool whole = i == d.length - strlen(ID);
        assert_int_equal(microdescriptor_parse(part.bytes, i, &m, &length), whole ? 0 : -EINVAL);
        document_drop(&part);
    }
    document_drop(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_those_of_tor),      cmocka_unit_test(test_shapes),
        cmocka_unit_test(test_what_else_it_says), cmocka_unit_test(test_several),
        cmocka_unit_test(test_truncated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
