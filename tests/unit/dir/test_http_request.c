// SPDX-License-Identifier: BSD-3-Clause
// Request heads in pieces and mangled; what paths ask for (protocol 6.21–6.27).
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dir/serve/resource.h"

static int parse(const char *head, struct http_request *out)
{
    return http_request_parse((const uint8_t *)head, strlen(head), out);
}

static void head_ends(void **state)
{
    (void)state;
    static const char *const whole[] = {"GET / HTTP/1.0\r\n\r\n", "GET / HTTP/1.0\n\n",
                                        "GET / HTTP/1.0\r\nA: b\r\n\r\n", "\n\n", "x\n\r\n"};
    for (size_t i = 0; i < sizeof(whole) / sizeof(whole[0]); i++) {
        size_t n = strlen(whole[i]);
        char *bytes = malloc(n);
        memcpy(bytes, whole[i], n);
        for (size_t at = 0; at < n; at++)
            for (size_t searched = 0; searched <= at; searched++)
                assert_int_equal(http_request_head_length((uint8_t *)bytes, at, searched), 0);
        for (size_t searched = 0; searched < n; searched++)
            assert_int_equal(http_request_head_length((uint8_t *)bytes, n, searched), n);
        free(bytes);
    }
    assert_int_equal(http_request_head_length((const uint8_t *)"a\n\nbody\n\n", 9, 0), 3);
}

static void headers(void **state)
{
    (void)state;
    struct http_request r;
    assert_int_equal(parse("GET /tor/x HTTP/1.0\r\nHost: a\r\naccept-ENCODING: deflate;q=1, gzip "
                           ",x-zstd,br\r\nX-Or-Diff-From-Consensus:  ab cd \r\n"
                           "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n",
                           &r),
                     0);
    assert_int_equal(r.method, HTTP_GET);
    assert_true(text_is(r.path, "/tor/x"));
    assert_int_equal(r.encodings, 1 << COMPRESSION_IDENTITY | 1 << COMPRESSION_DEFLATE |
                                      1 << COMPRESSION_GZIP | 1 << COMPRESSION_ZSTD);
    assert_true(text_is(r.diff_from, "ab cd"));
    assert_int_equal(r.if_modified_since, 784111777); // RFC 7231, 7.1.1.1
    assert_int_equal(parse("POST http://1.2.3.4:80/a HTTP/1.1\nContent-Length: 12\n\n", &r), 0);
    assert_int_equal(r.method, HTTP_POST);
    assert_true(text_is(r.path, "/a"));
    assert_int_equal(r.content_length, 12);
    assert_int_equal(r.if_modified_since, 0);
    // What isn't understood is as if it were not there.
    assert_int_equal(parse("GET / HTTP/1.0\r\nIf-Modified-Since: yesterday\r\nno colon\r\n: "
                           "x\r\nAccept-Encoding: ,;,x-tor\r\n\r\n",
                           &r),
                     0);
    assert_int_equal(r.if_modified_since, 0);
    assert_int_equal(r.encodings, 1 << COMPRESSION_IDENTITY);
    char date[HTTP_DATE_LEN + 1];
    http_date(784111777, date);
    assert_string_equal(date, "Sun, 06 Nov 1994 08:49:37 GMT");
}

static void no_requests(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "\r\n\r\n",
        "GET\r\n\r\n",
        "GET /\r\n\r\n",
        "GET  HTTP/1.0\r\n\r\n",
        "get / HTTP/1.0\r\n\r\n",
        "PUT / HTTP/1.0\r\n\r\n",
        "GET / HTTP/2.0\r\n\r\n",
        "GET /a\tb HTTP/1.0\r\n\r\n",
        "GET /\x80 HTTP/1.0\r\n\r\n",
        "GET tor/ HTTP/1.0\r\n\r\n",
        "GET http://host HTTP/1.0\r\n\r\n",
        "POST / HTTP/1.0\r\nContent-Length: -1\r\n\r\n",
        "POST / HTTP/1.0\r\nContent-Length: 1x\r\n\r\n",
        "POST / HTTP/1.0\r\nContent-Length:\r\n\r\n",
        "POST / HTTP/1.0\r\nContent-Length: 99999999999999999999\r\n\r\n",
        "POST / HTTP/1.0\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct http_request r;
        assert_int_equal(parse(bad[i], &r), -EINVAL);
    }
}

static struct resource get(const char *path)
{
    return resource_of(HTTP_GET, (struct text){path, strlen(path)});
}

#define FP "0123456789abcdefABCD0123456789ABCDEF0123"
#define SHA3 FP "0123456789abcdef01234567"
#define KEY "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

static void kinds(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        enum resource_kind kind;
    } cases[] = {
        {"/", RESOURCE_UNKNOWN},
        {"/tor", RESOURCE_UNKNOWN},
        {"/tor/", RESOURCE_UNKNOWN},
        {"/tor/robots.txt", RESOURCE_ROBOTS},
        {"/robots.txt", RESOURCE_ROBOTS},
        {"/tor/robots.txt/", RESOURCE_UNKNOWN},
        {"/tor/status-vote/current/consensus", RESOURCE_CONSENSUS},
        {"/tor/status-vote/current/consensus.z", RESOURCE_CONSENSUS},
        {"/tor/status-vote/current/consensus/" FP, RESOURCE_CONSENSUS},
        {"/tor/status-vote/current/consensus-microdesc", RESOURCE_CONSENSUS},
        {"/tor/status-vote/current/consensus-other", RESOURCE_UNKNOWN},
        {"/tor/status-vote/current/consensuses", RESOURCE_UNKNOWN},
        {"/tor/status-vote/current/consensus/diff/" SHA3 "/" FP, RESOURCE_DIFF},
        {"/tor/status-vote/current/consensus-microdesc/diff/" SHA3, RESOURCE_DIFF},
        {"/tor/status-vote/current/consensus/diff/" FP, RESOURCE_UNKNOWN},
        {"/tor/status-vote/next/consensus", RESOURCE_UNKNOWN},
        {"/tor/micro/d/" KEY, RESOURCE_DOCUMENTS},
        {"/tor/server/all", RESOURCE_ALL},
        {"/tor/server/all.z", RESOURCE_ALL},
        {"/tor/server/authority", RESOURCE_OWN},
        {"/tor/server/d/" FP, RESOURCE_DOCUMENTS},
        {"/tor/server/fp/" FP, RESOURCE_DOCUMENTS},
        {"/tor/server/x/" FP, RESOURCE_UNKNOWN},
        {"/tor/extra/all", RESOURCE_ALL},
        {"/tor/keys/all", RESOURCE_ALL},
        {"/tor/keys/authority", RESOURCE_UNKNOWN},
        {"/tor/keys/fp/" FP, RESOURCE_DOCUMENTS},
        {"/tor/keys/fp-sk/" FP "-" FP, RESOURCE_CERTIFICATE_PAIRS},
        {"/tor/keys/other", RESOURCE_BAD},
        {"/tor/hs/3/" KEY, RESOURCE_ONION_DESCRIPTOR},
        {"/tor/hs/2/" KEY, RESOURCE_UNKNOWN},
        {"/tor/hs/3/publish", RESOURCE_ONION_DESCRIPTOR},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(get(cases[i].path).kind, cases[i].kind);
    assert_false(get("/tor/hs/3/" KEY).bad_key);
    assert_true(get("/tor/hs/3/" KEY "A").bad_key);
    assert_true(get("/tor/hs/3/" KEY "=").bad_key);
    assert_true(get("/tor/hs/3/").bad_key);
    assert_int_equal(get("/tor/status-vote/current/consensus-microdesc.z").flavour,
                     CONSENSUS_MICRODESC);
    assert_true(get("/tor/server/all.z").deflate);
    static const char publish[] = "/tor/hs/3/publish", other[] = "/tor/";
    assert_int_equal(resource_of(HTTP_POST, (struct text){publish, 17}).kind,
                     RESOURCE_ONION_PUBLISH);
    assert_int_equal(resource_of(HTTP_POST, (struct text){other, 5}).kind, RESOURCE_BAD);
}

static void lists(void **state)
{
    (void)state;
    uint8_t digest[40];
    struct text text;
    struct resource r = get("/tor/server/d/" FP "+x+++" FP "0+" FP ".z");
    assert_true(resource_next(&r, digest));
    assert_memory_equal(digest, "\x01\x23\x45\x67\x89", 5);
    assert_true(resource_next(&r, digest));
    assert_false(resource_next(&r, digest));
    r = get("/tor/micro/d/" KEY "-" KEY "=-" KEY "x-+/" KEY);
    assert_true(resource_next(&r, digest));
    assert_true(resource_next(&r, digest));
    assert_false(resource_next(&r, digest));
    r = get("/tor/keys/fp-sk/" FP "+" FP "-" FP "+" FP "-");
    assert_true(resource_next(&r, digest));
    assert_memory_equal(digest + 20, "\x01\x23\x45\x67\x89", 5);
    assert_false(resource_next(&r, digest));
    r = get("/tor/status-vote/current/consensus/" FP "++abcd");
    assert_true(resource_next_fingerprint(&r, &text) && text_is(text, FP));
    assert_true(resource_next_fingerprint(&r, &text) && text_is(text, "abcd"));
    assert_false(resource_next_fingerprint(&r, &text));
    static const char both[] = SHA3 ", " FP " " SHA3;
    text = (struct text){both, sizeof(both) - 1};
    assert_true(diff_from_next(&text, digest));
    assert_true(diff_from_next(&text, digest));
    assert_false(diff_from_next(&text, digest));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(head_ends), cmocka_unit_test(headers), cmocka_unit_test(no_requests),
        cmocka_unit_test(kinds),     cmocka_unit_test(lists),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
