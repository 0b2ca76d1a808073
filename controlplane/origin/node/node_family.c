// SPDX-License-Identifier: BSD-3-Clause
// What relays say about families: `family`, a list of fingerprints and nicknames that counts when
// both sides agree, and `family-ids`, which the authorities have checked (protocol 9.16).
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/digest.h"
#include "netdoc/tokens.h"
#include "origin/node/node_internal.h"

enum {
    // A descriptor of 20,000 bytes, which is the most that authorities take, has room for fewer.
    MEMBERS_MAX = 4096,
    IDS_MAX = 512,
};

static void put_name(struct text name, uint8_t out[20])
{
    memset(out, 0, 20);
    for (size_t i = 0; i < name.length; i++)
        out[i] = (uint8_t)tolower((uint8_t)name.at[i]);
}

// "$FINGERPRINT", and what may follow: "=nickname", "~nickname".
static bool read_fingerprint(struct text t, uint8_t out[20])
{
    if (t.length > 0 && t.at[0] == '$')
        t = (struct text){t.at + 1, t.length - 1};
    if (t.length < 40 || (t.length > 40 && t.at[40] != '=' && t.at[40] != '~'))
        return false;
    if (t.length > 40 && !text_is_nickname((struct text){t.at + 41, t.length - 41}))
        return false;
    return text_hex((struct text){t.at, 40}, out, 20) == 0;
}

static int compare20(const void *a, const void *b)
{
    return memcmp(a, b, 20);
}

static int compare32(const void *a, const void *b)
{
    return memcmp(a, b, 32);
}

static unsigned count_words(struct text t, unsigned most)
{
    struct text word;
    unsigned n = 0;
    while (n < most && token_argument(&t, &word))
        n++;
    return n;
}

// Members that can't be understood name nobody.
static void read_members(struct node_family *f, struct text family, unsigned n, uint8_t (*room)[20])
{
    struct text word;
    unsigned n_names = 0;
    // Fingerprints from the front, names from the back.
    for (unsigned i = 0; i < n && token_argument(&family, &word); i++) {
        if (text_is_nickname(word))
            put_name(word, room[n - ++n_names]);
        else if (read_fingerprint(word, room[f->n_rsa_ids]))
            f->n_rsa_ids++;
    }
    f->n_names = n_names;
    f->rsa_ids = (const uint8_t(*)[20])room;
    f->names = (const uint8_t(*)[20])(room + n - n_names);
    qsort(room, f->n_rsa_ids, 20, compare20);
    qsort(room + n - n_names, n_names, 20, compare20);
}

struct node_family *node_family_parse(struct text family, struct text family_ids)
{
    unsigned n_members = count_words(family, MEMBERS_MAX);
    unsigned n_ids = count_words(family_ids, IDS_MAX);
    if (n_members + n_ids == 0)
        return NULL;
    struct node_family *f = calloc(1, sizeof(*f) + n_members * (size_t)20 + n_ids * (size_t)32);
    if (f == NULL)
        return NULL;
    uint8_t(*ids)[32] = (uint8_t(*)[32])(f + 1);
    struct text word;
    while (f->n_ids < n_ids && token_argument(&family_ids, &word))
        sha256(word.at, word.length, ids[f->n_ids++]);
    qsort(ids, n_ids, 32, compare32);
    f->ids = (const uint8_t(*)[32])ids;
    read_members(f, family, n_members, (uint8_t(*)[20])(ids + n_ids));
    return f;
}

bool node_family_has(const struct node_family *f, const struct router_status *status)
{
    if (f == NULL)
        return false;
    if (bsearch(status->rsa_id, f->rsa_ids, f->n_rsa_ids, 20, compare20) != NULL)
        return true;
    if (f->n_names == 0)
        return false;
    uint8_t name[20];
    put_name((struct text){status->nickname, strlen(status->nickname)}, name);
    return bsearch(name, f->names, f->n_names, 20, compare20) != NULL;
}

bool node_families_share_id(const struct node_family *a, const struct node_family *b)
{
    if (a == NULL || b == NULL)
        return false;
    if (a == b)
        return a->n_ids > 0;
    for (unsigned i = 0, k = 0; i < a->n_ids && k < b->n_ids;) {
        int order = memcmp(a->ids[i], b->ids[k], 32);
        if (order == 0)
            return true;
        if (order < 0)
            i++;
        else
            k++;
    }
    return false;
}
