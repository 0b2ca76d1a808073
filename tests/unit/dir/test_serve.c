// SPDX-License-Identifier: BSD-3-Clause
// The directory server: every resource with its status and headers, in every encoding; what is
// made once and kept; bounds of memory and time (protocol 6.21–6.28, 7.01, 7.02).
#include "dir/serve/serve.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <uv.h>

#include "crypto/digest.h"
#include "dir/serve/serve_internal.h"
#include "identity/identity.h"
#include "netdoc/diff.h"
#include "serve_doubles.h"

enum {
    NOW = 1800000000,
    HOUR = 3600,
    RELAYS = 2000,
    TEXT_ROOM = 1 << 20,
    ALL = SIZE_MAX,
};

static struct relay relay;
static struct identity identity;
static uv_loop_t loop;
static struct directory_server *server;
static struct consensus parsed[CONSENSUS_FLAVOURS];
static struct consensus_signature signatures[3];

static time_t now(void)
{
    return NOW;
}

// Version 0, 1, …: some relays' bandwidth differs.
static struct blob *make_consensus(unsigned version)
{
    char *text = malloc(TEXT_ROOM);
    size_t n = (size_t)sprintf(text, "network-status-version 3\nvalid-after %u\n", version);
    for (unsigned i = 0; i < RELAYS; i++)
        n += (size_t)sprintf(
            text + n, "r relay%u AAAA%c%cAAAAAAAAAAAAAAAAAAAAA x\nw Bandwidth=%u\n", i,
            'A' + (int)i / 26 % 26, 'A' + (int)i % 26, i * 7919 + (i % 50 == 0 ? version : 0));
    n += (size_t)sprintf(text + n, "directory-footer\ndirectory-signature a b\nsignature %u\n",
                         version);
    struct blob *blob = blob_create(text, n);
    free(text);
    return blob;
}

static void set_consensus(enum consensus_flavour flavour, unsigned index, unsigned version)
{
    struct stored_consensus *c = &fake_store.consensuses[flavour][index];
    *c = (struct stored_consensus){.text = make_consensus(version),
                                   .parsed = index == 0 ? &parsed[flavour] : NULL,
                                   .valid_after = NOW - HOUR / 2,
                                   .fresh_until = NOW + HOUR / 2,
                                   .valid_until = NOW + HOUR * 3};
    sha3_256(c->text->bytes, consensus_signed_length(c->text->bytes, c->text->length),
             c->sha3_signed);
    parsed[flavour] = (struct consensus){.flavour = flavour,
                                         .valid_after = c->valid_after,
                                         .fresh_until = c->fresh_until,
                                         .valid_until = c->valid_until,
                                         .signatures = signatures,
                                         .n_signatures = 3};
    if (fake_store.n_consensuses[flavour] <= index)
        fake_store.n_consensuses[flavour] = index + 1;
    fake_store.generation++;
}

static int set_up(void **state)
{
    (void)state;
    uv_loop_init(&loop);
    relay = (struct relay){
        .loop = &loop, .wall_clock = now, .identity = &identity, .hsdir = (struct hsdir *)&relay};
    memset(identity.rsa_id, 0x42, sizeof(identity.rsa_id));
    for (unsigned i = 0; i < 3; i++)
        memset(signatures[i].identity, 0xa0 + (int)i, 20);
    set_consensus(CONSENSUS_NS, 0, 2);
    set_consensus(CONSENSUS_NS, 1, 1);
    set_consensus(CONSENSUS_MICRODESC, 0, 5);
    server = directory_server_create(&relay);
    assert_non_null(server);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    assert_int_equal(server->n_requests, 0);
    assert_int_equal(server->memory_bytes, 0);
    assert_int_equal(server->compressor_bytes, 0);
    directory_server_free(server);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    for (unsigned f = 0; f < CONSENSUS_FLAVOURS; f++)
        for (unsigned i = 0; i < fake_store.n_consensuses[f]; i++) {
            assert_int_equal(fake_store.consensuses[f][i].text->holders, 1);
            blob_drop(fake_store.consensuses[f][i].text);
        }
    for (unsigned i = 0; i < fake_store.n_documents; i++)
        assert_int_equal(fake_store.documents[i].text->holders, 1);
    fake_store_clear();
    return 0;
}

// ---- asking

struct answer {
    unsigned status;
    char head[1000];
    struct blob *body; // unpacked
    enum compression encoding;
};

static struct stream *begin(const char *request, size_t piece, bool from_client)
{
    struct stream *s = fake_stream_new(from_client);
    directory_server_accept(server, s);
    if (s->ops != NULL)
        fake_stream_send(s, request, strlen(request), piece);
    return s;
}

// Lets helper threads work until the stream ends.
static void finish(struct stream *s)
{
    for (;;) {
        fake_stream_pull(s, ALL);
        if (s->ended)
            return;
        assert_true(server->packed != NULL && uv_run(&loop, UV_RUN_ONCE) != -1);
    }
}

static bool header_is(const struct answer *a, const char *line)
{
    char wanted[200];
    snprintf(wanted, sizeof(wanted), "\r\n%s\r\n", line);
    return strstr(a->head, wanted) != NULL;
}

static void read_answer(struct stream *s, struct answer *a)
{
    const uint8_t *end = memmem(s->got, s->length, "\r\n\r\n", 4);
    assert_non_null(end);
    size_t head = (size_t)(end - s->got) + 4;
    assert_true(head < sizeof(a->head));
    memcpy(a->head, s->got, head);
    a->head[head] = '\0';
    assert_int_equal(sscanf(a->head, "HTTP/1.0 %u ", &a->status), 1);
    assert_true(header_is(a, "Date: Fri, 15 Jan 2027 08:00:00 GMT"));
    char name[40] = "identity";
    const char *encoding = strstr(a->head, "Content-Encoding: ");
    if (encoding != NULL)
        assert_int_equal(sscanf(encoding, "Content-Encoding: %39s", name), 1);
    assert_true(compression_by_name(name, strlen(name), &a->encoding));
    size_t length = s->length - head;
    const char *said = strstr(a->head, "Content-Length: ");
    if (said != NULL)
        assert_int_equal(strtoul(said + 16, NULL, 10), length);
    assert_int_equal(decompress(a->encoding, s->got + head, length, 64 << 20, &a->body), 0);
}

static struct answer ask_in_pieces(const char *request, size_t piece, bool from_client)
{
    struct answer a;
    struct stream *s = begin(request, piece, from_client);
    finish(s);
    assert_int_equal(s->reason, END_DONE);
    read_answer(s, &a);
    fake_stream_free(s);
    return a;
}

static struct answer get(const char *path, const char *headers)
{
    char request[4000];
    snprintf(request, sizeof(request), "GET %s HTTP/1.0\r\n%s\r\n", path, headers);
    return ask_in_pieces(request, RELAY_BODY_MAX, false);
}

static void expect_status(const char *path, const char *headers, unsigned status)
{
    struct answer a = get(path, headers);
    if (a.status != status)
        fail_msg("%s: %u, not %u", path, a.status, status);
    if (status != 200)
        assert_int_equal(a.body->length, 0);
    blob_drop(a.body);
}

static void expect_text(struct answer *a, const void *text, size_t length)
{
    assert_int_equal(a->status, 200);
    assert_int_equal(a->body->length, length);
    assert_memory_equal(a->body->bytes, text, length);
    blob_drop(a->body);
}

static void expect_document(const char *path, const char *headers, const char *text)
{
    struct answer a = get(path, headers);
    if (a.status != 200)
        fail_msg("%s: %u", path, a.status);
    expect_text(&a, text, strlen(text));
}

// ---- tests

static void statuses(void **state)
{
    (void)state;
    expect_status("/tor/", "", 404);
    expect_status("/tor/status-vote/next/consensus", "", 404);
    expect_status("/tor/keys/other", "", 400);
    expect_document("/tor/robots.txt", "", "User-agent: *\r\nDisallow: /\r\n");
    struct answer a = ask_in_pieces("GET /x\r\n\r\n", 1, false);
    assert_int_equal(a.status, 400);
    blob_drop(a.body);
    a = ask_in_pieces("POST /tor/ HTTP/1.0\r\nContent-Length: 5\r\n\r\nhello", 7, false);
    assert_int_equal(a.status, 400);
    blob_drop(a.body);
    assert_int_equal(relay.counters.drop_serve_malformed, 1);
    assert_int_equal(relay.counters.serve_requests, 6);
    assert_int_equal(relay.counters.serve_answers, 1);
}

static void in_pieces(void **state)
{
    (void)state;
    for (size_t piece = 1; piece < 40; piece++) {
        struct answer a =
            ask_in_pieces("GET /tor/robots.txt HTTP/1.0\r\nHost: a\r\n\r\nand more", piece, true);
        assert_int_equal(a.status, 200);
        blob_drop(a.body);
    }
}

static void tells_the_address(void **state)
{
    (void)state;
    static const char request[] = "GET /tor/robots.txt HTTP/1.0\r\n\r\n";
    static const char *const addresses[] = {"192.0.2.7", "9.9.9.9", "10.1.2.3"};
    for (unsigned i = 0; i < 3; i++) {
        struct stream *s = begin("", 1, true);
        struct answer a;
        assert_true(address_parse(addresses[i], &s->peer));
        s->peer.port = 443;
        fake_stream_send(s, request, strlen(request), 1000);
        finish(s);
        read_answer(s, &a);
        // Not those that nobody can be reached at.
        assert_int_equal(header_is(&a, "X-Your-Address-Is: 9.9.9.9"), i == 1);
        assert_int_equal(strstr(a.head, "X-Your") != NULL, i == 1);
        blob_drop(a.body);
        fake_stream_free(s);
    }
}

static void endless_head(void **state)
{
    (void)state;
    struct stream *s = begin("GET /tor/robots.txt HTTP/1.0\r\n", 100, false);
    char *line = malloc(60000);
    memset(line, 'x', 60000);
    fake_stream_send(s, line, 60000, RELAY_BODY_MAX);
    assert_true(s->closed);
    assert_int_equal(s->reason, END_TORPROTOCOL);
    free(line);
    fake_stream_free(s);
}

static void consensus_in_every_encoding(void **state)
{
    (void)state;
    static const char path[] = "/tor/status-vote/current/consensus";
    const struct blob *text = fake_store.consensuses[CONSENSUS_NS][0].text;
    static const struct {
        const char *header;
        enum compression encoding;
    } cases[] = {
        {"", COMPRESSION_IDENTITY},
        {"Accept-Encoding: deflate\r\n", COMPRESSION_DEFLATE},
        {"Accept-Encoding: gzip\r\n", COMPRESSION_GZIP},
        {"Accept-Encoding: gzip, x-zstd\r\n", COMPRESSION_ZSTD},
        {"Accept-Encoding: deflate, gzip, x-tor-lzma, x-zstd\r\n", COMPRESSION_LZMA},
    };
    for (unsigned round = 0; round < 2; round++)
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
            struct answer a = get(path, cases[i].header);
            assert_int_equal(a.encoding, cases[i].encoding);
            assert_true(header_is(&a, "Vary: X-Or-Diff-From-Consensus"));
            assert_true(header_is(&a, "Expires: Fri, 15 Jan 2027 08:30:00 GMT"));
            assert_true(header_is(&a, "Content-Type: text/plain"));
            expect_text(&a, text->bytes, text->length);
        }
    struct answer a = get("/tor/status-vote/current/consensus.z", "");
    assert_int_equal(a.encoding, COMPRESSION_DEFLATE);
    expect_text(&a, text->bytes, text->length);
    text = fake_store.consensuses[CONSENSUS_MICRODESC][0].text;
    a = get("/tor/status-vote/current/consensus-microdesc", "Accept-Encoding: x-zstd\r\n");
    expect_text(&a, text->bytes, text->length);
}

// Many ask while it is made; it is made once, and again only when another consensus is in force.
static void made_once(void **state)
{
    (void)state;
    enum { ASKING = 50 };
    struct stream *s[ASKING];
    for (unsigned i = 0; i < ASKING; i++) {
        s[i] = begin("GET /tor/status-vote/current/consensus HTTP/1.0\r\n"
                     "Accept-Encoding: x-zstd\r\n\r\n",
                     1000, false);
        fake_stream_pull(s[i], ALL);
        assert_int_equal(s[i]->length, 0); // it waits
    }
    fake_stream_free(s[7]); // one goes
    for (unsigned i = 0; i < ASKING; i++)
        if (i != 7) {
            finish(s[i]);
            fake_stream_free(s[i]);
        }
    struct blob *packed[3] = {NULL};
    struct blob *text = fake_store.consensuses[CONSENSUS_NS][0].text;
    assert_int_equal(packed_get(server->packed, NULL, text, COMPRESSION_ZSTD, &packed[0]),
                     PACKED_READY);
    assert_int_equal(packed[0]->holders, 2); // the last to have it, but for us
    blob_drop(packed[0]);
    struct blob *old = text;
    set_consensus(CONSENSUS_NS, 0, 9);
    text = fake_store.consensuses[CONSENSUS_NS][0].text;
    struct answer a = get("/tor/status-vote/current/consensus", "Accept-Encoding: x-zstd\r\n");
    expect_text(&a, text->bytes, text->length);
    assert_int_equal(old->holders, 1); // nothing of it is kept
    blob_drop(old);
}

static void signed_by_enough(void **state)
{
    (void)state;
#define A "A0A0A0A0A0A0A0A0A0A0A0A0A0A0A0A0A0A0A0A0"
#define B "a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1"
#define X "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF"
    expect_status("/tor/status-vote/current/consensus/" A, "", 200);
    expect_status("/tor/status-vote/current/consensus/" A "+" B "+" X ".z", "", 200);
    expect_status("/tor/status-vote/current/consensus/" A "+" X, "", 404);
    expect_status("/tor/status-vote/current/consensus/" X, "", 404);
    expect_status("/tor/status-vote/current/consensus-microdesc/A0A0A0+A1A1A1+FFFFFF", "", 200);
    expect_status("/tor/status-vote/current/consensus-microdesc/A0A0A0+EEEEEE+FFFFFF", "", 404);
}

// Each authority that is asked for is looked for among the signatures: there is a bound.
static void asks_for_too_many_authorities(void **state)
{
    (void)state;
    char path[64 + 3 * (CONSENSUS_VOTERS_MAX + 1)] = "/tor/status-vote/current/consensus/A0";
    for (int i = 1; i < CONSENSUS_VOTERS_MAX; i++)
        strcat(path, "+A0");
    expect_status(path, "", 200);
    strcat(path, "+A0");
    expect_status(path, "", 404);
}

static void too_old(void **state)
{
    (void)state;
    parsed[CONSENSUS_NS].valid_until = NOW - 24 * HOUR + 1;
    expect_status("/tor/status-vote/current/consensus", "", 200);
    parsed[CONSENSUS_NS].valid_until = NOW - 24 * HOUR - 1;
    expect_status("/tor/status-vote/current/consensus", "", 404);
    parsed[CONSENSUS_MICRODESC].valid_after = NOW + 24 * HOUR + 1;
    expect_status("/tor/status-vote/current/consensus-microdesc", "", 404);
    blob_drop(fake_store.consensuses[CONSENSUS_MICRODESC][0].text);
    fake_store.n_consensuses[CONSENSUS_MICRODESC] = 0;
    expect_status("/tor/status-vote/current/consensus-microdesc", "", 404);
}

static void digest_hex(unsigned index, char *out)
{
    for (unsigned i = 0; i < 32; i++)
        sprintf(out + 2 * i, "%02X", fake_store.consensuses[CONSENSUS_NS][index].sha3_signed[i]);
}

static void not_modified(void **state)
{
    (void)state;
    static const char path[] = "/tor/status-vote/current/consensus";
    char header[200], date[HTTP_DATE_LEN + 1], hex[65];
    http_date(NOW - HOUR / 2, date);
    snprintf(header, sizeof(header), "If-Modified-Since: %s\r\n", date);
    expect_status(path, header, 304);
    http_date(NOW - HOUR / 2 - 1, date);
    snprintf(header, sizeof(header), "If-Modified-Since: %s\r\n", date);
    expect_status(path, header, 200);
    digest_hex(0, hex);
    snprintf(header, sizeof(header), "X-Or-Diff-From-Consensus: %064d, %s\r\n", 0, hex);
    expect_status(path, header, 304);
}

static void diffs(void **state)
{
    (void)state;
    const struct stored_consensus *c = fake_store.consensuses[CONSENSUS_NS];
    char headers[300], path[300], hex[65];
    digest_hex(1, hex);
    static const char *const encodings[] = {"", "deflate", "gzip", "x-zstd", "x-tor-lzma"};
    for (unsigned i = 0; i < 5; i++) {
        snprintf(headers, sizeof(headers),
                 "X-Or-Diff-From-Consensus: %064d %s\r\nAccept-Encoding: %s\r\n", 0, hex,
                 encodings[i]);
        struct answer a = get("/tor/status-vote/current/consensus/" A, headers);
        assert_int_equal(a.status, 200);
        assert_true(header_is(&a, "Vary: X-Or-Diff-From-Consensus"));
        assert_int_equal(a.encoding, i);
        struct blob *result = consensus_diff_apply(c[1].text->bytes, c[1].text->length,
                                                   a.body->bytes, a.body->length);
        assert_non_null(result);
        assert_int_equal(result->length, c[0].text->length);
        assert_memory_equal(result->bytes, c[0].text->bytes, result->length);
        assert_true(a.body->length < result->length / 5);
        blob_drop(result);
        blob_drop(a.body);
    }
    snprintf(path, sizeof(path), "/tor/status-vote/current/consensus/diff/%s/" A "+" B ".z", hex);
    struct answer a = get(path, "");
    assert_int_equal(a.status, 200);
    assert_int_equal(a.encoding, COMPRESSION_DEFLATE);
    assert_memory_equal(a.body->bytes, "network-status-diff-version 1\n", 30);
    blob_drop(a.body);
    // From one that we do not have: by header all of it, by path nothing.
    snprintf(headers, sizeof(headers), "X-Or-Diff-From-Consensus: %064d\r\n", 0);
    a = get("/tor/status-vote/current/consensus", headers);
    expect_text(&a, c[0].text->bytes, c[0].text->length);
    snprintf(path, sizeof(path), "/tor/status-vote/current/consensus/diff/%064d/" A, 0);
    expect_status(path, "", 404);
    // Of another flavour, and not signed by those who are asked for.
    snprintf(path, sizeof(path), "/tor/status-vote/current/consensus-microdesc/diff/%s/" A, hex);
    expect_status(path, "", 404);
    snprintf(path, sizeof(path), "/tor/status-vote/current/consensus/diff/%s/" X, hex);
    expect_status(path, "", 404);
}

#define D32_1 "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE"
#define D32_2 "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI"
#define D20_1 "0101010101010101010101010101010101010101"
#define D20_2 "0202020202020202020202020202020202020202"

static void microdescriptors(void **state)
{
    (void)state;
    fake_store_add(STORE_MICRODESCRIPTOR, 1, "onion-key\none\n");
    struct answer a = get("/tor/micro/d/" D32_2 "-" D32_1 "-" D32_1 ".z",
                          "Accept-Encoding: x-tor-lzma, x-zstd\r\n");
    assert_int_equal(a.encoding, COMPRESSION_ZSTD); // LZMA takes too much time
    assert_true(header_is(&a, "Expires: Sun, 17 Jan 2027 08:00:00 GMT"));
    expect_text(&a, "onion-key\none\n", 14);
    expect_status("/tor/micro/d/" D32_2, "", 404);
    expect_status("/tor/micro/d/", "", 404);
    fake_store_add(STORE_MICRODESCRIPTOR, 2, "onion-key\ntwo\n");
    static const char *const encodings[] = {"", "deflate", "gzip", "x-zstd"};
    for (unsigned i = 0; i < 4; i++) {
        char header[100];
        snprintf(header, sizeof(header), "Accept-Encoding: %s\r\n", encodings[i]);
        a = get("/tor/micro/d/" D32_1 "-" D32_2, header);
        assert_int_equal(a.encoding, i);
        assert_int_equal(a.body->length, 28);
        assert_non_null(strstr((char *)a.body->bytes, "one\n"));
        assert_non_null(strstr((char *)a.body->bytes, "two\n"));
        blob_drop(a.body);
    }
}

static void descriptors(void **state)
{
    (void)state;
    fake_store_add(STORE_DESCRIPTOR, 1, "router one\n");
    fake_store_add(STORE_DESCRIPTOR_BY_IDENTITY, 2, "router two\n");
    fake_store_add(STORE_DESCRIPTOR_BY_IDENTITY, 0x42, "router own\n");
    fake_store_add(STORE_EXTRA_INFO, 1, "extra-info one\n");
    fake_store_add(STORE_EXTRA_INFO_BY_IDENTITY, 0x42, "extra-info own\n");
    expect_document("/tor/server/d/" D20_1, "", "router one\n");
    expect_document("/tor/server/d/" D20_2 "+" D20_1 ".z", "", "router one\n");
    expect_document("/tor/server/fp/" D20_2, "Accept-Encoding: gzip\r\n", "router two\n");
    expect_document("/tor/server/authority.z", "", "router own\n");
    expect_document("/tor/extra/d/" D20_1, "", "extra-info one\n");
    expect_document("/tor/extra/authority", "", "extra-info own\n");
    expect_document("/tor/extra/all", "", "extra-info own\n");
    expect_status("/tor/server/d/" D20_2, "", 404);
    struct answer a = get("/tor/server/all", "Accept-Encoding: x-zstd\r\n");
    assert_int_equal(a.body->length, 22);
    assert_true(header_is(&a, "Expires: Fri, 15 Jan 2027 09:00:00 GMT"));
    blob_drop(a.body);
}

static void certificates(void **state)
{
    (void)state;
#define CERTIFICATE(fingerprint)                                                                   \
    "dir-key-certificate-version 3\nfingerprint " fingerprint                                      \
    "\ndir-key-published 2027-01-01 00:00:00\n"
    fake_store_add(STORE_CERTIFICATE, 1, CERTIFICATE(D20_1));
    fake_store_add(STORE_CERTIFICATE_BY_SIGNING_KEY, 2, CERTIFICATE(D20_1));
    expect_document("/tor/keys/all", "", CERTIFICATE(D20_1));
    expect_document("/tor/keys/fp/" D20_1 ".z", "", CERTIFICATE(D20_1));
    expect_document("/tor/keys/sk/" D20_2, "Accept-Encoding: x-zstd\r\n", CERTIFICATE(D20_1));
    expect_document("/tor/keys/fp-sk/" D20_1 "-" D20_2, "", CERTIFICATE(D20_1));
    expect_status("/tor/keys/fp-sk/" D20_2 "-" D20_2, "", 404);
    expect_status("/tor/keys/fp-sk/" D20_1 "-" D20_1, "", 404);
    expect_status("/tor/keys/authority", "", 404);
    expect_status("/tor/keys/all", "If-Modified-Since: Fri, 01 Jan 2027 00:00:01 GMT\r\n", 304);
    expect_status("/tor/keys/all", "If-Modified-Since: Fri, 01 Jan 2027 00:00:00 GMT\r\n", 200);
}

#define KEY_7 "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc"

static void onion_descriptors(void **state)
{
    (void)state;
    fake_hsdir.descriptor = blob_create("hs-descriptor 3\n", 16);
    struct answer a = get("/tor/hs/3/" KEY_7, "Accept-Encoding: deflate, x-zstd\r\n");
    assert_int_equal(a.encoding, COMPRESSION_IDENTITY);
    assert_true(header_is(&a, "Pragma: no-cache"));
    expect_text(&a, "hs-descriptor 3\n", 16);
    expect_status("/tor/hs/3/" D32_1, "", 404);
    expect_status("/tor/hs/3/short", "", 404);
    static const char *const one_hop[] = {
        "GET /tor/hs/3/" KEY_7 " HTTP/1.0\r\n\r\n", "GET /tor/hs/3/short HTTP/1.0\r\n\r\n",
        "POST /tor/hs/3/publish HTTP/1.0\r\nContent-Length: 5\r\n\r\nhello"};
    for (unsigned i = 0; i < 3; i++) {
        a = ask_in_pieces(one_hop[i], 9, true);
        assert_int_equal(a.status, 503);
        blob_drop(a.body);
    }
    assert_int_equal(fake_hsdir.published_length, 0);
}

static void publishing(void **state)
{
    (void)state;
    static const char request[] =
        "POST /tor/hs/3/publish HTTP/1.0\r\nContent-Length: 5\r\n\r\nhello and more";
    for (size_t piece = 1; piece < sizeof(request); piece++) {
        struct answer a = ask_in_pieces(request, piece, false);
        assert_int_equal(a.status, 200);
        assert_int_equal(fake_hsdir.published_length, 5);
        assert_memory_equal(fake_hsdir.published, "hello", 5);
        blob_drop(a.body);
    }
    fake_hsdir.refuse = true;
    struct answer a = ask_in_pieces(request, 100, false);
    assert_int_equal(a.status, 400);
    blob_drop(a.body);
    fake_hsdir.published_length = 0;
    a = ask_in_pieces("POST /tor/hs/3/publish HTTP/1.0\r\nContent-Length: 50001\r\n\r\n", 100,
                      false);
    assert_int_equal(a.status, 400);
    blob_drop(a.body);
    assert_int_equal(fake_hsdir.published_length, 0);
}

// Some thousand clients that read a little at a time, or nothing.
static void many_at_once(void **state)
{
    (void)state;
    enum { CLIENTS = 3000, DOCUMENTS = 20 };
    static struct stream *s[CLIENTS];
    char *text = malloc(5001);
    for (unsigned i = 0, x = 1; i < 5000; i++, x = x * 1103515245 + 12345)
        text[i] = (char)('0' + (x >> 16) % 64); // does not shrink to a cell
    text[5000] = '\0';
    for (unsigned i = 0; i < DOCUMENTS; i++)
        fake_store_add(STORE_DESCRIPTOR_BY_IDENTITY, (uint8_t)i, text);
    unsigned plain = 0;
    for (unsigned i = 0; i < CLIENTS; i++) {
        s[i] = begin("GET /tor/server/all HTTP/1.0\r\nAccept-Encoding: x-zstd\r\n\r\n", 1000, true);
        fake_stream_pull(s[i], 300);
        assert_int_equal(server->n_requests, i + 1);
        assert_true(server->memory_bytes <= SERVE_MEMORY_BYTES_MAX);
        plain += strstr((char *)s[i]->got, "identity") != NULL;
    }
    // Beyond the compressors' share they are sent as they are.
    assert_in_range(plain, 1, CLIENTS - 1);
    for (unsigned i = 0; i < CLIENTS; i++) {
        struct answer a;
        finish(s[i]);
        read_answer(s[i], &a);
        assert_int_equal(a.body->length, DOCUMENTS * 5000);
        blob_drop(a.body);
        fake_stream_free(s[i]);
    }
    free(text);
}

// Heads and bodies that never end fill the memory up to its bound.
static void memory_is_bounded(void **state)
{
    (void)state;
    enum { CLIENTS = 2000 };
    static struct stream *s[CLIENTS];
    char *body = calloc(1, 49999);
    unsigned refused = 0;
    for (unsigned i = 0; i < CLIENTS; i++) {
        s[i] =
            begin("POST /tor/hs/3/publish HTTP/1.0\r\nContent-Length: 50000\r\n\r\n", 1000, false);
        fake_stream_send(s[i], body, 49999, RELAY_BODY_MAX);
        assert_true(server->memory_bytes <= SERVE_MEMORY_BYTES_MAX);
        if (s[i]->closed) {
            assert_int_equal(s[i]->reason, END_RESOURCELIMIT);
            refused++;
        }
    }
    assert_in_range(refused, 1, CLIENTS - 1);
    for (unsigned i = 0; i < CLIENTS; i++)
        fake_stream_free(s[i]);
    free(body);
}

// Onion services' descriptors that are sent slowly stay in memory when the HSDir has given them up.
static void pinned_descriptors_are_bounded(void **state)
{
    (void)state;
    enum { CLIENTS = 1500, LENGTH = 49999 };
    static struct stream *s[CLIENTS];
    unsigned refused = 0;
    fake_hsdir.descriptor = blob_create(NULL, LENGTH);
    memset(fake_hsdir.descriptor->bytes, 'd', LENGTH);
    for (unsigned i = 0; i < CLIENTS; i++) {
        s[i] = begin("GET /tor/hs/3/" KEY_7 " HTTP/1.0\r\n\r\n", 1000, false);
        fake_stream_pull(s[i], 300);
        assert_true(server->memory_bytes <= SERVE_MEMORY_BYTES_MAX);
        refused += memcmp(s[i]->got, "HTTP/1.0 503", 12) == 0;
    }
    size_t held = (size_t)fake_hsdir.descriptor->holders - 1;
    assert_in_range(held * LENGTH, SERVE_MEMORY_BYTES_MAX / 2, SERVE_MEMORY_BYTES_MAX);
    assert_in_range(refused, 1, CLIENTS - 1);
    for (unsigned i = 0; i < CLIENTS; i++)
        fake_stream_free(s[i]);
    assert_int_equal(fake_hsdir.descriptor->holders, 1);
}

static void slow_ones_are_ended(void **state)
{
    (void)state;
    uint64_t start = uv_now(&loop);
    struct stream *reading = begin("GET /tor/ro", 1000, true);
    struct stream *answering = begin("GET /tor/robots.txt HTTP/1.0\r\n\r\n", 1000, true);
    struct stream *waiting =
        begin("GET /tor/status-vote/current/consensus.z HTTP/1.0\r\n\r\n", 1000, true);
    directory_server_expire(server, start + SERVE_READ_MS - 1000);
    assert_false(reading->ended || answering->ended || waiting->ended);
    directory_server_expire(server, start + SERVE_READ_MS + 1000);
    assert_true(reading->ended && waiting->ended);
    assert_int_equal(reading->reason, END_TIMEOUT);
    assert_false(answering->ended);
    directory_server_expire(server, start + SERVE_ANSWER_MS + 1000);
    assert_true(answering->ended);
    assert_int_equal(relay.counters.drop_serve_timeout, 3);
    fake_stream_free(reading);
    fake_stream_free(answering);
    fake_stream_free(waiting);
}

// The server goes while streams are there and a helper thread is busy.
static void ends_at_any_time(void **state)
{
    (void)state;
    struct stream *reading = begin("GET /tor/ro", 1000, true);
    struct stream *waiting =
        begin("GET /tor/status-vote/current/consensus.z HTTP/1.0\r\n\r\n", 1000, true);
    directory_server_free(server);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_null(reading->ops);
    fake_stream_free(reading);
    fake_stream_free(waiting);
    server = directory_server_create(&relay);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(statuses),
        TEST(in_pieces),
        TEST(tells_the_address),
        TEST(endless_head),
        TEST(consensus_in_every_encoding),
        TEST(made_once),
        TEST(signed_by_enough),
        TEST(asks_for_too_many_authorities),
        TEST(too_old),
        TEST(not_modified),
        TEST(diffs),
        TEST(microdescriptors),
        TEST(descriptors),
        TEST(certificates),
        TEST(onion_descriptors),
        TEST(publishing),
        TEST(many_at_once),
        TEST(memory_is_bounded),
        TEST(pinned_descriptors_are_bounded),
        TEST(slow_ones_are_ended),
        TEST(ends_at_any_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
