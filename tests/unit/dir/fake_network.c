// SPDX-License-Identifier: BSD-3-Clause
// The directory client's network in one process.
#include "fake_network.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "authority.h"
#include "base/blob.h"
#include "crypto/digest.h"
#include "crypto/encoding.h"
#include "dir/client/dir_connection.h"
#include "dir/compress.h"
#include "netdoc/certificate.h"
#include "netdoc/diff.h"
#include "netdoc/router.h"

enum { KEPT = 16 };

struct fake_network fake;

static struct authority keys[2][FAKE_AUTHORITIES]; // the second one's identities are the first's
static struct {
    enum consensus_flavour flavour;
    time_t valid_after;
    unsigned key;
    bool forged;
    struct document text;
} kept[KEPT];
static unsigned n_kept;

struct dir_connection {
    bool open, begun;
    struct dir_request request;
    char path[8192];
    char headers[512];
    char head[512];
};
static struct dir_connection connections[FAKE_REQUESTS_MAX];

// ---- documents

// Of the interval in which a relay's documents were made last: each relay has its own rhythm.
static time_t made(unsigned relay, time_t valid_after)
{
    time_t period = fake.interval * (time_t)(5 + relay % 20);
    return (valid_after + (time_t)relay * fake.interval) / period;
}

static void relay_id(unsigned relay, uint8_t id[20])
{
    memset(id, 0x11, 20);
    id[0] = (uint8_t)(relay + 1);
}

static int microdescriptor(unsigned relay, time_t valid_after, char *out, size_t capacity)
{
    char key[64] = "", id[64] = "";
    uint8_t bytes[32];
    char seed[64];
    snprintf(seed, sizeof(seed), "%u %lld", relay, (long long)made(relay, valid_after));
    sha256(seed, strlen(seed), bytes);
    base64_encode(bytes, 32, false, key, sizeof(key));
    memset(bytes, (int)relay + 1, sizeof(bytes));
    base64_encode(bytes, 32, false, id, sizeof(id));
    return snprintf(out, capacity, "onion-key\nntor-onion-key %s\nid ed25519 %s\n", key, id);
}

static int extra_info(unsigned relay, time_t valid_after, char *out, size_t capacity)
{
    return snprintf(out, capacity, "extra-info %u %lld\nend\n", relay,
                    (long long)made(relay, valid_after));
}

static int descriptor(unsigned relay, time_t valid_after, char *out, size_t capacity)
{
    char extra[128], hex[41];
    uint8_t digest[20];
    sha1(extra, (size_t)extra_info(relay, valid_after, extra, sizeof(extra)), digest);
    hex_encode(digest, 20, hex, sizeof(hex));
    return snprintf(out, capacity, "router %u %lld %s\nend\n", relay,
                    (long long)made(relay, valid_after), hex);
}

static int parse(const uint8_t *text, size_t size, const char *word, struct router_document *out,
                 size_t *length)
{
    unsigned relay;
    long long when;
    char hex[64] = "";
    char copy[256];
    const uint8_t *end = memmem(text, size, "end\n", 4);
    *length = end == NULL ? size : (size_t)(end + 4 - text);
    *out = (struct router_document){.text_length = *length};
    if (end == NULL || *length >= sizeof(copy) || size < strlen(word) ||
        memcmp(text, word, strlen(word)) != 0)
        return -EINVAL;
    memcpy(copy, text, *length);
    copy[*length] = '\0';
    if (sscanf(copy + strlen(word), " %u %lld %60s", &relay, &when, hex) < 2)
        return -EINVAL;
    relay_id(relay, out->rsa_id);
    out->published = (time_t)when;
    sha1(text, *length, out->sha1);
    (void)hex_decode(hex, strlen(hex), out->extra_info_sha1, 20);
    return 0;
}

int router_descriptor_parse(const uint8_t *text, size_t size, struct router_document *out,
                            size_t *length)
{
    return parse(text, size, "router", out, length);
}

int router_extra_info_parse(const uint8_t *text, size_t size, struct router_document *out,
                            size_t *length)
{
    return parse(text, size, "extra-info", out, length);
}

// ---- the consensus

time_t fake_valid_after(time_t when)
{
    return when / fake.interval * fake.interval;
}

static void add_time(char *out, size_t capacity, const char *keyword, time_t when)
{
    struct tm utc;
    char text[32];
    gmtime_r(&when, &utc);
    strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &utc);
    snprintf(out + strlen(out), capacity - strlen(out), "%s %s\n", keyword, text);
}

static size_t router_entry(enum consensus_flavour flavour, unsigned relay, time_t valid_after,
                           char *out, size_t capacity)
{
    uint8_t id[20], digest[32];
    char id64[32], digest64[64], text[512];
    bool micro = flavour == CONSENSUS_MICRODESC;
    relay_id(relay, id);
    base64_encode(id, 20, false, id64, sizeof(id64));
    if (micro)
        sha256(text, (size_t)microdescriptor(relay, valid_after, text, sizeof(text)), digest);
    else
        sha1(text, (size_t)descriptor(relay, valid_after, text, sizeof(text)), digest);
    base64_encode(digest, micro ? 32 : 20, false, digest64, sizeof(digest64));
    int n = snprintf(out, capacity, "r r%u %s %s%s2038-01-01 00:00:00 10.1.0.%u 5000 0\n", relay,
                     id64, micro ? "" : digest64, micro ? "" : " ", relay);
    if (micro)
        n += snprintf(out + n, capacity - (size_t)n, "m %s\n", digest64);
    n += snprintf(out + n, capacity - (size_t)n,
                  "s Fast Running %sValid\nv Tor 0.4.9.11\npr Cons=2 Relay=2-4\nw Bandwidth=%u\n",
                  relay < FAKE_CACHES ? "V2Dir " : "", 10 + relay);
    return (size_t)n;
}

static struct document make_consensus(enum consensus_flavour flavour, time_t valid_after,
                                      bool forged)
{
    bool micro = flavour == CONSENSUS_MICRODESC;
    char header[1024];
    size_t capacity = FAKE_RELAYS * 400, used = 0;
    char *routers = malloc(capacity);
    snprintf(header, sizeof(header),
             "network-status-version 3%s\nvote-status consensus\nconsensus-method 33\n",
             micro ? " microdesc" : "");
    add_time(header, sizeof(header), "valid-after", valid_after);
    add_time(header, sizeof(header), "fresh-until", valid_after + fake.interval);
    add_time(header, sizeof(header), "valid-until",
             valid_after + (fake.testing ? 6 : 3) * fake.interval);
    snprintf(header + strlen(header), sizeof(header) - strlen(header),
             "voting-delay 300 300\nclient-versions \nserver-versions \n"
             "known-flags Fast Running V2Dir Valid\n%s%s%sparams circwindow=900\n",
             fake.required == NULL ? "" : "required-relay-protocols ",
             fake.required == NULL ? "" : fake.required, fake.required == NULL ? "" : "\n");
    for (unsigned i = 0; i < FAKE_RELAYS; i++)
        used += router_entry(flavour, i, valid_after, routers + used, capacity - used);
    struct document d = authority_consensus(keys[fake.key], FAKE_AUTHORITIES, header, routers,
                                            micro ? "0s1s2s" : "012");
    free(routers);
    if (!forged)
        return d;
    struct document changed = document_replace(&d, "circwindow=900", "circwindow=100", 0);
    document_drop(&d);
    return changed;
}

static const struct document *consensus_of(enum consensus_flavour flavour, time_t valid_after,
                                           bool forged)
{
    for (unsigned i = 0; i < KEPT; i++)
        if (kept[i].text.bytes != NULL && kept[i].flavour == flavour &&
            kept[i].valid_after == valid_after && kept[i].key == fake.key &&
            kept[i].forged == forged)
            return &kept[i].text;
    unsigned i = n_kept++ % KEPT;
    if (kept[i].text.bytes != NULL)
        document_drop(&kept[i].text);
    kept[i].flavour = flavour;
    kept[i].valid_after = valid_after;
    kept[i].key = fake.key;
    kept[i].forged = forged;
    kept[i].text = make_consensus(flavour, valid_after, forged);
    return &kept[i].text;
}

const char *fake_consensus(enum consensus_flavour flavour, time_t valid_after, size_t *length)
{
    const struct document *d = consensus_of(flavour, valid_after, false);
    *length = d->length;
    return (const char *)d->bytes;
}

// A diff is its first line and the whole of the new text here.
static const char diff_line[] = "network-status-diff-version 1\n";

struct blob *consensus_diff_apply(const uint8_t *base, size_t base_length, const uint8_t *diff,
                                  size_t diff_length)
{
    size_t skip = strlen(diff_line) + HEX_TEXT_SIZE(32);
    uint8_t sha3[32];
    char hex[HEX_TEXT_SIZE(32)];
    size_t signed_length = consensus_signed_length(base, base_length);
    sha3_256(base, signed_length, sha3);
    hex_encode(sha3, sizeof(sha3), hex, sizeof(hex));
    if (diff_length < skip || memcmp(diff + strlen(diff_line), hex, 64) != 0)
        return NULL;
    return blob_create(diff + skip, diff_length - skip);
}

// ---- answers

struct body {
    char *text;
    size_t length;
    FILE *file;
};

static bool is_asked(const char *path, const char *name)
{
    return strstr(path, name) != NULL;
}

static void add_certificates(struct body *b, const char *path)
{
    for (unsigned i = 0; i < FAKE_AUTHORITIES; i++) {
        char identity[41], signing[41], pair[128];
        const struct authority *a = &keys[fake.key][i];
        hex_encode(a->identity_sha1, 20, identity, sizeof(identity));
        hex_encode(a->signing_sha1, 20, signing, sizeof(signing));
        snprintf(pair, sizeof(pair), "%s-%s", identity, signing);
        bool by_pair = strncmp(path, "/tor/keys/fp-sk/", 16) == 0;
        if (!is_asked(path, by_pair ? pair : identity))
            continue;
        struct document d = authority_certificate(a, fake.now - 86400 + (time_t)fake.key,
                                                  fake.now + 30 * 86400, CERTIFICATE_GOOD);
        fwrite(d.bytes, 1, d.length, b->file);
        document_drop(&d);
    }
}

static void add_document(struct body *b, const char *path, unsigned relay, time_t valid_after)
{
    char text[512], name[64];
    uint8_t digest[32];
    int n;
    if (strncmp(path, "/tor/micro/d/", 13) == 0) {
        n = microdescriptor(relay, valid_after, text, sizeof(text));
        sha256(text, (size_t)n, digest);
        base64_encode(digest, 32, false, name, sizeof(name));
    } else {
        bool extra = strncmp(path, "/tor/extra/", 11) == 0;
        n = extra ? extra_info(relay, valid_after, text, sizeof(text))
                  : descriptor(relay, valid_after, text, sizeof(text));
        sha1(text, (size_t)n, digest);
        hex_encode(digest, 20, name, sizeof(name));
    }
    if (is_asked(path, name))
        fwrite(text, 1, (size_t)n, b->file);
}

static void add_documents(struct body *b, const char *path, enum behaviour behaviour)
{
    time_t valid_after = fake_valid_after(fake.now - fake.behind_s);
    for (unsigned i = 0; i < FAKE_RELAYS; i++) {
        if (behaviour == LEAVES_OUT && i % 2 == 1)
            continue;
        for (int back = 0; back < 3; back++) {
            time_t then = valid_after - back * fake.interval;
            if (back == 0 || made(i, then) != made(i, then + fake.interval))
                add_document(b, path, i, then);
        }
    }
    if (behaviour == FORGES) {
        char text[512];
        fwrite(text, 1, (size_t)microdescriptor(1, 1, text, sizeof(text)), b->file);
        fprintf(b->file, "router 1 1\nend\n");
    }
}

// The SHA3-256 of the signed part, in hexadecimal.
static void signed_name(const struct document *d, char hex[HEX_TEXT_SIZE(32)])
{
    uint8_t sha3[32];
    sha3_256(d->bytes, consensus_signed_length(d->bytes, d->length), sha3);
    hex_encode(sha3, sizeof(sha3), hex, HEX_TEXT_SIZE(32));
}

// Returns the status.
static unsigned add_consensus(struct body *b, const struct dir_connection *c,
                              enum behaviour behaviour)
{
    enum consensus_flavour flavour =
        strstr(c->path, "consensus-microdesc") != NULL ? CONSENSUS_MICRODESC : CONSENSUS_NS;
    time_t valid_after = fake_valid_after(fake.now - fake.behind_s);
    if (behaviour == LAGS)
        valid_after -= fake.interval;
    char hex[HEX_TEXT_SIZE(32)];
    const struct document *d = consensus_of(flavour, valid_after, behaviour == FORGES);
    const char *base = strstr(c->headers, "X-Or-Diff-From-Consensus: ");
    signed_name(d, hex);
    if (base != NULL && strstr(base, hex) != NULL)
        return 304;
    if (base != NULL && fake.with_diffs) {
        fprintf(b->file, "%s%.64s\n", diff_line, base + strlen("X-Or-Diff-From-Consensus: "));
        fake.diffs_sent++;
    }
    fwrite(d->bytes, 1, d->length, b->file);
    return 200;
}

static unsigned fill(struct body *b, struct dir_connection *c, enum behaviour behaviour)
{
    if (behaviour == NOT_FOUND)
        return 404;
    if (behaviour == BUSY)
        return 503;
    if (behaviour == GARBAGE) {
        for (unsigned i = 0; i < 5000; i++)
            fputc((int)(i * 7919 % 251), b->file);
        return 200;
    }
    if (strstr(c->path, "/tor/keys/") == c->path) {
        if (fake.without_certificates)
            return 404;
        add_certificates(b, c->path);
    } else if (strstr(c->path, "/tor/status-vote/") == c->path) {
        return add_consensus(b, c, behaviour);
    } else {
        add_documents(b, c->path, behaviour);
    }
    fflush(b->file);
    return b->length == 0 ? 404 : 200;
}

// In one encoding after another; most answers of a true directory are packed.
static struct blob *pack(const struct body *b, enum compression compression)
{
    struct compressor *c = compressor_create(compression, COMPRESSOR_SMALL);
    struct blob *out = blob_create(NULL, 2 * b->length + 4096);
    struct compress_step step = {.in = (const uint8_t *)b->text,
                                 .in_left = b->length,
                                 .out = out->bytes,
                                 .out_left = out->length};
    if (compressor_run(c, &step, true) != COMPRESS_END)
        abort();
    out->length -= step.out_left;
    compressor_free(c);
    return out;
}

static void answer(struct dir_connection *c, enum behaviour behaviour)
{
    static unsigned turn;
    enum compression compression = turn++ % COMPRESSIONS;
    struct body b = {0};
    b.file = open_memstream(&b.text, &b.length);
    struct dir_answer a = {.result = DIR_ANSWERED, .reason = "as it is"};
    bool up = behaviour != UNREACHABLE && c->request.progress != NULL;
    if (up)
        c->request.progress(c->request.user, DIR_CIRCUIT);
    if (behaviour == UNREACHABLE)
        a = (struct dir_answer){.result = DIR_UNREACHABLE, .why = "no connection"};
    else if (behaviour == ENDLESS)
        a = (struct dir_answer){.result = DIR_TOO_LONG, .why = "too long"};
    else
        a.status = fill(&b, c, behaviour);
    fclose(b.file);
    snprintf(c->head, sizeof(c->head), "HTTP/1.0 %u\r\nContent-Encoding: %s\r\n\r\n", a.status,
             behaviour == SPEAKS_IN_TONGUES ? "x-rot13" : compression_name(compression));
    a.head = c->head;
    a.head_length = strlen(c->head);
    if (a.result == DIR_ANSWERED)
        a.body = pack(&b, compression);
    free(b.text);
    if (up && a.status == 200)
        c->request.progress(c->request.user, DIR_ANSWERING);
    c->open = false;
    c->request.done(c->request.user, &a);
    blob_drop(a.body);
}

static enum behaviour behaviour_of(const struct dir_connection *c)
{
    const uint8_t *id = c->request.target.relay.rsa_id;
    if (id[0] >= 0xb0 && id[1] == 0xbb)
        return fake.fallbacks[id[0] - 0xb0];
    return id[0] >= 0xa0 && id[1] == 0xaa ? fake.authorities[id[0] - 0xa0] : fake.caches;
}

unsigned fake_network_open(void)
{
    unsigned n = 0;
    for (unsigned i = 0; i < FAKE_REQUESTS_MAX; i++)
        n += connections[i].open;
    return n;
}

static void begin_answer(struct dir_connection *c)
{
    if (c->begun || c->request.progress == NULL)
        return;
    c->begun = true;
    c->request.progress(c->request.user, DIR_CIRCUIT);
    c->request.progress(c->request.user, DIR_ANSWERING);
}

unsigned fake_network_answer(void)
{
    unsigned n = 0;
    for (unsigned i = 0; i < FAKE_REQUESTS_MAX; i++)
        if (connections[i].open && behaviour_of(&connections[i]) == STALLS) {
            begin_answer(&connections[i]);
        } else if (connections[i].open && behaviour_of(&connections[i]) != SILENT) {
            answer(&connections[i], behaviour_of(&connections[i]));
            n++;
        }
    return n;
}

// ---- doubles

static void count(const struct dir_connection *c)
{
    bool authority = c->request.target.relay.rsa_id[1] == 0xaa;
    size_t length = strlen(c->path);
    bool fallback = c->request.target.relay.rsa_id[1] == 0xbb;
    fake.requests++;
    fake.of_authorities += authority;
    fake.of_fallbacks += fallback;
    fake.of_caches += !authority && !fallback;
    fake.in_clear += c->request.target.relay.n_addresses == 0;
    snprintf(fake.last_path, sizeof(fake.last_path), "%s", c->path);
    if (length > fake.longest_path)
        fake.longest_path = length;
    if (strstr(c->path, "/tor/status-vote/") == c->path) {
        fake.consensus_requests++;
        fake.last_consensus_request = fake.now;
    } else if (strstr(c->path, "/tor/keys/") == c->path) {
        fake.certificate_requests++;
    } else {
        bool extra = strstr(c->path, "/tor/extra/") == c->path;
        fake.extra_infos_of_caches += extra && !authority;
        fake.by_authorities += !extra && authority;
        fake.by_caches += !extra && !authority;
        if (fake.documents++ == 0)
            memcpy(fake.first_documents_path, fake.last_path, sizeof(fake.last_path));
        char separator = strstr(c->path, "/tor/micro/") == c->path ? '-' : '+';
        for (const char *at = c->path; (at = strchr(at, separator)) != NULL; at++)
            fake.documents++;
    }
}

struct dir_connection *dir_connection_start(struct relay *relay, const struct dir_request *request)
{
    (void)relay;
    for (unsigned i = 0; i < FAKE_REQUESTS_MAX; i++) {
        struct dir_connection *c = &connections[i];
        if (c->open)
            continue;
        *c = (struct dir_connection){.open = true, .request = *request};
        snprintf(c->path, sizeof(c->path), "%s", request->path);
        snprintf(c->headers, sizeof(c->headers), "%s",
                 request->headers == NULL ? "" : request->headers);
        count(c);
        return c;
    }
    return NULL;
}

void dir_connection_cancel(struct dir_connection *c)
{
    if (c != NULL)
        c->open = false;
}

bool dir_answer_header(const struct dir_answer *answer, const char *name, char *out,
                       size_t capacity)
{
    const char *at = strstr(answer->head, name);
    if (at == NULL)
        return false;
    at += strlen(name) + 2;
    snprintf(out, capacity, "%.*s", (int)strcspn(at, "\r"), at);
    return true;
}

// ---- life

void fake_network_make(void)
{
    for (unsigned i = 0; i < FAKE_AUTHORITIES; i++) {
        struct authority other = authority_make();
        keys[0][i] = authority_make();
        keys[1][i] = keys[0][i];
        keys[1][i].signing = other.signing;
        memcpy(keys[1][i].signing_sha1, other.signing_sha1, 20);
        rsa_free(other.identity);
    }
}

void fake_network_drop(void)
{
    for (unsigned i = 0; i < FAKE_AUTHORITIES; i++) {
        rsa_free(keys[1][i].signing);
        authority_drop(&keys[0][i]);
    }
    for (unsigned i = 0; i < KEPT; i++)
        if (kept[i].text.bytes != NULL)
            document_drop(&kept[i].text);
}

void fake_network_reset(time_t now)
{
    fake = (struct fake_network){.now = now, .interval = 3600, .with_diffs = true};
    memset(connections, 0, sizeof(connections));
    fake_network_forget();
}

void fake_network_forget(void)
{
    for (unsigned i = 0; i < KEPT; i++)
        if (kept[i].text.bytes != NULL) {
            document_drop(&kept[i].text);
            kept[i].text.bytes = NULL;
        }
}

void fake_network_configure(struct config *config)
{
    config->directory_authority_count = FAKE_AUTHORITIES;
    for (unsigned i = 0; i < FAKE_AUTHORITIES; i++) {
        struct config_authority *a = &config->directory_authorities[i];
        snprintf(a->nickname, sizeof(a->nickname), "auth%u", i);
        memset(a->identity, 0xaa, sizeof(a->identity));
        a->identity[0] = (uint8_t)(0xa0 + i);
        memcpy(a->v3_identity, keys[0][i].identity_sha1, 20);
        address_parse("10.0.0.1", &a->address);
        a->or_port = 5000;
        a->dir_port = 7000;
    }
}

void fake_network_add_fallbacks(struct config *config)
{
    config->fallback_directory_count = FAKE_FALLBACKS;
    for (unsigned i = 0; i < FAKE_FALLBACKS; i++) {
        struct config_fallback *f = &config->fallback_directories[i];
        snprintf(f->nickname, sizeof(f->nickname), "fallback%u", i);
        memset(f->identity, 0xbb, sizeof(f->identity));
        f->identity[0] = (uint8_t)(0xb0 + i);
        f->address = address_ipv4(0x0a000010 + i, 5000);
        f->or_port = 5000;
    }
}
