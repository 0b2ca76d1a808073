// SPDX-License-Identifier: BSD-3-Clause
// Makes and reads signing keys for an offline master key, in the meta-format of directory
// documents.
#include "onion/key/premade_keys.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/encoding.h"
#include "dir/publish/document.h"
#include "netdoc/tokens.h"
#include "onion/key/onion_address.h"
#include "onion/key/onion_keys.h"

enum {
    VERSION = 1,
    AROUND = 256,
    ENTRY_MAX = 512, // bytes of text
    PERIOD_OFFSET_MINUTES = 720,
    AFTER_END_MINUTES = 1440,
    PERIOD_MINUTES_MAX = 14400, // what the parameter hsdir_interval may be
};

// ---- making

// Descriptors of a period are in use for up to half a run of the shared random value after it.
static uint64_t cert_expires_s(struct time_period t)
{
    return ((t.number + 2) * t.length_minutes + PERIOD_OFFSET_MINUTES + AFTER_END_MINUTES) * 60;
}

static bool write_entry(struct writer *w, const struct ed25519_key *identity,
                        struct time_period period)
{
    struct ed25519_key blinded, signing;
    uint8_t cert[ED_CERT_EMBEDDED_LEN];
    char secret[BASE64_TEXT_SIZE(sizeof(signing.expanded))];
    if (!onion_blind_secret(identity, period, &blinded))
        return false;
    ed25519_generate(&signing);
    bool good =
        ed_cert_encode(ED_CERT_HS_DESC_SIGNING, ED_CERT_KEY_ED25519, signing.public_key,
                       ed_cert_hours(cert_expires_s(period)), &blinded, true, cert,
                       sizeof(cert)) == sizeof(cert) &&
        base64_encode(signing.expanded, sizeof(signing.expanded), true, secret, sizeof(secret)) > 0;
    document_add(w, "signing-key %" PRIu64 " %" PRIu64 " %s\n", period.number,
                 period.length_minutes, good ? secret : "");
    document_add_object(w, "ED25519 CERT", cert, sizeof(cert));
    ed25519_wipe(&blinded);
    ed25519_wipe(&signing);
    explicit_bzero(secret, sizeof(secret));
    return good;
}

int premade_keys_make(const struct ed25519_key *identity, struct time_period first, unsigned n,
                      char **text, size_t *length)
{
    char hostname[ONION_ADDRESS_LEN + 1];
    size_t size = AROUND + (size_t)n * ENTRY_MAX;
    if (n == 0 || n > PREMADE_KEYS_MAX || first.length_minutes == 0 ||
        first.length_minutes > PERIOD_MINUTES_MAX || first.number > UINT32_MAX)
        return -EINVAL;
    *text = malloc(size);
    if (!*text)
        return -ENOMEM;
    struct writer w = writer_of(*text, size);
    onion_address_format(identity->public_key, hostname);
    document_add(&w, "ramson-offline-keys %d\nidentity %s\n", VERSION, hostname);
    bool good = true;
    for (unsigned i = 0; good && i < n; i++, first = time_period_next(first))
        good = write_entry(&w, identity, first);
    *length = writer_length(&w);
    if (good && !w.failed)
        return 0;
    explicit_bzero(*text, size);
    free(*text);
    *text = NULL;
    return -EINVAL;
}

// ---- reading

struct reading {
    const char *path, *text;
    const uint8_t *identity;
    const struct keyfile_error *error;
    struct premade_key *keys;
    unsigned n;
};

static int refuse(const struct reading *r, const uint8_t *at, const char *found,
                  const char *expected)
{
    unsigned line = 1;
    for (const char *c = r->text; c < (const char *)at; c++)
        line += *c == '\n';
    keyfile_fail(r->error, "%s:%u: found %s, expected %s", r->path, line, found, expected);
    return -EINVAL;
}

static int read_version(const struct token *t, const struct reading *r)
{
    struct text argument[2];
    uint64_t version;
    if (!text_is(t->keyword, "ramson-offline-keys") || token_arguments(t, argument, 2) != 1 ||
        text_number(argument[0], UINT32_MAX, &version) < 0 || version != VERSION)
        return refuse(r, t->start, "another format", "\"ramson-offline-keys 1\"");
    return 0;
}

static int read_identity(const struct token *t, const struct reading *r)
{
    char hostname[ONION_ADDRESS_LEN + 1];
    struct text argument[2];
    onion_address_format(r->identity, hostname);
    if (!text_is(t->keyword, "identity") || token_arguments(t, argument, 2) != 1)
        return refuse(r, t->start, "another line", "\"identity\" and an address");
    if (!text_is(argument[0], hostname))
        return refuse(r, t->start, "keys for another service", hostname);
    return 0;
}

static int read_period(struct text number, struct text minutes, struct time_period *out)
{
    return text_number(number, UINT32_MAX, &out->number) == 0 &&
                   text_number(minutes, PERIOD_MINUTES_MAX, &out->length_minutes) == 0 &&
                   out->length_minutes > 0
               ? 0
               : -EINVAL;
}

// The certificate is for the signing key and by the blinded key of this period.
static bool cert_is_good(const struct premade_key *k)
{
    struct ed_cert cert;
    return ed_cert_parse(k->cert, sizeof(k->cert), &cert) == 0 &&
           cert.type == ED_CERT_HS_DESC_SIGNING && cert.has_signing_key &&
           memcmp(cert.key, k->signing.public_key, 32) == 0 &&
           ed_cert_check(&cert, k->blinded_public, 0) == 0;
}

static int read_entry(const struct token *t, struct reading *r)
{
    struct text argument[4];
    uint8_t secret[ED25519_SECRET_LEN];
    struct premade_key *k = &r->keys[r->n];
    if (r->n == PREMADE_KEYS_MAX)
        return refuse(r, t->start, "more keys than can be", "at most 4000");
    if (!text_is(t->keyword, "signing-key") || token_arguments(t, argument, 4) != 3 ||
        read_period(argument[0], argument[1], &k->period) < 0 ||
        text_base64(argument[2], secret, sizeof(secret)) < 0)
        return refuse(r, t->start, "another line",
                      "\"signing-key\", a period's number and minutes, and a key");
    int error = ed25519_from_expanded(secret, &k->signing);
    explicit_bzero(secret, sizeof(secret));
    r->n++;
    if (error < 0 || !onion_blind_public(r->identity, k->period, k->blinded_public) ||
        token_object(t, "ED25519 CERT", k->cert, sizeof(k->cert)) != sizeof(k->cert) ||
        !cert_is_good(k))
        return refuse(r, t->start, "a key that the identity has not certified for this period",
                      "what \"ramson onion sign\" wrote");
    return 0;
}

static int by_period(const void *a, const void *b)
{
    const struct premade_key *p = a, *q = b;
    return p->period.number != q->period.number
               ? (p->period.number > q->period.number ? 1 : -1)
               : (p->period.length_minutes > q->period.length_minutes) -
                     (p->period.length_minutes < q->period.length_minutes);
}

static int read_items(struct reader *r, struct reading *reading)
{
    struct token t = {.start = r->at};
    int error = 0, more = 0;
    for (unsigned i = 0; error == 0 && (more = token_next(r, &t)) > 0; i++)
        error = i == 0   ? read_version(&t, reading)
                : i == 1 ? read_identity(&t, reading)
                         : read_entry(&t, reading);
    if (error == 0 && more < 0)
        return refuse(reading, t.start ? t.start : r->at, "a line that is no item",
                      "what \"ramson onion sign\" wrote");
    if (error == 0 && reading->n == 0)
        return refuse(reading, r->at, "no keys", "\"signing-key\"");
    return error;
}

static int check_order(const struct reading *r)
{
    qsort(r->keys, r->n, sizeof(*r->keys), by_period);
    for (unsigned i = 1; i < r->n; i++)
        if (by_period(&r->keys[i - 1], &r->keys[i]) == 0) {
            keyfile_fail(r->error, "%s: found period %" PRIu64 " twice, expected each once",
                         r->path, r->keys[i].period.number);
            return -EINVAL;
        }
    return 0;
}

int premade_keys_parse(const char *path, const char *text, size_t length,
                       const uint8_t identity[32], struct premade_key **out, unsigned *n,
                       const struct keyfile_error *error)
{
    struct reading reading = {.path = path, .text = text, .identity = identity, .error = error};
    struct reader r = reader_of(text, length);
    // An entry is never shorter than its certificate in base64.
    size_t room = length / (ED_CERT_EMBEDDED_LEN * 4 / 3) + 1;
    if (room > PREMADE_KEYS_MAX)
        room = PREMADE_KEYS_MAX;
    reading.keys = calloc(room, sizeof(*reading.keys));
    if (!reading.keys)
        return -ENOMEM;
    int result = read_items(&r, &reading);
    if (result == 0)
        result = check_order(&reading);
    if (result < 0) {
        explicit_bzero(reading.keys, room * sizeof(*reading.keys));
        free(reading.keys);
        return result;
    }
    *out = reading.keys;
    *n = reading.n;
    return 0;
}
