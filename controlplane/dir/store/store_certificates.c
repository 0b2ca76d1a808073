// SPDX-License-Identifier: BSD-3-Clause
// The authorities' certificates in the store.
#include <errno.h>
#include <string.h>

#include "config/config.h"
#include "dir/store/store_internal.h"
#include "relay.h"

static void drop(struct directory_store *store, unsigned i)
{
    certificate_free(store->certificates[i].parsed);
    blob_drop(store->certificates[i].text);
    store->n_certificates--;
    store->certificates[i] = store->certificates[store->n_certificates];
    store->parsed_certificates[i] = store->parsed_certificates[store->n_certificates];
    store->certificates_changed = true;
}

static bool is_configured(const struct config *config, const uint8_t identity[20])
{
    for (unsigned i = 0; i < config->directory_authority_count; i++)
        if (memcmp(config->directory_authorities[i].v3_identity, identity, 20) == 0)
            return true;
    return false;
}

// Drops the oldest one of this authority when it has its share.
static void make_room(struct directory_store *store, const uint8_t identity[20])
{
    unsigned n = 0, oldest = 0;
    for (unsigned i = 0; i < store->n_certificates; i++) {
        const struct certificate *c = store->certificates[i].parsed;
        if (memcmp(c->identity, identity, 20) != 0)
            continue;
        if (n++ == 0 || c->published < store->certificates[oldest].parsed->published)
            oldest = i;
    }
    if (n >= STORE_CERTIFICATES_PER_AUTHORITY)
        drop(store, oldest);
}

static int put(struct directory_store *store, struct certificate *c, const uint8_t *text)
{
    const struct relay *relay = store->relay;
    if (!is_configured(relay->config, c->identity) || c->expires < relay_now(relay))
        return -EPERM;
    for (unsigned i = 0; i < store->n_certificates; i++) {
        const struct certificate *known = store->certificates[i].parsed;
        if (memcmp(known->signing_key, c->signing_key, 20) == 0 &&
            memcmp(known->identity, c->identity, 20) == 0) {
            if (known->published >= c->published)
                return -EEXIST;
            drop(store, i);
            break;
        }
    }
    make_room(store, c->identity);
    if (store->n_certificates == STORE_CERTIFICATES_MAX)
        return -ENOMEM;
    struct blob *blob = blob_create(text, c->text_length);
    if (blob == NULL)
        return -ENOMEM;
    store->parsed_certificates[store->n_certificates] = c;
    store->certificates[store->n_certificates++] = (struct stored_certificate){c, blob};
    store->certificates_changed = true;
    return 0;
}

int store_put_certificate(struct directory_store *store, struct certificate *c, const uint8_t *text)
{
    int result = put(store, c, text);
    if (result < 0)
        certificate_free(c);
    return result;
}

const struct certificate *const *store_certificates(const struct directory_store *store,
                                                    unsigned *n)
{
    *n = store->n_certificates;
    return store->parsed_certificates;
}

static bool is_newest(const struct directory_store *store, unsigned i)
{
    const struct certificate *c = store->certificates[i].parsed;
    for (unsigned j = 0; j < store->n_certificates; j++) {
        const struct certificate *other = store->certificates[j].parsed;
        if (j != i && memcmp(c->identity, other->identity, 20) == 0 &&
            (other->published > c->published || (other->published == c->published && j < i)))
            return false;
    }
    return true;
}

struct blob *store_find_certificate(const struct directory_store *store, enum store_kind kind,
                                    const uint8_t *digest)
{
    for (unsigned i = 0; i < store->n_certificates; i++) {
        const struct certificate *c = store->certificates[i].parsed;
        bool found = kind == STORE_CERTIFICATE
                         ? memcmp(c->identity, digest, 20) == 0 && is_newest(store, i)
                         : memcmp(c->signing_key, digest, 20) == 0;
        if (found)
            return store->certificates[i].text;
    }
    return NULL;
}

void store_each_certificate(const struct directory_store *store, enum store_kind kind,
                            void (*each)(void *user, struct blob *text), void *user)
{
    for (unsigned i = 0; i < store->n_certificates; i++)
        if (kind == STORE_CERTIFICATE_BY_SIGNING_KEY || is_newest(store, i))
            each(user, store->certificates[i].text);
}

void store_expire_certificates(struct directory_store *store, time_t now)
{
    for (unsigned i = store->n_certificates; i-- > 0;)
        if (store->certificates[i].parsed->expires < now)
            drop(store, i);
}

void store_free_certificates(struct directory_store *store)
{
    while (store->n_certificates > 0)
        drop(store, store->n_certificates - 1);
}
