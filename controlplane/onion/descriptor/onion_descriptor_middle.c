// SPDX-License-Identifier: BSD-3-Clause
// The middle text of a descriptor: who may read the inner one.
#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "crypto/aes_ctr.h"
#include "crypto/curve25519.h"
#include "crypto/encoding.h"
#include "crypto/random.h"
#include "dir/publish/document.h"
#include "onion/descriptor/onion_descriptor_text.h"

enum { CLIENT_LINE_MAX = 80, AROUND = 512 };

// ---- writing

static unsigned n_lines(unsigned n_clients)
{
    unsigned more = (n_clients + DESCRIPTOR_CLIENTS_MULTIPLE - 1) / DESCRIPTOR_CLIENTS_MULTIPLE;
    return (more > 0 ? more : 1) * DESCRIPTOR_CLIENTS_MULTIPLE;
}

size_t descriptor_middle_size(unsigned n_clients, size_t sealed_length)
{
    return AROUND + (size_t)n_lines(n_clients) * CLIENT_LINE_MAX + BASE64_LINES_SIZE(sealed_length);
}

// A client whose key is of no use gets a line like those of nobody.
static void make_client(const struct descriptor_keys *keys, const uint8_t client[32],
                        const struct curve25519_key *ephemeral,
                        const uint8_t cookie[DESCRIPTOR_COOKIE_LEN], struct descriptor_client *out)
{
    struct descriptor_client_keys shared;
    if (descriptor_client_keys(ephemeral->secret, client, keys->subcredential, &shared) &&
        aes256_ctr(shared.key, out->iv, cookie, DESCRIPTOR_COOKIE_LEN, out->cookie) == 0)
        memcpy(out->id, shared.id, sizeof(out->id));
    explicit_bzero(&shared, sizeof(shared));
}

static void write_client(struct writer *w, const struct descriptor_client *c)
{
    char id[BASE64_TEXT_SIZE(sizeof(c->id))], iv[BASE64_TEXT_SIZE(sizeof(c->iv))];
    char cookie[BASE64_TEXT_SIZE(sizeof(c->cookie))];
    if (base64_encode(c->id, sizeof(c->id), false, id, sizeof(id)) < 0 ||
        base64_encode(c->iv, sizeof(c->iv), false, iv, sizeof(iv)) < 0 ||
        base64_encode(c->cookie, sizeof(c->cookie), false, cookie, sizeof(cookie)) < 0)
        w->failed = true;
    document_add(w, "auth-client %s %s %s\n", id, iv, cookie);
}

// In the order of a random walk through all lines, so that a client's place says nothing of its
// file's: each line takes one of those clients that are left, or of those that are nobody's.
static void write_clients(struct writer *w, const struct descriptor_keys *keys,
                          const struct curve25519_key *ephemeral,
                          const uint8_t cookie[DESCRIPTOR_COOKIE_LEN])
{
    unsigned clients_left = keys->n_clients;
    for (unsigned left = n_lines(keys->n_clients); left > 0; left--) {
        struct descriptor_client line;
        random_bytes(&line, sizeof(line));
        if (random_uniform(left) < clients_left)
            make_client(keys, keys->clients[--clients_left], ephemeral, cookie, &line);
        write_client(w, &line);
    }
}

void descriptor_middle_write(struct writer *w, const struct descriptor_keys *keys,
                             const uint8_t cookie[DESCRIPTOR_COOKIE_LEN], const uint8_t *sealed,
                             size_t sealed_length)
{
    struct curve25519_key ephemeral;
    char key[BASE64_TEXT_SIZE(CURVE25519_KEY_LEN)];
    curve25519_generate(&ephemeral);
    if (base64_encode(ephemeral.public_key, CURVE25519_KEY_LEN, true, key, sizeof(key)) < 0)
        w->failed = true;
    document_add(w, "desc-auth-type x25519\ndesc-auth-ephemeral-key %s\n", key);
    write_clients(w, keys, &ephemeral, cookie);
    document_add(w, "encrypted\n");
    document_add_object(w, "MESSAGE", sealed, sealed_length);
    if (!w->failed)
        w->at--;
    curve25519_wipe(&ephemeral);
}

// ---- reading

enum item { ITEM_TYPE = 1, ITEM_KEY = 2, ITEM_ENCRYPTED = 4, ITEM_CLIENT = 8, ITEMS = 15 };

struct reading {
    const uint8_t *subcredential, *client_secret;
    struct descriptor_client_keys client; // once the ephemeral key is known
    bool has_client;
    struct descriptor_middle *out;
};

static int read_type(const struct token *t)
{
    struct text type;
    return token_arguments(t, &type, 1) == 1 && text_is(type, "x25519") ? 0 : -EINVAL;
}

static int read_key(const struct token *t, struct reading *r)
{
    struct text argument;
    uint8_t key[32];
    if (token_arguments(t, &argument, 1) != 1 || text_base64(argument, key, sizeof(key)) < 0)
        return -EINVAL;
    r->has_client = r->client_secret &&
                    descriptor_client_keys(r->client_secret, key, r->subcredential, &r->client);
    return 0;
}

static int read_client(const struct token *t, struct reading *r)
{
    struct text argument[3];
    struct descriptor_client c;
    if (token_arguments(t, argument, 3) != 3 || text_base64(argument[0], c.id, sizeof(c.id)) < 0 ||
        text_base64(argument[1], c.iv, sizeof(c.iv)) < 0 ||
        text_base64(argument[2], c.cookie, sizeof(c.cookie)) < 0)
        return -EINVAL;
    if (!r->has_client || r->out->has_cookie ||
        sodium_memcmp(c.id, r->client.id, sizeof(c.id)) != 0)
        return 0;
    if (aes256_ctr(r->client.key, c.iv, c.cookie, sizeof(c.cookie), r->out->cookie) < 0)
        return -ENOMEM;
    r->out->has_cookie = true;
    return 0;
}

static int read_encrypted(const struct token *t, struct reading *r)
{
    r->out->encrypted = t->object;
    return t->arguments.length == 0 && text_is(t->label, "MESSAGE") ? 0 : -EINVAL;
}

static enum item item_of(const struct token *t)
{
    if (text_is(t->keyword, "desc-auth-type"))
        return ITEM_TYPE;
    if (text_is(t->keyword, "desc-auth-ephemeral-key"))
        return ITEM_KEY;
    if (text_is(t->keyword, "auth-client"))
        return ITEM_CLIENT;
    return text_is(t->keyword, "encrypted") ? ITEM_ENCRYPTED : 0;
}

// Clients' lines are read in a second turn: the key that finds ours may stand behind them.
static int read_item(const struct token *t, unsigned *seen, struct reading *r)
{
    enum item item = item_of(t);
    if (*seen == 0 && item != ITEM_TYPE)
        return -EINVAL; // it is the first
    if ((item != ITEM_ENCRYPTED && item != 0 && t->label.length > 0) ||
        (item != ITEM_CLIENT && *seen & item))
        return -EINVAL;
    *seen |= item;
    switch (item) {
    case ITEM_TYPE:
        return read_type(t);
    case ITEM_KEY:
        return read_key(t, r);
    case ITEM_ENCRYPTED:
        return read_encrypted(t, r);
    default:
        return 0;
    }
}

static int read_items(struct text text, struct reading *reading)
{
    struct reader r = reader_of(text.at, text.length);
    struct token t;
    unsigned seen = 0;
    int more;
    while ((more = token_next(&r, &t)) > 0)
        if (read_item(&t, &seen, reading) < 0)
            return -EINVAL;
    return more == 0 && seen == ITEMS ? 0 : -EINVAL;
}

static int read_clients(struct text text, struct reading *reading)
{
    struct reader r = reader_of(text.at, text.length);
    struct token t;
    int error = 0;
    while (error == 0 && token_next(&r, &t) > 0)
        if (item_of(&t) == ITEM_CLIENT)
            error = read_client(&t, reading);
    return error;
}

int descriptor_middle_read(struct text text, const uint8_t subcredential[32],
                           const uint8_t *client_secret, struct descriptor_middle *out)
{
    struct reading reading = {
        .subcredential = subcredential, .client_secret = client_secret, .out = out};
    *out = (struct descriptor_middle){.has_cookie = false};
    int error = read_items(text, &reading);
    if (error == 0)
        error = read_clients(text, &reading);
    explicit_bzero(&reading.client, sizeof(reading.client));
    return error;
}
