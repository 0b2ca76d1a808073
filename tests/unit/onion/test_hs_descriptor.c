// SPDX-License-Identifier: BSD-3-Clause
// The outer layer of onion services' descriptors: what is read and what is refused (protocol 7.03).
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../crypto/hex.h"
#include "crypto/random.h"
#include "descriptors.h"
#include "onion/descriptor/hs_descriptor.h"

enum { NOW_S = 1795387488 }; // when data/make.py made its descriptor

// 0, or what refuses it. Reads a copy of exactly this length, as bytes have no NUL.
static int judge_at(const char *text, size_t length, uint64_t now_s, struct hs_descriptor *out)
{
    uint8_t *copy = exact_copy(text, length);
    int error = hs_descriptor_parse(copy, length, out);
    if (error == 0)
        error = hs_descriptor_verify(out, now_s);
    free(copy);
    return error;
}

static int judge(const char *text, size_t length)
{
    struct hs_descriptor d;
    return judge_at(text, length, NOW_S, &d);
}

static int judge_sample(const struct sample *s)
{
    size_t length;
    char *text = sample_write(s, &length);
    int error = judge(text, length);
    free(text);
    return error;
}

static char *read_data(const char *name, size_t *length)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/%s", ONION_DATA, name);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    char *text = calloc(1, 65536);
    assert_non_null(text);
    *length = fread(text, 1, 65535, file);
    fclose(file);
    return text;
}

static void test_made_by_stem(void **state)
{
    (void)state;
    struct hs_descriptor d;
    size_t length;
    char *text = read_data("descriptor", &length);
    assert_int_equal(judge_at(text, length, NOW_S, &d), 0);
    assert_int_equal(d.lifetime_min, 180);
    assert_int_equal(d.revision, 1795387488);
    assert_hex(d.blinded_key, "ac20048c8e531dc0fa820f19d7b59c4b29c325f246949f7b9cda5639ac7f8226");
    assert_int_equal(judge_at(text, length, NOW_S + 55 * 3600, &d), -EKEYEXPIRED);
    // It has no newline at its end, and might as well.
    assert_int_not_equal(text[length - 1], '\n');
    text[length] = '\n';
    assert_int_equal(judge_at(text, length + 1, NOW_S, &d), 0);
    assert_int_not_equal(judge_at(text, length - 1, NOW_S, &d), 0);
    free(text);
}

static void test_what_is_read(void **state)
{
    (void)state;
    struct sample s = sample_of(1, NOW_S);
    struct hs_descriptor d;
    size_t length;
    s.revision = UINT64_MAX;
    s.lifetime_min = 720;
    s.size = 49000;
    char *text = sample_write(&s, &length);
    assert_in_range(length, 48000, 49999);
    assert_int_equal(judge_at(text, length, NOW_S, &d), 0);
    assert_true(d.revision == UINT64_MAX);
    assert_int_equal(d.lifetime_min, 720);
    assert_memory_equal(d.blinded_key, s.blinded.public_key, 32);
    free(text);
}

// Whatever is changed, it is refused: all of it is signed, or is the signature.
static void test_every_byte_counts(void **state)
{
    (void)state;
    struct sample s = sample_of(2, NOW_S);
    size_t length;
    char *text = sample_write(&s, &length);
    assert_int_equal(judge(text, length), 0);
    for (size_t i = 0; i < length; i++) {
        char was = text[i];
        text[i] ^= 1;
        assert_int_not_equal(judge(text, length), 0);
        text[i] = '\n';
        if (was != '\n')
            assert_int_not_equal(judge(text, length), 0);
        text[i] = '\0';
        assert_int_not_equal(judge(text, length), 0);
        text[i] = was;
        if (i < length - 1) // without its newline it is good
            assert_int_not_equal(judge(text, i), 0);
    }
    free(text);
}

static void test_lifetimes(void **state)
{
    (void)state;
    static const struct {
        unsigned minutes;
        int error;
    } cases[] = {{0, -EINVAL}, {1, 0}, {720, 0}, {721, -EINVAL}, {UINT32_MAX, -EINVAL}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sample s = sample_of(3, NOW_S);
        s.lifetime_min = cases[i].minutes;
        assert_int_equal(judge_sample(&s), cases[i].error);
    }
}

static void test_certificates(void **state)
{
    (void)state;
    struct sample s = sample_of(4, NOW_S);
    s.cert_type = ED_CERT_ID_SIGNING;
    assert_int_equal(judge_sample(&s), -EINVAL);
    s = sample_of(4, NOW_S);
    s.no_embedded_key = true;
    assert_int_equal(judge_sample(&s), -EINVAL);
    s = sample_of(4, NOW_S);
    s.certified_by_other = true;
    assert_int_equal(judge_sample(&s), -EBADMSG);
    s = sample_of(4, NOW_S);
    s.expires_hours = NOW_S / 3600 - 1;
    assert_int_equal(judge_sample(&s), -EKEYEXPIRED);
    s = sample_of(4, NOW_S);
    s.signed_under = "Tor router descriptor signature v1";
    assert_int_equal(judge_sample(&s), -EBADMSG);
    // A key that has a part of small order (here nothing else) can sign anything.
    s = sample_of(4, NOW_S);
    memset(s.blinded.public_key, 0, 32);
    s.blinded.public_key[0] = 1;
    assert_int_equal(judge_sample(&s), -EBADMSG);
}

static void test_items(void **state)
{
    (void)state;
    static const char *const refused_first[] = {
        "hs-descriptor 2\n",
        "hs-descriptor 4\n",
        "hs-descriptor\n",
        "",
        "\nhs-descriptor 3\n",
        "opt hs-descriptor 3\n",
        "hs-descriptor 3 3\n",
        "hs-descriptor 3x\n",
        "hs-descriptor -3\n",
        "x 1\nhs-descriptor 3\n",
        "hs-descriptor 3\nhs-descriptor 3\n",
        "hs-descriptor 18446744073709551619\n",
    };
    static const char *const refused_before_end[] = {
        "descriptor-lifetime 180\n", "revision-counter 1\n",
        "superencrypted\n",          "hs-descriptor 3\n",
        "-----BEGIN MESSAGE-----\n", "-----END MESSAGE-----\n",
        "signature AAAA\n",          "opt ",
        "no end-of-line before ",    "_ 1\n",
    };
    static const char *const refused_after_end[] = {"x\n", "signature A\n", "x",
                                                    "hs-descriptor 3\n"};
    for (size_t i = 0; i < sizeof(refused_first) / sizeof(char *); i++) {
        struct sample s = sample_of(5, NOW_S);
        s.first = refused_first[i];
        assert_int_equal(judge_sample(&s), -EINVAL);
    }
    for (size_t i = 0; i < sizeof(refused_before_end) / sizeof(char *); i++) {
        struct sample s = sample_of(5, NOW_S);
        s.before_end = refused_before_end[i];
        assert_int_equal(judge_sample(&s), -EINVAL);
    }
    for (size_t i = 0; i < sizeof(refused_after_end) / sizeof(char *); i++) {
        struct sample s = sample_of(5, NOW_S);
        s.after_end = refused_after_end[i];
        assert_int_equal(judge_sample(&s), -EINVAL);
    }
    // What a later version may add.
    struct sample s = sample_of(5, NOW_S);
    s.before_end = "something-new 1 2\n-----BEGIN THING-----\nAAAA\n-----END THING-----\n";
    assert_int_equal(judge_sample(&s), 0);
}

// The encrypted part must be there: salt, MAC, and at least one byte.
static void test_encrypted_part(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        bool good;
    } cases[] = {
        {"", false},
        {"AAAA\n", false},
        {"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n", false}, // 48
        {"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\nAA==\n", true},
        {"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\nAA=A\n", false},
        {"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n=A==\n", false},
        {"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\nA===\n", false},
        {"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\nA*AA\n", false},
        {"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\nAAAAA\n", false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sample s = sample_of(6, NOW_S);
        struct hs_descriptor d;
        size_t length;
        char *text = sample_write(&s, &length);
        char *from = strstr(text, "-----BEGIN MESSAGE-----\n") + 24;
        const char *to = strstr(text, "-----END MESSAGE-----");
        size_t body = strlen(cases[i].body);
        char *changed = calloc(1, length + 256);
        assert_non_null(changed);
        memcpy(changed, text, (size_t)(from - text));
        memcpy(changed + (from - text), cases[i].body, body);
        strcpy(changed + (from - text) + body, to);
        int expected = cases[i].good ? 0 : -EINVAL; // the signature is not looked at
        assert_int_equal(hs_descriptor_parse((uint8_t *)changed, strlen(changed), &d), expected);
        free(changed);
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_made_by_stem),      cmocka_unit_test(test_what_is_read),
        cmocka_unit_test(test_every_byte_counts), cmocka_unit_test(test_lifetimes),
        cmocka_unit_test(test_certificates),      cmocka_unit_test(test_items),
        cmocka_unit_test(test_encrypted_part),
    };
    assert_int_equal(crypto_init(), 0);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
