// SPDX-License-Identifier: BSD-3-Clause
// A consensus at its bounds, and over them.
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
#include "netdoc/consensus.h"
#include "netdoc/text_set.h"

#define HEADER                                                                                     \
    "network-status-version 3\nvote-status consensus\nconsensus-method 33\n"                       \
    "valid-after 2026-11-22 22:00:00\nfresh-until 2026-11-22 23:00:00\n"                           \
    "valid-until 2026-11-23 01:00:00\nvoting-delay 300 300\nknown-flags Fast\n"

static struct authority one;

static int set_up(void **state)
{
    (void)state;
    one = authority_make();
    return one.identity == NULL ? -1 : 0;
}

static int tear_down(void **state)
{
    (void)state;
    authority_drop(&one);
    return 0;
}

// `n` routers, router I with the protocols "Link=1 Number-(I mod kinds)=2".
static char *make_routers(unsigned n, unsigned kinds)
{
    char *text = NULL;
    size_t length = 0;
    FILE *file = open_memstream(&text, &length);
    for (unsigned i = 0; i < n; i++) {
        uint8_t id[20] = {(uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i};
        char base64[BASE64_TEXT_SIZE(20)];
        base64_encode(id, sizeof(id), false, base64, sizeof(base64));
        fprintf(file,
                "r n%u %s AAAAAAAAAAAAAAAAAAAAAAAAAAA 2026-11-22 21:00:00 192.0.2.1 9001 0\n"
                "s Fast\npr Link=1 Number-%u=2\n",
                i, base64, i * 7 % kinds);
    }
    fclose(file);
    return text;
}

static int parse(const char *header, const char *routers, const char *signatures,
                 struct consensus **c, const char **wrong)
{
    struct document d = authority_consensus(&one, 1, header, routers, signatures);
    int err = consensus_parse(d.bytes, d.length, c, wrong);
    document_drop(&d);
    return err;
}

// Each has its own list of protocols, which is one string with those that have the same.
static void test_routers(void **state)
{
    (void)state;
    struct consensus *c;
    const char *wrong;
    char *routers = make_routers(CONSENSUS_ROUTERS_MAX, TEXT_SET_MAX);
    assert_int_equal(parse(HEADER, routers, "0", &c, &wrong), 0);
    free(routers);
    assert_int_equal(c->n_routers, CONSENSUS_ROUTERS_MAX);
    for (unsigned i = 0; i < c->n_routers; i += 97) {
        char expected[64];
        snprintf(expected, sizeof(expected), "Link=1 Number-%u=2", i * 7 % TEXT_SET_MAX);
        assert_string_equal(c->routers[i].protocols, expected);
        assert_ptr_equal(c->routers[i].protocols, c->routers[i % TEXT_SET_MAX].protocols);
        assert_ptr_equal(consensus_find(c, c->routers[i].rsa_id), &c->routers[i]);
    }
    consensus_free(c);

    routers = make_routers(CONSENSUS_ROUTERS_MAX + 1, 1);
    assert_int_equal(parse(HEADER, routers, "0", &c, &wrong), -EINVAL);
    assert_string_equal(wrong, "too many routers");
    free(routers);
    routers = make_routers(TEXT_SET_MAX + 1, TEXT_SET_MAX + 1);
    assert_int_equal(parse(HEADER, routers, "0", &c, &wrong), -EINVAL);
    assert_string_equal(wrong, "too many different pr lines");
    free(routers);
    assert_int_equal(parse(HEADER, "", "0", &c, &wrong), 0);
    assert_int_equal(c->n_routers, 0);
    assert_null(consensus_find(c, one.identity_sha1));
    consensus_free(c);
}

static void test_parameters(void **state)
{
    (void)state;
    for (unsigned more = 0; more < 2; more++) {
        struct consensus *c;
        const char *wrong;
        char *header = NULL;
        size_t length = 0;
        FILE *file = open_memstream(&header, &length);
        fprintf(file, HEADER "params");
        for (unsigned i = 0; i < CONSENSUS_PARAMETERS_MAX + more; i++)
            fprintf(file, " p%04u=%u", i, i);
        fprintf(file, "\n");
        fclose(file);
        int err = parse(header, "", "0", &c, &wrong);
        free(header);
        assert_int_equal(err, more == 0 ? 0 : -EINVAL);
        if (more == 0)
            assert_int_equal(consensus_parameter(c, "p0511", 0, 0, 1000), 511);
        else
            assert_string_equal(wrong, "too many parameters");
        consensus_free(c);
    }
}

static void test_voters(void **state)
{
    (void)state;
    struct authority all[CONSENSUS_VOTERS_MAX + 1];
    struct consensus *c;
    const char *wrong;
    for (unsigned i = 0; i <= CONSENSUS_VOTERS_MAX; i++)
        all[i] = one;
    for (unsigned n = CONSENSUS_VOTERS_MAX; n <= CONSENSUS_VOTERS_MAX + 1; n++) {
        struct document d = authority_consensus(all, n, HEADER, "", "0");
        int err = consensus_parse(d.bytes, d.length, &c, &wrong);
        document_drop(&d);
        assert_int_equal(err, n <= CONSENSUS_VOTERS_MAX ? 0 : -EINVAL);
        if (err != 0)
            assert_string_equal(wrong, "too many dir-sources");
        consensus_free(c);
    }
    struct document d = authority_consensus(all, 0, HEADER, "", "0");
    assert_int_equal(consensus_parse(d.bytes, d.length, &c, &wrong), -EINVAL);
    assert_string_equal(wrong, "an item of the header is missing");
    document_drop(&d);
}

static void test_size(void **state)
{
    (void)state;
    struct document d = authority_consensus(&one, 1, HEADER, "", "0");
    struct document big = {malloc(CONSENSUS_TEXT_MAX + 1), CONSENSUS_TEXT_MAX + 1};
    struct consensus *c;
    memset(big.bytes, '\n', big.length);
    memcpy(big.bytes, d.bytes, d.length);
    assert_int_equal(consensus_parse(big.bytes, big.length - 1, &c, NULL), 0);
    consensus_free(c);
    assert_int_equal(consensus_parse(big.bytes, big.length, &c, NULL), -EINVAL);
    assert_null(c);
    document_drop(&big);
    document_drop(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_routers),
        cmocka_unit_test(test_parameters),
        cmocka_unit_test(test_voters),
        cmocka_unit_test(test_size),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
