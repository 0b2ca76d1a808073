// SPDX-License-Identifier: BSD-3-Clause
// Authorities' key certificates (9.06).
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "authority.h"
#include "crypto/encoding.h"
#include "netdoc/certificate.h"

static void test_those_of_tor(void **state)
{
    (void)state;
    struct document d = document_load("certificates");
    struct document consensus = document_load("consensus");
    size_t at = 0, length;
    unsigned n = 0;
    while (at < d.length) {
        struct certificate *c;
        char line[128], identity[HEX_TEXT_SIZE(20)], signing[HEX_TEXT_SIZE(20)];
        assert_int_equal(certificate_parse(d.bytes + at, d.length - at, &c, &length), 0);
        assert_int_equal(c->text_length, length);
        // The consensus was signed with these.
        hex_encode(c->identity, 20, identity, sizeof(identity));
        hex_encode(c->signing_key, 20, signing, sizeof(signing));
        snprintf(line, sizeof(line), "\ndirectory-signature %s %s\n", identity, signing);
        document_find(&consensus, line, 0);
        assert_in_range(c->published, 1795385000, 1795385610);
        assert_in_range(c->expires, c->published + 364 * 86400, c->published + 366 * 86400);
        struct rsa_key *key = rsa_public_from_der(c->signing_key_der, c->signing_key_der_length);
        assert_non_null(key);
        assert_int_equal(rsa_bits(key), 2048);
        rsa_free(key);
        certificate_free(c);
        at += length;
        n++;
    }
    assert_int_equal(n, 5);
    document_drop(&d);
    document_drop(&consensus);
}

static int parse_one(const struct document *d)
{
    struct certificate *c;
    size_t length;
    int err = certificate_parse(d->bytes, d->length, &c, &length);
    assert_true((err == 0) == (c != NULL));
    assert_in_range(length, 1, d->length);
    certificate_free(c);
    return err;
}

static void test_wrong(void **state)
{
    (void)state;
    struct authority a = authority_make();
    for (int wrong = CERTIFICATE_GOOD; wrong <= WRONG_SIGNATURE; wrong++) {
        struct document d = authority_certificate(&a, 1000000, 2000000, wrong);
        assert_int_equal(parse_one(&d), wrong == CERTIFICATE_GOOD ? 0 : -EINVAL);
        document_drop(&d);
    }
    authority_drop(&a);
}

static void test_damaged(void **state)
{
    (void)state;
    static const char *const changes[][2] = {
        {"version 3", "version 4"},
        {"dir-key-certificate", "opt dir-key-certificate"},
        {"dir-key-certificate", "\ndir-key-certificate"},
        {"dir-key-certification", "opt dir-key-certification"},
        {"\nfingerprint ", "\nfingerprint 1"},
        {"\nfingerprint ", "\nfingerprints "},
        {"\ndir-key-published ", "\ndir-key-published 1"},
        {"\ndir-key-expires 20", "\ndir-key-expires 21"},
        {"dir-signing-key\n", "dir-signing-keys\n"},
        {"dir-signing-key\n", "dir-key-expires 2027-01-01 00:00:00\ndir-signing-key\n"},
        {"BEGIN ID SIGNATURE", "BEGIN SIGNATURE"},
        {"BEGIN SIGNATURE", "BEGIN ID SIGNATURE"},
        {"-----END SIGNATURE-----\n", "-----END SIGNATURE-----\nmore\n"},
        {"-----END SIGNATURE-----\n", "-----END SIGNATURE-----\n-----BEGIN X-----\n"},
    };
    struct document all = document_load("certificates");
    size_t first = document_find(&all, "dir-key-certificate-version", 1);
    struct document d = document_copy(&all, first);
    assert_int_equal(parse_one(&d), 0);
    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        struct document bad = document_replace(&d, changes[i][0], changes[i][1], 0);
        if (parse_one(&bad) != -EINVAL)
            fail_msg("taken: %s", changes[i][1]);
        document_drop(&bad);
    }
    // Every byte counts, but for what base64 leaves open and C's idea of a space.
    for (size_t i = 0; i < d.length; i += 3) {
        d.bytes[i] ^= 1;
        if (parse_one(&d) == 0)
            fail_msg("byte %zu does not count", i);
        d.bytes[i] ^= 1;
    }
    for (size_t length = 1; length < d.length; length++) {
        struct document part = document_copy(&d, length);
        assert_int_equal(parse_one(&part), -EINVAL);
        document_drop(&part);
    }
    document_drop(&d);
    document_drop(&all);
}

// A bad one does not hide the next.
static void test_next(void **state)
{
    (void)state;
    struct document d = document_load("certificates");
    size_t second = document_find(&d, "dir-key-certificate-version", 1), length;
    struct certificate *c;
    d.bytes[second - 40] ^= 1;
    assert_int_equal(certificate_parse(d.bytes, d.length, &c, &length), -EINVAL);
    assert_int_equal(length, second);
    assert_int_equal(certificate_parse(d.bytes + second, d.length - second, &c, &length), 0);
    certificate_free(c);
    size_t whole = length;
    struct document junk = document_replace(&d, "dir-key", "junk\ndir-key", 0);
    assert_int_equal(certificate_parse(junk.bytes, junk.length, &c, &length), -EINVAL);
    assert_int_equal(length, 5);
    document_drop(&junk);
    // A certificate that is too large.
    struct document big = {malloc(CERTIFICATE_TEXT_MAX + 1), CERTIFICATE_TEXT_MAX + 1};
    memset(big.bytes, '\n', big.length);
    memcpy(big.bytes, d.bytes + second, whole);
    assert_int_equal(certificate_parse(big.bytes, big.length, &c, &length), -EINVAL);
    assert_int_equal(certificate_parse(big.bytes, big.length - 1, &c, &length), 0);
    certificate_free(c);
    document_drop(&big);
    document_drop(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_those_of_tor),
        cmocka_unit_test(test_wrong),
        cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_next),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
