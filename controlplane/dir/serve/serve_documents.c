// SPDX-License-Identifier: BSD-3-Clause
// What the directory server answers to what it is asked for (protocol 6.21–6.28, 7.01, 7.02).
#include <string.h>

#include "dir/parameters.h"
#include "dir/serve/serve_internal.h"
#include "identity/identity.h"
#include "netdoc/consensus.h"
#include "onion/relay/hsdir.h"

enum {
    ROBOTS_LIFETIME_S = 24 * 3600,
    MICRODESCRIPTOR_LIFETIME_S = 48 * 3600, // what a digest names does not change
    ALL_LIFETIME_S = 3600,
    CERTIFICATE_LIFETIME_S = 3600,
};

// ---- consensuses

static bool is_signed_by(const struct consensus *c, struct text fingerprint)
{
    char hex[41];
    if (fingerprint.length > 40)
        return false;
    for (size_t i = 0; i < c->n_signatures; i++) {
        for (unsigned k = 0; k < 20; k++) {
            static const char digits[] = "0123456789ABCDEF";
            hex[2 * k] = digits[c->signatures[i].identity[k] >> 4];
            hex[2 * k + 1] = digits[c->signatures[i].identity[k] & 15];
        }
        hex[40] = '\0';
        if (strncasecmp(hex, fingerprint.at, fingerprint.length) == 0)
            return true;
    }
    return false;
}

// More than half of the authorities that the client asks for have signed it, or it asks for none.
// Nobody knows of more authorities than can vote; a longer list is there to make work.
static bool is_signed_enough(const struct consensus *c, struct resource *what)
{
    struct text fingerprint;
    unsigned asked = 0, have = 0;
    while (resource_next_fingerprint(what, &fingerprint)) {
        if (asked++ == CONSENSUS_VOTERS_MAX)
            return false;
        have += is_signed_by(c, fingerprint);
    }
    return asked == 0 || have > asked / 2;
}

// Encodings of what is made once, the smallest first.
static const enum compression packed_order[] = {COMPRESSION_LZMA, COMPRESSION_ZSTD,
                                                COMPRESSION_DEFLATE, COMPRESSION_GZIP,
                                                COMPRESSION_IDENTITY};

static enum packed_state find_packed(struct request *r, struct blob *base, struct blob *text,
                                     unsigned accepted, enum compression *encoding,
                                     struct blob **out)
{
    for (size_t i = 0; i < sizeof(packed_order) / sizeof(packed_order[0]); i++) {
        if (!(accepted & 1u << packed_order[i]))
            continue;
        *encoding = packed_order[i];
        enum packed_state state = packed_get(r->server->packed, base, text, *encoding, out);
        if (state != PACKED_NONE)
            return state;
    }
    return PACKED_NONE;
}

static const struct stored_consensus *find_base(const struct request *r,
                                                enum consensus_flavour flavour,
                                                const uint8_t digest[STORE_DIGEST_LEN])
{
    const struct stored_consensus *base;
    for (unsigned i = 0; (base = store_consensus(r->server->relay->store, flavour, i)); i++)
        if (memcmp(base->sha3_signed, digest, STORE_DIGEST_LEN) == 0)
            return base;
    return NULL;
}

// What the client has and how what it wants is told apart from it.
struct wanted {
    const struct stored_consensus *newest;
    struct resource *what;
    const struct http_request *http;
    unsigned accepted;
};

// The next base the client has.
static bool next_base(const struct wanted *w, struct text *header, bool *url_taken,
                      uint8_t digest[STORE_DIGEST_LEN])
{
    if (w->what->kind != RESOURCE_DIFF)
        return diff_from_next(header, digest);
    if (*url_taken)
        return false;
    *url_taken = true;
    memcpy(digest, w->what->diff_from, STORE_DIGEST_LEN);
    return true;
}

static bool has_newest(const struct wanted *w)
{
    struct text header = w->http->diff_from;
    uint8_t digest[STORE_DIGEST_LEN];
    bool url_taken = false;
    while (next_base(w, &header, &url_taken, digest))
        if (memcmp(digest, w->newest->sha3_signed, sizeof(digest)) == 0)
            return true;
    return w->http->if_modified_since != 0 && w->http->if_modified_since >= w->newest->valid_after;
}

static enum packed_state find_diff(struct request *r, const struct wanted *w,
                                   enum compression *encoding, struct blob **out)
{
    struct text header = w->http->diff_from;
    uint8_t digest[STORE_DIGEST_LEN];
    bool url_taken = false;
    while (next_base(w, &header, &url_taken, digest)) {
        const struct stored_consensus *base = find_base(r, w->what->flavour, digest);
        if (base == NULL)
            continue;
        enum packed_state state =
            find_packed(r, base->text, w->newest->text, w->accepted, encoding, out);
        if (state != PACKED_NONE)
            return state;
    }
    return PACKED_NONE;
}

void directory_server_forget_old(struct directory_server *server)
{
    uint64_t generation = store_generation(server->relay->store);
    if (generation == server->generation)
        return;
    server->generation = generation;
    struct blob *texts[CONSENSUS_FLAVOURS];
    size_t n = 0;
    for (unsigned f = 0; f < CONSENSUS_FLAVOURS; f++) {
        const struct stored_consensus *newest =
            store_consensus(server->relay->store, (enum consensus_flavour)f, 0);
        if (newest != NULL)
            texts[n++] = newest->text;
    }
    packed_keep(server->packed, texts, n);
}

static void send_consensus(struct request *r, const struct wanted *w)
{
    enum compression encoding = COMPRESSION_IDENTITY;
    struct blob *packed = NULL;
    enum packed_state state = find_diff(r, w, &encoding, &packed);
    if (state == PACKED_NONE && w->what->kind == RESOURCE_DIFF) {
        reply_status(r, 404, "No such diff available");
        return;
    }
    bool is_diff = state == PACKED_READY;
    if (state == PACKED_NONE)
        state = find_packed(r, NULL, w->newest->text, w->accepted, &encoding, &packed);
    if (state != PACKED_READY)
        return; // REQUEST_WAITS: the text itself is always ready
    bool added = reply_add(r, packed);
    blob_drop(packed);
    r->server->relay->counters.serve_diffs += added && is_diff;
    time_t now = relay_now(r->server->relay);
    const struct reply_head head = {
        .encoding = encoding,
        .lifetime_s = w->newest->fresh_until > now ? (long)(w->newest->fresh_until - now) : 0,
        .varies_by_diff = true,
    };
    if (added)
        reply_begin(r, &head);
}

static void handle_consensus(struct request *r, struct resource *what,
                             const struct http_request *http, unsigned accepted)
{
    const struct relay *relay = r->server->relay;
    const struct wanted w = {store_consensus(relay->store, what->flavour, 0), what, http, accepted};
    directory_server_forget_old(r->server);
    if (w.newest == NULL || w.newest->parsed == NULL)
        reply_status(r, 404, "Not found");
    else if (has_newest(&w))
        reply_status(r, 304, "Not modified");
    else if (!consensus_is_reasonably_live(w.newest->parsed, relay_now(relay))) // 6.28
        reply_status(r, 404, "Consensus is too old or too new");
    else if (!is_signed_enough(w.newest->parsed, what))
        reply_status(r, 404, "Consensus not signed by enough of these authorities");
    else
        send_consensus(r, &w);
}

// ---- documents

// What follows a keyword at the beginning of a line.
static bool find_item(const struct blob *document, const char *keyword, struct text *out)
{
    size_t length = strlen(keyword);
    const uint8_t *end = document->bytes + document->length;
    const uint8_t *at = memmem(document->bytes, document->length, keyword, length);
    if (at == NULL)
        return false;
    const uint8_t *newline = memchr(at + length, '\n', (size_t)(end - at) - length);
    *out = text_between(at + length, newline ? newline : end);
    return true;
}

static bool is_certificate_of(const struct blob *document, const uint8_t identity[20])
{
    struct text fingerprint;
    uint8_t digest[20];
    return find_item(document, "\nfingerprint ", &fingerprint) &&
           text_hex(fingerprint, digest, sizeof(digest)) == 0 &&
           memcmp(digest, identity, sizeof(digest)) == 0;
}

static bool is_certificate_before(const struct blob *document, time_t when)
{
    struct text date, clock;
    time_t published;
    if (when == 0 || !find_item(document, "\ndir-key-published ", &date) || date.length < 19)
        return false;
    clock = (struct text){date.at + 11, 8};
    date.length = 10;
    return text_time(date, clock, &published) == 0 && published < when;
}

static void add_each(void *user, struct blob *document)
{
    struct request *r = user;
    if (r->state != REQUEST_ANSWER)
        reply_add(r, document);
}

static void add_pairs(struct request *r, struct resource *what)
{
    uint8_t pair[40];
    while (r->state != REQUEST_ANSWER && resource_next(what, pair)) {
        struct blob *document =
            store_get(r->server->relay->store, STORE_CERTIFICATE_BY_SIGNING_KEY, pair + 20);
        if (document != NULL && is_certificate_of(document, pair))
            reply_add(r, document);
    }
}

static void add_documents(struct request *r, struct resource *what)
{
    const struct relay *relay = r->server->relay;
    uint8_t digest[40];
    struct blob *document;
    switch (what->kind) {
    case RESOURCE_ALL:
        store_each(relay->store, what->store, add_each, r);
        break;
    case RESOURCE_OWN:
        document = store_get(relay->store, what->store, relay->identity->rsa_id);
        if (document != NULL)
            reply_add(r, document);
        break;
    case RESOURCE_CERTIFICATE_PAIRS:
        add_pairs(r, what);
        break;
    default:
        while (r->state != REQUEST_ANSWER && resource_next(what, digest)) {
            document = store_get(relay->store, what->store, digest);
            if (document != NULL)
                reply_add(r, document);
        }
        break;
    }
}

static bool are_certificates(const struct resource *what)
{
    return what->kind == RESOURCE_CERTIFICATE_PAIRS || what->store == STORE_CERTIFICATE ||
           what->store == STORE_CERTIFICATE_BY_SIGNING_KEY;
}

static long lifetime_of(const struct request *r, const struct resource *what)
{
    if (are_certificates(what))
        return CERTIFICATE_LIFETIME_S;
    if (what->store == STORE_MICRODESCRIPTOR)
        return MICRODESCRIPTOR_LIFETIME_S;
    if (what->kind == RESOURCE_ALL)
        return ALL_LIFETIME_S;
    return r->n_documents == 1 ? MICRODESCRIPTOR_LIFETIME_S : 0;
}

// Those that the client has, by If-Modified-Since, are left out.
static void leave_out_old(struct request *r, time_t since)
{
    size_t n = 0;
    for (size_t i = 0; i < r->n_documents; i++)
        if (is_certificate_before(r->documents[i], since))
            blob_drop(r->documents[i]);
        else
            r->documents[n++] = r->documents[i];
    r->n_documents = n;
}

static void handle_documents(struct request *r, struct resource *what,
                             const struct http_request *http, unsigned accepted)
{
    add_documents(r, what);
    if (r->state == REQUEST_ANSWER)
        return; // there was no memory
    reply_unique(r);
    if (r->n_documents == 0) {
        reply_status(r, 404, "Not found");
        return;
    }
    if (are_certificates(what))
        leave_out_old(r, http->if_modified_since);
    if (r->n_documents == 0) {
        reply_status(r, 304, "Not modified");
        return;
    }
    const struct reply_head head = {.encoding = reply_encoding(r, accepted),
                                    .compress = true,
                                    .lifetime_s = lifetime_of(r, what)};
    reply_begin(r, &head);
}

// ---- onion services' descriptors

// Only over a circuit of several hops: a client on one hop would tell us who asks for what.
static bool is_anonymous(struct request *r)
{
    if (!stream_info(r->stream).from_client && r->server->relay->hsdir != NULL)
        return true;
    reply_status(r, 503, "Onion service descriptors are not for circuits of one hop");
    return false;
}

static void handle_onion_descriptor(struct request *r, const struct resource *what)
{
    if (!is_anonymous(r))
        return;
    struct blob *descriptor =
        what->bad_key ? NULL : hsdir_fetch(r->server->relay->hsdir, what->blinded_key);
    if (descriptor == NULL) {
        reply_status(r, 404, "Not found");
        return;
    }
    // It is the request's, too: the HSDir may give it up while it is sent, however slowly.
    if (!request_charge(r, descriptor->length))
        reply_busy(r);
    else if (reply_add(r, descriptor))
        reply_begin(r, &(struct reply_head){.encoding = COMPRESSION_IDENTITY});
    blob_drop(descriptor);
}

bool request_wants_body(struct request *r, const struct http_request *http)
{
    struct resource what = resource_of(HTTP_POST, http->path);
    if (what.kind != RESOURCE_ONION_PUBLISH)
        reply_status(r, 400, "Nothing is taken here but onion service descriptors");
    else if (is_anonymous(r) &&
             http->content_length >
                 (size_t)parameters_of(r->server->relay)->hsdir_descriptor_max_bytes)
        reply_status(r, 400, "Too large");
    return r->state != REQUEST_ANSWER;
}

static void handle_onion_publish(struct request *r)
{
    if (hsdir_publish(r->server->relay->hsdir, r->input + r->head_length, r->body_length) ==
        HSDIR_STORED)
        reply_status(r, 200, "Descriptor stored");
    else
        reply_status(r, 400, "Invalid descriptor");
}

// ---- all

void request_handle(struct request *r)
{
    static const char robots[] = "User-agent: *\r\nDisallow: /\r\n";
    struct http_request http;
    if (http_request_parse(r->input, r->head_length, &http) != 0) {
        reply_status(r, 400, "Bad request"); // but it was parsed before
        return;
    }
    struct resource what = resource_of(http.method, http.path);
    unsigned accepted = http.encodings | (what.deflate ? 1u << COMPRESSION_DEFLATE : 0);
    switch (what.kind) {
    case RESOURCE_UNKNOWN:
        reply_status(r, 404, "Not found");
        break;
    case RESOURCE_BAD:
        reply_status(r, 400, "Bad request");
        break;
    case RESOURCE_ROBOTS:
        reply_text(r, robots, sizeof(robots) - 1, ROBOTS_LIFETIME_S);
        break;
    case RESOURCE_CONSENSUS:
    case RESOURCE_DIFF:
        handle_consensus(r, &what, &http, accepted);
        break;
    case RESOURCE_DOCUMENTS:
    case RESOURCE_CERTIFICATE_PAIRS:
    case RESOURCE_ALL:
    case RESOURCE_OWN:
        handle_documents(r, &what, &http, accepted);
        break;
    case RESOURCE_ONION_DESCRIPTOR:
        handle_onion_descriptor(r, &what);
        break;
    case RESOURCE_ONION_PUBLISH:
        handle_onion_publish(r);
        break;
    }
}
