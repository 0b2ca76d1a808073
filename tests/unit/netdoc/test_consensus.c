// SPDX-License-Identifier: BSD-3-Clause
// Reading a consensus: what tor's authorities make, and what nobody should (9.04–9.09).
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/digest.h"
#include "documents.h"
#include "netdoc/consensus.h"

static const char *const names[] = {
    [CONSENSUS_NS] = "consensus", [CONSENSUS_MICRODESC] = "consensus-microdesc"};
static const time_t made = 1795385610; // 2026-11-22 22:13:30

static void test_header(void **state)
{
    (void)state;
    for (int flavour = 0; flavour < CONSENSUS_FLAVOURS; flavour++) {
        struct document d = document_load(names[flavour]);
        struct consensus *c;
        uint8_t hash[32];
        assert_int_equal(consensus_parse(d.bytes, d.length, &c, NULL), 0);
        assert_int_equal(c->flavour, flavour);
        assert_int_equal(c->method, 35);
        assert_int_equal(c->valid_after, made);
        assert_int_equal(c->fresh_until, made + 10);
        assert_int_equal(c->valid_until, made + 60);
        assert_int_equal(c->vote_delay_s, 2);
        assert_int_equal(c->dist_delay_s, 2);
        assert_string_equal(c->required_client_protocols,
                            "Cons=2 Desc=2 FlowCtrl=1 Link=4 Microdesc=2 Relay=2");
        assert_non_null(strstr(c->required_relay_protocols, "HSIntro=4-5 HSRend=2"));
        assert_non_null(c->recommended_relay_protocols);
        assert_non_null(strstr(c->recommended_client_protocols, "HSIntro=4 HSRend=2"));
        assert_false(c->has_srv_current || c->has_srv_previous);
        assert_int_equal(c->n_parameters, 4);
        assert_int_equal(c->n_signatures, 5);
        assert_int_equal(c->signatures[0].sha256, flavour == CONSENSUS_MICRODESC);
        assert_int_equal(c->signatures[0].signature_length, 256);
        sha3_256(d.bytes, d.length, hash);
        assert_memory_equal(hash, c->sha3, 32);
        size_t end = document_find(&d, "\ndirectory-signature ", 0) + 21;
        assert_int_equal(consensus_signed_length(d.bytes, d.length), end);
        sha3_256(d.bytes, end, hash);
        assert_memory_equal(hash, c->sha3_signed, 32);
        consensus_free(c);
        document_drop(&d);
    }
}

static void test_routers(void **state)
{
    (void)state;
    static const uint8_t exit1[20] = {0x1a, 0xb2, 0x9b, 0x35, 0x7e, 0x85, 0x0f, 0x3d, 0xfc, 0x0d,
                                      0x5e, 0x15, 0x66, 0xdc, 0xb4, 0x2c, 0x9e, 0x65, 0x83, 0xb1};
    for (int flavour = 0; flavour < CONSENSUS_FLAVOURS; flavour++) {
        struct document d = document_load(names[flavour]);
        struct consensus *c;
        assert_int_equal(consensus_parse(d.bytes, d.length, &c, NULL), 0);
        assert_int_equal(c->n_routers, 8);
        const struct router_status *r = consensus_find(c, exit1);
        assert_non_null(r);
        assert_string_equal(r->nickname, "exit1");
        assert_int_equal(address_ipv4_host(&r->ipv4), 0x0a5a000c);
        assert_int_equal(r->ipv4.port, 5000);
        assert_int_equal(r->dir_port, 0);
        assert_int_equal(r->ipv6.family, ADDRESS_NONE);
        assert_int_equal(r->flags, ROUTER_EXIT | ROUTER_FAST | ROUTER_GUARD | ROUTER_HSDIR |
                                       ROUTER_RUNNING | ROUTER_V2DIR | ROUTER_VALID);
        assert_true(r->unmeasured);
        assert_int_equal(r->bandwidth, 0);
        assert_non_null(strstr(r->protocols, "HSIntro=4-5"));
        // 22:13:27, or what the authorities write instead since method 33.
        assert_int_equal(r->published, flavour == CONSENSUS_NS ? 1795385607 : 2145916800);
        for (size_t i = 0; i < c->n_routers; i++) {
            assert_ptr_equal(consensus_find(c, c->routers[i].rsa_id), &c->routers[i]);
            assert_ptr_equal(c->routers[i].protocols, r->protocols);
        }
        assert_null(consensus_find(c, (const uint8_t[20]){0}));
        consensus_free(c);
        document_drop(&d);
    }
}

static void test_parameters(void **state)
{
    (void)state;
    struct document d = document_load("consensus");
    struct consensus *c;
    assert_int_equal(consensus_parse(d.bytes, d.length, &c, NULL), 0);
    assert_int_equal(consensus_parameter(c, "circwindow", 1000, 100, 1000), 900);
    assert_int_equal(consensus_parameter(c, "circwindow", 1000, 950, 1000), 950);
    assert_int_equal(consensus_parameter(c, "circwindow", 1000, 100, 800), 800);
    assert_int_equal(consensus_parameter(c, "wary", 1, INT32_MIN, INT32_MAX), -5);
    assert_int_equal(consensus_parameter(c, "wary", 1, 0, 9), 0);
    assert_int_equal(consensus_parameter(c, "war", 7, 0, 9), 7);
    assert_int_equal(consensus_parameter(NULL, "circwindow", 7, 0, 9), 7);
    consensus_free(c);
    document_drop(&d);
}

static void test_times(void **state)
{
    (void)state;
    struct consensus c = {.valid_after = 100000, .fresh_until = 103600, .valid_until = 110800};
    assert_false(consensus_is_fresh(&c, 99999));
    assert_true(consensus_is_fresh(&c, 100000) && consensus_is_fresh(&c, 103599));
    assert_false(consensus_is_fresh(&c, 103600));
    assert_false(consensus_is_valid(&c, 99999));
    assert_true(consensus_is_valid(&c, 100000) && consensus_is_valid(&c, 110800));
    assert_false(consensus_is_valid(&c, 110801));
    assert_false(consensus_is_reasonably_live(&c, 100000 - 86401));
    assert_true(consensus_is_reasonably_live(&c, 100000 - 86400));
    assert_true(consensus_is_reasonably_live(&c, 110800 + 86400));
    assert_false(consensus_is_reasonably_live(&c, 110800 + 86401));
}

// What is not in a small network of the same day.
static void test_more_items(void **state)
{
    (void)state;
    static const char *const changes[][2] = {
        {"\nparams ",
         "\nshared-rand-previous-value 9 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE=\n"
         "shared-rand-current-value 8 AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\nparams "},
        {"\ns Exit",
         "\na [2001:db8::7]:9001\na [2001:db8::8]:9001\na 192.0.2.1:1\na junk\ns NoSuch Exit"},
        {"w Bandwidth=0 Unmeasured=1", "w Other=1 Bandwidth=4294967295 x"},
        {"Wbe=0 ", "Wbe=-1 "},
        {"\nknown-flags ", "\nunheard-of\n-----BEGIN X-----\nAAAA\n-----END X-----\nknown-flags "},
        {"\nv Tor", "\nunheard of\nv Tor"},
        // In the order of whole arguments; a name that is too long for us to know.
        {"circwindow=900",
         "a-b=1 a=2 aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa=3 b=4"},
    };
    struct document d = document_load("consensus");
    struct consensus *c;
    const char *wrong = "";
    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        struct document next = document_replace(&d, changes[i][0], changes[i][1], 0);
        document_drop(&d);
        d = next;
    }
    if (consensus_parse(d.bytes, d.length, &c, &wrong) != 0)
        fail_msg("%s", wrong);
    assert_true(c->has_srv_current && c->has_srv_previous);
    assert_int_equal(c->srv_previous[31], 1);
    assert_int_equal(c->srv_current[0], 1);
    const struct router_status *r = &c->routers[0];
    struct address ipv6;
    assert_true(address_parse("2001:db8::7", &ipv6));
    ipv6.port = 9001;
    assert_true(address_equal(&r->ipv6, &ipv6));
    assert_true(r->flags & ROUTER_EXIT);
    assert_int_equal(r->bandwidth, UINT32_MAX);
    assert_false(r->unmeasured);
    assert_int_equal(c->n_weights, 19);
    assert_string_equal(c->weights[1].name, "Wbe");
    assert_int_equal(c->weights[1].value, -1);
    assert_int_equal(consensus_parameter(c, "a", 0, 0, 9), 2);
    assert_int_equal(consensus_parameter(c, "a-b", 0, 0, 9), 1);
    assert_int_equal(consensus_parameter(c, "b", 0, 0, 9), 4);
    consensus_free(c);
    document_drop(&d);
}

struct change {
    const char *what, *with, *wrong; // `wrong`: what the parser says, or its beginning
};

static void check_refused(const char *name, const struct change *changes, size_t n)
{
    struct document d = document_load(name);
    for (size_t i = 0; i < n; i++) {
        struct document bad = document_replace(&d, changes[i].what, changes[i].with, 0);
        struct consensus *c;
        const char *wrong = "taken";
        assert_int_equal(consensus_parse(bad.bytes, bad.length, &c, &wrong), -EINVAL);
        assert_null(c);
        if (strncmp(wrong, changes[i].wrong, strlen(changes[i].wrong)) != 0)
            fail_msg("%s → %s: %s", changes[i].what, changes[i].with, wrong);
        document_drop(&bad);
    }
    document_drop(&d);
}

static void test_bad_header(void **state)
{
    (void)state;
    static const struct change changes[] = {
        {"network", "\xef\xbb\xbfnetwork", "no consensus"},
        {"network", "\nnetwork", "no consensus"},
        {"version 3", "version 4", "network-status-version"},
        {"version 3", "version 3 x", "unknown flavour"},
        {"status consensus", "status vote", "vote-status"},
        {"vote-status consensus\n", "", "an item of the header is missing"},
        {"valid-until", "valid-untill", "an item of the header is missing"},
        {"vote-status", "vote-status consensus\nvote-status",
         "an item of the header is there twice"},
        {"consensus-method 35", "consensus-method 35 36", "bad consensus-method"},
        {"consensus-method 35", "consensus-method 0", "bad consensus-method"},
        {"fresh-until 2026-11-22 22:13:40", "fresh-until 2026-11-22 22:13:30", "its times"},
        {"valid-until 2026-11-22 22:14:30", "valid-until 2026-11-22 22:13:39", "its times"},
        {"valid-after 2026-11-22 22:13:30", "valid-after 2026-11-22", "bad valid-after"},
        {"voting-delay 2 2", "voting-delay 2", "bad voting-delay"},
        {"known-flags Authority", "known-flags Zzz", "known-flags are not sorted"},
        {"known-flags Authority", "known-flags Authority Authority", "known-flags are not sorted"},
        {"recommended-relay-protocols Cons=2", "recommended-relay-protocols Cons=2-1",
         "malformed list"},
        {"circwindow=900", "circwindow=2147483648", "a parameter that is no"},
        {"circwindow=900", "circwindow", "a parameter without a value"},
        {"circwindow=900", "circwindow=", "a parameter that is no"},
        {"circwindow=900", "zirc=900", "parameters are not sorted"},
        {"circwindow=900", "circwindow=900 circwindow=901", "parameters are not sorted"},
        {"dir-source auth2 14", "dir-source auth2 1", "bad dir-source"},
        {"vote-digest", "vote-digest\n-----BEGIN X-----\nAAAA\n-----BEGIN X-----\n", "a malformed"},
        {"valid-until ", "valid-until\n-----BEGIN X-----\nAAAA\n-----END X-----\n", "an object"},
        {"params", "shared-rand-current-value 8 AQAA\nparams", "bad shared random value"},
    };
    check_refused("consensus", changes, sizeof(changes) / sizeof(changes[0]));
}

static void test_bad_routers(void **state)
{
    (void)state;
    static const struct change both[] = {
        {"r exit1", "r exit_1", "bad r line"},
        {"r exit1", "r abcdefghijklmnopqrst", "bad r line"},
        {"10.90.0.12 5000", "10.90.0.256 5000", "bad r line"},
        {"10.90.0.12 5000", "::1 5000", "bad r line"},
        {"10.90.0.12 5000", "10.90.0.12 65536", "bad r line"},
        {"10.90.0.12 5000 0", "10.90.0.12 5000", "bad r line"},
        {"r exit1 Gr", "r exit1 zr", "routers are not sorted"},
        {"auth4 L2oB9yirchOk2TR30NPi0+w77x8", "auth4 GrKbNX6FDz38DV4VZty0LJ5lg7E",
         "routers are not sorted"}, // exit1 once more
        {"\ns Exit", "\nx Exit", "a router lacks an item"},
        {"\npr Con", "\nxx Con", "a router lacks an item"},
        {"\nv Tor", "\npr Link=4\nv Tor", "an item of a router is there twice"},
        {"\nv Tor", "\ns Exit\nv Tor", "an item of a router is there twice"},
        {"pr Conflux=1", "pr Conflux=64", "malformed pr line"},
        {"pr Conflux=1", "pr Conflux", "malformed pr line"},
        {"Bandwidth=0", "Bandwidth=4294967296", "bad bandwidth"},
        {"\nw ", "\nw\n-----BEGIN X-----\nAAAA\n-----END X-----\nx ", "an object in a router"},
    };
    for (int flavour = 0; flavour < CONSENSUS_FLAVOURS; flavour++)
        check_refused(names[flavour], both, sizeof(both) / sizeof(both[0]));
    check_refused("consensus", &(struct change){"\np accept ", "\np maybe ", "bad p line"}, 1);
    check_refused("consensus-microdesc", &(struct change){"\nm ", "\nm A", "bad m line"}, 1);
}

static void test_bad_footer(void **state)
{
    (void)state;
    static const struct change changes[] = {
        {"directory-footer\n", "directory-footer\nr x\n", "a router in the footer"},
        {"directory-footer\n", "directory-footer\nbandwidth-weights A=1\n",
         "bandwidth-weights are there twice"},
        {"Wbe=0", "Wbd=1", "parameters are not sorted"},
        {"-----END SIGNATURE-----\n", "-----END SIGNATURE-----\nparams a=1\n", "an item after"},
        {"-----END SIGNATURE-----\n", "-----END SIGNATURE-----\ndirectory-footer\n",
         "an item after"},
        {"\ndirectory-signature ", "\nopt directory-signature ", "signatures begin out of place"},
        {"\ndirectory-signature ", "\ndirectory-signature\t", "signatures begin out of place"},
        {"BEGIN SIGNATURE", "BEGIN SIGNATURES", "a malformed item"},
        {"-----BEGIN SIGNATURE-----\n", "-----BEGIN SIGNATURE-----\n!", "bad directory-signature"},
        {"directory-signature 1", "directory-signature 2", "signed by who is no dir-source"},
        {"directory-signature 14", "directory-signature 1", "bad directory-signature"},
    };
    check_refused("consensus", changes, sizeof(changes) / sizeof(changes[0]));
}

static void test_nul(void **state)
{
    (void)state;
    struct document d = document_load("consensus");
    struct consensus *c;
    d.bytes[document_find(&d, "contact none", 0) + 9] = '\0';
    assert_int_equal(consensus_parse(d.bytes, d.length, &c, NULL), -EINVAL);
    document_drop(&d);
}

// A shorter one is only a consensus if a whole signature ends there.
static void test_truncated(void **state)
{
    (void)state;
    static const char end[] = "-----END SIGNATURE-----\n";
    for (int flavour = 0; flavour < CONSENSUS_FLAVOURS; flavour++) {
        struct document d = document_load(names[flavour]);
        for (size_t length = 0; length < d.length; length++) {
            struct document part = document_copy(&d, length);
            struct consensus *c;
            bool whole = length >= strlen(end) &&
                         memcmp(part.bytes + length - strlen(end), end, strlen(end)) == 0;
            assert_int_equal(consensus_parse(part.bytes, length, &c, NULL), whole ? 0 : -EINVAL);
            consensus_free(c);
            document_drop(&part);
        }
        document_drop(&d);
    }
}

// Every byte changed: whatever is said of it, it is said without harm.
static void test_changed_bytes(void **state)
{
    (void)state;
    struct document d = document_load("consensus-microdesc");
    for (size_t i = 0; i < d.length; i++) {
        uint8_t was = d.bytes[i];
        d.bytes[i] = was == '\n' ? ' ' : (uint8_t)(was ^ 1 << (i % 8));
        struct consensus *c;
        const char *wrong = NULL;
        int err = consensus_parse(d.bytes, d.length, &c, &wrong);
        assert_true(err == 0 || (err == -EINVAL && wrong != NULL && c == NULL));
        consensus_free(c);
        d.bytes[i] = was;
    }
    document_drop(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_header),        cmocka_unit_test(test_routers),
        cmocka_unit_test(test_parameters),    cmocka_unit_test(test_times),
        cmocka_unit_test(test_more_items),    cmocka_unit_test(test_bad_header),
        cmocka_unit_test(test_bad_routers),   cmocka_unit_test(test_bad_footer),
        cmocka_unit_test(test_nul),           cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_changed_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
