// SPDX-License-Identifier: BSD-3-Clause
// Who has signed a consensus: each authority counts once, and only with a certificate (9.03–9.05).
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "authority.h"
#include "netdoc/certificate.h"
#include "netdoc/consensus.h"

enum { MAX = 8 };

static const time_t now = 1795385610; // when the documents in data/ were made

// Certificates and the authorities that they are of.
struct known {
    struct certificate *certificates[MAX];
    uint8_t authorities[MAX][20];
    unsigned n;
};

static void know(struct known *k, const struct document *d)
{
    size_t at = 0, length;
    while (at < d->length) {
        struct certificate *c;
        assert_int_equal(certificate_parse(d->bytes + at, d->length - at, &c, &length), 0);
        memcpy(k->authorities[k->n], c->identity, 20);
        k->certificates[k->n++] = c;
        at += length;
    }
}

static void forget(struct known *k)
{
    for (unsigned i = 0; i < k->n; i++)
        certificate_free(k->certificates[i]);
}

static unsigned count(const struct known *k, const struct document *d, unsigned authorities,
                      unsigned certificates, time_t when, unsigned *n_missing)
{
    struct consensus *c;
    const struct consensus_signature *missing[MAX];
    assert_int_equal(consensus_parse(d->bytes, d->length, &c, NULL), 0);
    const struct certificate *const *all = (const struct certificate *const *)k->certificates;
    unsigned good = consensus_count_signatures(c, (const uint8_t(*)[20])k->authorities, authorities,
                                               all, certificates, when, missing, n_missing);
    for (unsigned i = 0; i < *n_missing; i++)
        assert_in_range(missing[i] - c->signatures, 0, c->n_signatures - 1);
    assert_int_equal(consensus_count_signatures(c, (const uint8_t(*)[20])k->authorities,
                                                authorities, all, certificates, when, NULL, NULL),
                     good);
    consensus_free(c);
    return good;
}

static void test_those_of_tor(void **state)
{
    (void)state;
    static const char *const names[] = {"consensus", "consensus-microdesc"};
    struct document certificates = document_load("certificates");
    struct known k = {.n = 0};
    unsigned missing;
    know(&k, &certificates);
    for (int i = 0; i < 2; i++) {
        struct document d = document_load(names[i]);
        assert_int_equal(count(&k, &d, 5, 5, now, &missing), 5);
        assert_int_equal(missing, 0);
        // Certificates that are not there could still be fetched.
        assert_int_equal(count(&k, &d, 5, 2, now, &missing), 2);
        assert_int_equal(missing, 3);
        // Authorities that we do not know count for nothing.
        assert_int_equal(count(&k, &d, 3, 5, now, &missing), 3);
        assert_int_equal(missing, 0);
        assert_int_equal(count(&k, &d, 0, 5, now, &missing), 0);
        // Until the second that they expire in.
        time_t expires = k.certificates[0]->expires;
        for (unsigned j = 1; j < k.n; j++)
            k.certificates[j]->expires = expires;
        assert_int_equal(count(&k, &d, 5, 5, expires, &missing), 5);
        assert_int_equal(count(&k, &d, 5, 5, expires + 1, &missing), 0);
        assert_int_equal(missing, 5);
        document_drop(&d);
    }
    forget(&k);
    document_drop(&certificates);
}

// A change of what is signed spoils all of them, a change of a signature that one.
static void test_damaged(void **state)
{
    (void)state;
    static const char mark[] = "-----BEGIN SIGNATURE-----\n";
    struct document certificates = document_load("certificates");
    struct document d = document_load("consensus-microdesc");
    struct known k = {.n = 0};
    unsigned missing;
    know(&k, &certificates);
    for (unsigned i = 0; i < 5; i++) {
        size_t at = document_find(&d, mark, i) + strlen(mark) + 70;
        uint8_t was = d.bytes[at];
        d.bytes[at] = was == 'A' ? 'B' : 'A';
        assert_int_equal(count(&k, &d, 5, 5, now, &missing), 4);
        assert_int_equal(missing, 0);
        d.bytes[at] = was;
    }
    static const char *const changes[][2] = {
        {"circwindow=900", "circwindow=901"},
        {"Exit Fast", "Exit Fasu"},
        {"contact none", "contact nonf"},
        {"Wbe=0", "Wbe=1"},
        {"v Tor ", "v tor "},
        {"valid-until 2026", "valid-until 2027"},
    };
    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        struct document bad = document_replace(&d, changes[i][0], changes[i][1], 0);
        assert_int_equal(count(&k, &bad, 5, 5, now, &missing), 0);
        assert_int_equal(missing, 0);
        document_drop(&bad);
    }
    // Another signing key than that of the certificate: one that has a later certificate, perhaps.
    size_t at = document_find(&d, "directory-signature sha256 ", 0) + 27 + 41;
    d.bytes[at] = d.bytes[at] == '0' ? '1' : '0';
    assert_int_equal(count(&k, &d, 5, 5, now, &missing), 4);
    assert_int_equal(missing, 1);
    document_drop(&d);
    document_drop(&certificates);
    forget(&k);
}

static void test_once(void **state)
{
    (void)state;
    struct authority all[3];
    struct known k = {.n = 0};
    unsigned missing;
    static const char header[] =
        "network-status-version 3\nvote-status consensus\nconsensus-method 33\n"
        "valid-after 2026-11-22 22:00:00\nfresh-until 2026-11-22 23:00:00\n"
        "valid-until 2026-11-23 01:00:00\nvoting-delay 300 300\nknown-flags Fast\n";
    static const struct {
        const char *signatures;
        unsigned good;
    } cases[] = {
        {"0", 1},      {"012", 3}, {"00", 1},   {"000000", 1},    {"00s", 1},
        {"0s1s2s", 3}, {"0s1", 2}, {"0s0s", 1}, {"0120s1s2s", 3}, {"0011", 2},
    };
    for (unsigned i = 0; i < 3; i++) {
        all[i] = authority_make();
        struct document d = authority_certificate(&all[i], now - 100, now + 100, CERTIFICATE_GOOD);
        know(&k, &d);
        document_drop(&d);
    }
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct document d = authority_consensus(all, 3, header, "", cases[i].signatures);
        assert_int_equal(count(&k, &d, 3, 3, now, &missing), cases[i].good);
        assert_int_equal(missing, 0);
        document_drop(&d);
    }
    // Named twice among the authorities.
    struct document d = authority_consensus(all, 3, header, "", "012");
    memcpy(k.authorities[1], k.authorities[0], 20);
    assert_int_equal(count(&k, &d, 3, 3, now, &missing), 2);
    // With the certificate of another: not taken for this one's.
    memcpy(k.authorities[1], all[1].identity_sha1, 20);
    memcpy(k.certificates[0]->identity, all[1].identity_sha1, 20);
    assert_int_equal(count(&k, &d, 3, 3, now, &missing), 2);
    assert_int_equal(missing, 1);
    document_drop(&d);
    for (unsigned i = 0; i < 3; i++)
        authority_drop(&all[i]);
    forget(&k);
}

// A bad signature over one digest does not take away a good one over the other, before or after.
static void test_either_digest(void **state)
{
    (void)state;
    static const char mark[] = "directory-signature ";
    struct document certificates = document_load("certificates");
    struct document d = document_load("consensus");
    struct known k = {.n = 0};
    unsigned missing;
    know(&k, &certificates);
    size_t first = document_find(&d, mark, 0) + strlen(mark), second = document_find(&d, mark, 1);
    char both[1024] = "directory-signature sha256 ";
    strncat(both, (const char *)d.bytes + first, second - first);
    strcat(both, mark);
    // The first authority's over SHA-1, called one over SHA-256: in front of it, and behind.
    struct document before = document_replace(&d, mark, both, 0);
    struct document after = document_replace(&d, mark, both, 1);
    assert_int_equal(count(&k, &before, 5, 5, now, &missing), 5);
    assert_int_equal(count(&k, &after, 5, 5, now, &missing), 5);
    document_drop(&before);
    document_drop(&after);
    document_drop(&d);
    document_drop(&certificates);
    forget(&k);
}

// Of two over the same digest the first one counts, good or bad.
static void test_first(void **state)
{
    (void)state;
    static const char mark[] = "directory-signature ";
    struct document certificates = document_load("certificates");
    struct document d = document_load("consensus");
    struct known k = {.n = 0};
    struct consensus *c;
    unsigned missing;
    know(&k, &certificates);
    size_t first = document_find(&d, mark, 0), second = document_find(&d, mark, 1);
    char twice[1024] = "";
    strncat(twice, (const char *)d.bytes + first, second - first);
    strcat(twice, mark);
    struct document copies = document_replace(&d, mark, twice, 0);
    assert_int_equal(consensus_parse(copies.bytes, copies.length, &c, NULL), 0);
    assert_int_equal(c->n_signatures, 5);
    consensus_free(c);
    uint8_t *byte = &copies.bytes[first + 200];
    *byte = *byte == 'A' ? 'B' : 'A';
    assert_int_equal(count(&k, &copies, 5, 5, now, &missing), 4);
    document_drop(&copies);
    document_drop(&d);
    document_drop(&certificates);
    forget(&k);
}

// A digest that is none, or not the flavour's, counts for nothing and harms nothing (13.10).
static void test_digest_not_expected(void **state)
{
    (void)state;
    static const char *const plain[] = {"sha3-256 ", "shake256 ", "sha512 ", "md5 ", "SHA1 ", "5 "};
    static const char *const micro[] = {"sha1 ", "sha3-256 ", "sha512 ", "x "};
    struct document certificates = document_load("certificates");
    struct known k = {.n = 0};
    unsigned missing;
    know(&k, &certificates);
    struct document d = document_load("consensus");
    for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++) {
        char with[64] = "directory-signature ";
        strcat(with, plain[i]);
        struct document bad = document_replace(&d, "directory-signature ", with, 0);
        assert_int_equal(count(&k, &bad, 5, 5, now, &missing), 4);
        assert_int_equal(missing, 0);
        document_drop(&bad);
    }
    document_drop(&d);
    d = document_load("consensus-microdesc");
    for (size_t i = 0; i < sizeof(micro) / sizeof(micro[0]); i++) {
        char with[64] = "directory-signature ";
        strcat(with, micro[i]);
        struct document bad = document_replace(&d, "directory-signature sha256 ", with, 1);
        assert_int_equal(count(&k, &bad, 5, 5, now, &missing), 4);
        document_drop(&bad);
    }
    // If it is all there is, that is no consensus.
    for (unsigned i = 0; i < 5; i++) {
        struct document next =
            document_replace(&d, "directory-signature sha256 ", "directory-signature sha1 ", 0);
        document_drop(&d);
        d = next;
    }
    struct consensus *c;
    const char *wrong;
    assert_int_equal(consensus_parse(d.bytes, d.length, &c, &wrong), -EINVAL);
    assert_string_equal(wrong, "no signatures");
    document_drop(&d);
    document_drop(&certificates);
    forget(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_those_of_tor), cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_once),         cmocka_unit_test(test_either_digest),
        cmocka_unit_test(test_first),        cmocka_unit_test(test_digest_not_expected),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
