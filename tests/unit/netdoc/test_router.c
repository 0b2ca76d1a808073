// SPDX-License-Identifier: BSD-3-Clause
// Other relays' server descriptors and extra-infos (6.02–6.12).
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/ed_cert.h"
#include "dir/publish/document.h"
#include "documents.h"
#include "netdoc/consensus.h"
#include "netdoc/router.h"
#include "sample.h"
#include "temp_dir.h"

static const time_t start = 1700000000;
static struct temp_dir dir;
static struct identity *identity;
static struct document descriptor, extra_info; // of our own making

static int set_up(void **state)
{
    (void)state;
    char error[512];
    dir = temp_dir_make();
    identity = identity_load(dir.path, "ramson0", start, error, sizeof(error));
    struct sample *s = malloc(sizeof(*s));
    if (identity == NULL || s == NULL)
        return -1;
    sample_prepare(s, identity, start);
    sample_build(s);
    descriptor = document_of(s->descriptor_text);
    extra_info = document_of(s->extra_info_text);
    free(s);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    document_drop(&descriptor);
    document_drop(&extra_info);
    identity_free(identity);
    temp_dir_remove(&dir);
    return 0;
}

typedef int (*parse_fn)(const uint8_t *text, size_t size, struct router_document *out,
                        size_t *length);

static int parse_one(parse_fn parse, const struct document *d)
{
    struct router_document out;
    size_t length;
    int err = parse(d->bytes, d->length, &out, &length);
    assert_in_range(length, d->length > 0, d->length);
    assert_int_equal(out.text_length, err == 0 ? d->length : 0);
    return err;
}

// The consensus names each of the descriptors, and they name the extra-infos.
static void test_those_of_tor(void **state)
{
    (void)state;
    struct document descriptors = document_load("descriptors");
    struct document extra_infos = document_load("extra-infos");
    struct document text = document_load("consensus");
    struct consensus *c;
    size_t at = 0, extra_at = 0, length;
    unsigned n = 0;
    assert_int_equal(consensus_parse(text.bytes, text.length, &c, NULL), 0);
    for (; at < descriptors.length; at += length, n++) {
        struct router_document d, extra;
        assert_int_equal(
            router_descriptor_parse(descriptors.bytes + at, descriptors.length - at, &d, &length),
            0);
        const struct router_status *r = consensus_find(c, d.rsa_id);
        assert_non_null(r);
        assert_memory_equal(r->digest, d.sha1, 20);
        assert_int_equal(r->published, d.published);
        assert_true(d.has_ed_id);
        // 7 days for the ntor key's certificate, or the rest of them.
        assert_in_range(d.expires, d.published + 86400, d.published + 40 * 86400);
        size_t extra_length;
        assert_int_equal(router_extra_info_parse(extra_infos.bytes + extra_at,
                                                 extra_infos.length - extra_at, &extra,
                                                 &extra_length),
                         0);
        extra_at += extra_length;
        assert_memory_equal(extra.sha1, d.extra_info_sha1, 20);
        assert_memory_equal(extra.rsa_id, d.rsa_id, 20);
        assert_memory_equal(extra.ed_id, d.ed_id, 32);
        assert_int_equal(extra.published, d.published);
    }
    assert_int_equal(n, 8);
    assert_int_equal(extra_at, extra_infos.length);
    consensus_free(c);
    document_drop(&text);
    document_drop(&descriptors);
    document_drop(&extra_infos);
}

static void test_our_own(void **state)
{
    (void)state;
    struct router_document d, extra;
    size_t length;
    assert_int_equal(router_descriptor_parse(descriptor.bytes, descriptor.length, &d, &length), 0);
    assert_int_equal(length, descriptor.length);
    assert_memory_equal(d.rsa_id, identity->rsa_id, 20);
    assert_memory_equal(d.ed_id, identity->master.public_key, 32);
    assert_int_equal(d.published, start);
    assert_int_equal(router_extra_info_parse(extra_info.bytes, extra_info.length, &extra, &length),
                     0);
    assert_memory_equal(extra.sha1, d.extra_info_sha1, 20);
    assert_memory_equal(extra.rsa_id, identity->rsa_id, 20);
    // Neither is the other.
    assert_int_equal(parse_one(router_extra_info_parse, &descriptor), -EINVAL);
    assert_int_equal(parse_one(router_descriptor_parse, &extra_info), -EINVAL);
}

static void test_damaged(void **state)
{
    (void)state;
    const struct document *documents[] = {&descriptor, &extra_info};
    const parse_fn parsers[] = {router_descriptor_parse, router_extra_info_parse};
    for (int i = 0; i < 2; i++) {
        struct document d = document_copy(documents[i], documents[i]->length);
        size_t signature = document_find(&d, "router-signature\n", 0) + 17;
        for (size_t at = 0; at < d.length; at += 5) {
            // An extra-info's RSA signature can't be checked by itself.
            if (i == 1 && at >= signature)
                break;
            d.bytes[at] ^= 1;
            if (parse_one(parsers[i], &d) == 0)
                fail_msg("byte %zu does not count", at);
            d.bytes[at] ^= 1;
        }
        for (size_t length = 0; length < d.length; length++) {
            struct document part = document_copy(&d, length);
            assert_int_equal(parse_one(parsers[i], &part), -EINVAL);
            document_drop(&part);
        }
        assert_int_equal(parse_one(parsers[i], &d), 0);
        document_drop(&d);
    }
}

// A document with one text in place of another, and with good signatures for that.
static struct document resigned(const struct document *d, const char *what, const char *with)
{
    enum { CAPACITY = 65536 };
    struct document changed = document_replace(d, what, with, 0);
    struct document out = {malloc(CAPACITY), 0};
    struct writer w = writer_of(out.bytes, CAPACITY);
    write_bytes(&w, changed.bytes, document_find(&changed, "router-sig-ed25519 ", 0));
    assert_int_equal(document_sign(&w, identity, NULL), 0);
    assert_false(w.failed);
    out.length = writer_length(&w);
    document_drop(&changed);
    struct document exact = document_copy(&out, out.length);
    document_drop(&out);
    return exact;
}

static void check_changes(parse_fn parse, const struct document *d, const char *const changes[][2],
                          size_t n, int expected)
{
    for (size_t i = 0; i < n; i++) {
        struct document changed = resigned(d, changes[i][0], changes[i][1]);
        if (parse_one(parse, &changed) != expected)
            fail_msg("%s → %s: not %d", changes[i][0], changes[i][1], expected);
        document_drop(&changed);
    }
}

static void test_descriptor_items(void **state)
{
    (void)state;
    static const char *const good[][2] = {
        {"ramson0", "other"},
        {"\nplatform ", "\nunheard-of\n-----BEGIN X-----\nAAAA\n-----END X-----\nplatform "},
        {"\nplatform ", "\nor-address [2001:db8::1]:9001\nor-address x\nplatform "},
        {"\nreject *:*", "\naccept *:80\nreject *:*\nipv6-policy accept 80"},
        {"\nuptime ", "\nopt uptime "},
        {"\nextra-info-digest ", "\nextra-info-digest x"},
    };
    static const char *const bad[][2] = {
        {"router ramson0 203.0.113.5 9001", "router ram_son 203.0.113.5 9001"},
        {"router ramson0 203.0.113.5 9001", "router ramson0 203.0.113.500 9001"},
        {"router ramson0 203.0.113.5 9001", "router ramson0 2001:db8::1 9001"},
        {"router ramson0 203.0.113.5 9001", "router ramson0 203.0.113.5 0"},
        {"router ramson0 203.0.113.5 9001", "router ramson0 203.0.113.5 65536"},
        {"router ramson0 203.0.113.5 9001", "opt router ramson0 203.0.113.5 9001"},
        {"router ramson0 203.0.113.5 9001 0 0", "router ramson0 203.0.113.5 9001 0"},
        {"router ramson0", "\nrouter ramson0"},
        {"router ramson0", "@purpose bridge\nrouter ramson0"},
        {"router ramson0", "\xef\xbb\xbfrouter ramson0"},
        {"identity-ed25519", "uptime 1\nidentity-ed25519"}, // not the second
        {"\nbandwidth 1000000", "\nbandwidth 0"},
        {"\nbandwidth 1000000", "\nbandwidth 2147483648"},
        {"\nbandwidth 1000000", "\nbandwidth -1"},
        {"\nbandwidth 1000000", "\nbandwidths 1000000"},
        {"\npublished ", "\nPublished "},
        {"\npublished ", "\npublished x"},
        {"\npublished ", "\npublished 2023-11-14 22:13:20\npublished "},
        {"\nproto ", "\nprot "},
        {"\nplatform ", "\nproto Link=4\nplatform "},
        {"\nfingerprint ", "\nfingerprint 0000 "},
        {"\nfingerprint ", "\nfingerprint 0000000000000000000000000000000000000000\nx "},
        {"\nsigning-key\n", "\nsigning-keys\n"},
        {"\nonion-key\n", "\nonion-keys\n"}, // the cross-certificate without it
        {"\nonion-key-crosscert\n", "\nonion-key-crosscerts\n"},
        {"\nntor-onion-key-crosscert ", "\nntor-onion-key-crosscert 2"},
        {"\nntor-onion-key-crosscert ", "\nno "},
        {"\nmaster-key-ed25519 ",
         "\nmaster-key-ed25519 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA "},
        {"\nmaster-key-ed25519 ", "\nno "},
        {"\nntor-onion-key ", "\nno "},
        {"\nntor-onion-key ", "\nntor-onion-key AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA "},
        {"\nreject *:*", ""},
        {"\nreject *:*", "\nreject *:*\nreject6 *:*"},
        {"\nreject *:*", "\naccept6 *:80\nreject *:*"},
        {"\nreject *:*", "\nreject *:*\nrouter-signature-of mine"},
        {"\nreject *:*", "\nreject *:*\nrouter-sig-ed25519s x"},
        {"\nuptime ", "\nuptime 1\n-----BEGIN X-----\nAAAA\n-----END X-----\nuptimes "},
        {"\nuptime ", "\nuptime 1\nuptime "},
    };
    check_changes(router_descriptor_parse, &descriptor, good, sizeof(good) / sizeof(good[0]), 0);
    check_changes(router_descriptor_parse, &descriptor, bad, sizeof(bad) / sizeof(bad[0]), -EINVAL);
}

static void test_extra_info_items(void **state)
{
    (void)state;
    static const char *const good[][2] = {
        {"extra-info ramson0", "extra-info other"},
        {"\nwrite-history ", "\nunheard-of 1\nwrite-history "},
        {"\nwrite-history ", "\nx\n-----BEGIN X-----\nAAAA\n-----END X-----\nwrite-history "},
    };
    static const char *const bad[][2] = {
        {"extra-info ramson0 ", "extra-info ram_son "},
        {"extra-info ramson0 ", "extra-info ramson0 0"},
        {"extra-info ramson0 ", "extra-infos ramson0 "},
        {"\nwrite-history ", "\nextra-info ramson0 x\nwrite-history "},
        {"\npublished ", "\npublish "},
        {"identity-ed25519", "x\nidentity-ed25519"},
        {"identity-ed25519", "identity-ed25519s"},
    };
    check_changes(router_extra_info_parse, &extra_info, good, sizeof(good) / sizeof(good[0]), 0);
    check_changes(router_extra_info_parse, &extra_info, bad, sizeof(bad) / sizeof(bad[0]), -EINVAL);
}

// At the size that is allowed, and one byte more.
static void test_size(void **state)
{
    (void)state;
    struct {
        parse_fn parse;
        const struct document *d;
        const char *before;
        size_t most;
    } kinds[] = {
        {router_descriptor_parse, &descriptor, "\nreject *:*", ROUTER_DESCRIPTOR_MAX},
        {router_extra_info_parse, &extra_info, "\nwrite-history", ROUTER_EXTRA_INFO_MAX},
    };
    for (int i = 0; i < 2; i++) {
        for (size_t more = 0; more < 2; more++) {
            size_t length = kinds[i].most - kinds[i].d->length + more;
            char *filler = malloc(length + 32);
            memset(filler, 'x', length);
            filler[0] = '\n';
            strcpy(filler + length, kinds[i].before);
            struct document d = resigned(kinds[i].d, kinds[i].before, filler);
            assert_int_equal(d.length, kinds[i].most + more);
            assert_int_equal(parse_one(kinds[i].parse, &d), more == 0 ? 0 : -EINVAL);
            document_drop(&d);
            free(filler);
        }
    }
}

// A bad one ends where the next begins, and so does one with something behind it.
static void test_several(void **state)
{
    (void)state;
    struct document d = {malloc(3 * descriptor.length + 5), 3 * descriptor.length + 5};
    struct router_document out;
    size_t length;
    memcpy(d.bytes, descriptor.bytes, descriptor.length);
    memcpy(d.bytes + descriptor.length, "junk\n", 5);
    for (size_t i = 1; i < 3; i++)
        memcpy(d.bytes + i * descriptor.length + 5, descriptor.bytes, descriptor.length);
    d.bytes[descriptor.length + 5 + 300] ^= 1;
    static const int expected[] = {0, -EINVAL, -EINVAL, 0};
    size_t at = 0, n = 0;
    for (; at < d.length; at += length)
        assert_int_equal(router_descriptor_parse(d.bytes + at, d.length - at, &out, &length),
                         expected[n++]);
    assert_int_equal(n, 4);
    document_drop(&d);
}

// The certificates in a descriptor, each with one bit of its signature changed.
static void test_changed_certificates(void **state)
{
    (void)state;
    static const char *const labels[] = {"ED25519 CERT", "CROSSCERT", "ED25519 CERT"};
    static const unsigned skips[] = {0, 0, 1};
    for (int i = 0; i < 3; i++) {
        char end[64];
        snprintf(end, sizeof(end), "\n-----END %s-----", labels[i]);
        struct document d = document_copy(&descriptor, descriptor.length);
        // The last line but for the characters that hold less than six bits.
        uint8_t *byte = &d.bytes[document_find(&d, end, skips[i]) - 6];
        *byte = *byte == 'A' ? 'B' : 'A';
        struct document bad = resigned(&d, "ramson0", "ramson0");
        assert_int_equal(parse_one(router_descriptor_parse, &bad), -EINVAL);
        document_drop(&bad);
        document_drop(&d);
    }
}

// A certificate that is good, but for something else.
static void test_other_certificate(void **state)
{
    (void)state;
    static const struct {
        uint8_t type, key_type;
        bool embed;
        int expected;
    } cases[] = {
        {ED_CERT_ID_SIGNING, ED_CERT_KEY_ED25519, true, 0},
        {ED_CERT_SIGNING_LINK, ED_CERT_KEY_ED25519, true, -EINVAL},
        {ED_CERT_ID_SIGNING, ED_CERT_KEY_RSA_SHA256, true, -EINVAL},
        {ED_CERT_ID_SIGNING, ED_CERT_KEY_ED25519, false, -EINVAL},
    };
    struct identity *mine = malloc(sizeof(*mine));
    struct sample *s = malloc(sizeof(*s));
    *mine = *identity;
    ed25519_generate(&mine->master);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int n = ed_cert_encode(cases[i].type, cases[i].key_type, mine->signing.public_key,
                               ed_cert_hours((uint64_t)start + 86400), &mine->master,
                               cases[i].embed, mine->signing_cert, sizeof(mine->signing_cert));
        assert_true(n > 0);
        mine->signing_cert_length = (size_t)n;
        sample_prepare(s, mine, start);
        sample_build(s);
        struct document d = document_of(s->descriptor_text);
        struct router_document out;
        size_t length;
        assert_int_equal(router_descriptor_parse(d.bytes, d.length, &out, &length),
                         cases[i].expected);
        if (cases[i].expected == 0)
            assert_int_equal(out.expires, (start + 86400 + 3599) / 3600 * 3600);
        document_drop(&d);
        d = document_of(s->extra_info_text);
        assert_int_equal(parse_one(router_extra_info_parse, &d), cases[i].expected);
        document_drop(&d);
    }
    free(s);
    free(mine);
}

// Signed with other keys than the document's own.
static void test_other_keys(void **state)
{
    (void)state;
    char error[512];
    struct temp_dir other_dir = temp_dir_make();
    struct identity *mine = identity;
    identity = identity_load(other_dir.path, "ramson1", start, error, sizeof(error));
    assert_non_null(identity);
    struct document d = resigned(&descriptor, "ramson0", "ramson0");
    assert_int_equal(parse_one(router_descriptor_parse, &d), -EINVAL);
    document_drop(&d);
    d = resigned(&extra_info, "ramson0", "ramson0");
    assert_int_equal(parse_one(router_extra_info_parse, &d), -EINVAL);
    document_drop(&d);
    // Only the RSA key is another.
    struct rsa_key *rsa = identity->rsa;
    struct ed25519_key signing = identity->signing;
    identity->signing = mine->signing;
    d = resigned(&descriptor, "ramson0", "ramson0");
    assert_int_equal(parse_one(router_descriptor_parse, &d), -EINVAL);
    document_drop(&d);
    // Only the Ed25519 key is.
    identity->rsa = mine->rsa;
    identity->signing = signing;
    d = resigned(&descriptor, "ramson0", "ramson0");
    assert_int_equal(parse_one(router_descriptor_parse, &d), -EINVAL);
    document_drop(&d);
    identity->rsa = rsa;
    identity_free(identity);
    identity = mine;
    temp_dir_remove(&other_dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_those_of_tor),      cmocka_unit_test(test_our_own),
        cmocka_unit_test(test_damaged),           cmocka_unit_test(test_descriptor_items),
        cmocka_unit_test(test_extra_info_items),  cmocka_unit_test(test_size),
        cmocka_unit_test(test_several),           cmocka_unit_test(test_changed_certificates),
        cmocka_unit_test(test_other_certificate), cmocka_unit_test(test_other_keys),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
