// SPDX-License-Identifier: BSD-3-Clause
// Paths of directory requests.
#include "dir/serve/resource.h"

#include <string.h>

enum { SHA1_DIGEST = 20, SHA256_DIGEST = 32 };

static bool take_prefix(struct text *t, const char *prefix)
{
    size_t n = strlen(prefix);
    if (!text_begins(*t, prefix))
        return false;
    t->at += n;
    t->length -= n;
    return true;
}

// After "/tor/status-vote/current/consensus".
static void parse_consensus(struct text rest, struct resource *r)
{
    r->flavour = CONSENSUS_NS;
    if (take_prefix(&rest, "-")) {
        struct text flavour = text_take_until(&rest, "/");
        if (text_is(flavour, "microdesc"))
            r->flavour = CONSENSUS_MICRODESC;
        else if (!text_is(flavour, "ns"))
            return;
    } else if (rest.length > 0 && !take_prefix(&rest, "/")) {
        return;
    }
    r->kind = RESOURCE_CONSENSUS;
    if (take_prefix(&rest, "diff/")) {
        struct text digest = text_take_until(&rest, "/");
        r->kind = text_hex(digest, r->diff_from, sizeof(r->diff_from)) == 0 ? RESOURCE_DIFF
                                                                            : RESOURCE_UNKNOWN;
    }
    r->list = rest;
}

// After "/tor/server/" or "/tor/extra/".
static void parse_descriptors(struct text rest, struct resource *r, enum store_kind by_digest,
                              enum store_kind by_identity)
{
    r->kind = RESOURCE_DOCUMENTS;
    r->store = by_identity;
    if (text_is(rest, "all"))
        r->kind = RESOURCE_ALL;
    else if (text_is(rest, "authority"))
        r->kind = RESOURCE_OWN;
    else if (take_prefix(&rest, "d/"))
        r->store = by_digest;
    else if (!take_prefix(&rest, "fp/"))
        r->kind = RESOURCE_UNKNOWN;
    r->list = rest;
}

// After "/tor/keys/".
static void parse_keys(struct text rest, struct resource *r)
{
    r->kind = RESOURCE_DOCUMENTS;
    r->store = STORE_CERTIFICATE;
    if (text_is(rest, "all"))
        r->kind = RESOURCE_ALL;
    else if (text_is(rest, "authority")) // we are none
        r->kind = RESOURCE_UNKNOWN;
    else if (take_prefix(&rest, "sk/"))
        r->store = STORE_CERTIFICATE_BY_SIGNING_KEY;
    else if (take_prefix(&rest, "fp-sk/"))
        r->kind = RESOURCE_CERTIFICATE_PAIRS;
    else if (!take_prefix(&rest, "fp/"))
        r->kind = RESOURCE_BAD;
    r->list = rest;
}

static void parse_onion(struct text rest, struct resource *r)
{
    r->kind = RESOURCE_ONION_DESCRIPTOR;
    r->bad_key =
        rest.length != 43 || text_base64(rest, r->blinded_key, sizeof(r->blinded_key)) != 0;
}

static void parse_get(struct text path, struct resource *r)
{
    static const char deflate[] = ".z";
    size_t suffix = sizeof(deflate) - 1;
    if (path.length > suffix && memcmp(path.at + path.length - suffix, deflate, suffix) == 0) {
        r->deflate = true;
        path.length -= suffix;
    }
    take_prefix(&path, "/tor"); // it may be left out
    if (take_prefix(&path, "/status-vote/current/consensus")) {
        parse_consensus(path, r);
    } else if (take_prefix(&path, "/micro/d/")) {
        r->kind = RESOURCE_DOCUMENTS;
        r->store = STORE_MICRODESCRIPTOR;
        r->list = path;
    } else if (take_prefix(&path, "/server/")) {
        parse_descriptors(path, r, STORE_DESCRIPTOR, STORE_DESCRIPTOR_BY_IDENTITY);
    } else if (take_prefix(&path, "/extra/")) {
        parse_descriptors(path, r, STORE_EXTRA_INFO, STORE_EXTRA_INFO_BY_IDENTITY);
    } else if (take_prefix(&path, "/keys/")) {
        parse_keys(path, r);
    } else if (take_prefix(&path, "/hs/3/")) {
        parse_onion(path, r);
    } else if (text_is(path, "/robots.txt")) {
        r->kind = RESOURCE_ROBOTS;
    }
}

struct resource resource_of(enum http_method method, struct text path)
{
    struct resource r = {.kind = RESOURCE_UNKNOWN};
    if (method == HTTP_GET) {
        parse_get(path, &r);
    } else {
        take_prefix(&path, "/tor");
        r.kind = text_is(path, "/hs/3/publish") ? RESOURCE_ONION_PUBLISH : RESOURCE_BAD;
    }
    return r;
}

static bool read_pair(struct text part, uint8_t digest[2 * SHA1_DIGEST])
{
    struct text first = text_take_until(&part, "-");
    return text_hex(first, digest, SHA1_DIGEST) == 0 &&
           text_hex(part, digest + SHA1_DIGEST, SHA1_DIGEST) == 0;
}

bool resource_next(struct resource *r, uint8_t digest[40])
{
    bool micro = r->store == STORE_MICRODESCRIPTOR;
    while (r->list.length > 0) {
        struct text part = text_take_until(&r->list, micro ? "-" : "+");
        bool good;
        if (r->kind == RESOURCE_CERTIFICATE_PAIRS)
            good = read_pair(part, digest);
        else if (micro)
            good = text_base64(part, digest, SHA256_DIGEST) == 0;
        else
            good = text_hex(part, digest, SHA1_DIGEST) == 0;
        if (good)
            return true;
    }
    return false;
}

bool resource_next_fingerprint(struct resource *r, struct text *out)
{
    do {
        if (r->list.length == 0)
            return false;
        *out = text_take_until(&r->list, "+");
    } while (out->length == 0);
    return true;
}

bool diff_from_next(struct text *value, uint8_t digest[STORE_DIGEST_LEN])
{
    while (value->length > 0) {
        struct text part = text_take_until(value, " ,\t");
        if (text_hex(part, digest, STORE_DIGEST_LEN) == 0)
            return true;
    }
    return false;
}
