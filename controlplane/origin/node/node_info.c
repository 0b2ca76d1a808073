// SPDX-License-Identifier: BSD-3-Clause
// Microdescriptors that were read once, kept by their digests, with the policies and families that
// many of them have in common.
#include <stdlib.h>
#include <string.h>

#include "crypto/digest.h"
#include "dir/store/store.h"
#include "origin/node/node_internal.h"
#include "relay.h"

static struct node_policy *policy_of(struct node_list *list, struct text text)
{
    uint8_t key[32];
    if (text.length == 0)
        return &list->none;
    sha256(text.at, text.length, key);
    struct node_policy *p = digest_table_get(&list->policies, key);
    if (p != NULL)
        return p;
    struct port_policy *policy = port_policy_parse(text.at, text.length);
    p = policy != NULL ? calloc(1, sizeof(*p)) : NULL;
    if (p == NULL) { // malformed: it serves nobody
        free(policy);
        return &list->none;
    }
    *p = (struct node_policy){.policy = policy};
    memcpy(p->kept.key, key, sizeof(key));
    if (digest_table_put(&list->policies, key, p) < 0) {
        free(policy);
        free(p);
        return &list->none;
    }
    return p;
}

static struct node_family *family_of(struct node_list *list, const struct microdescriptor *m)
{
    uint8_t keys[3][32];
    if (m->family.length + m->family_ids.length == 0)
        return NULL;
    sha256(m->family.at, m->family.length, keys[0]);
    sha256(m->family_ids.at, m->family_ids.length, keys[1]);
    sha256(keys, sizeof(keys[0]) * 2, keys[2]);
    struct node_family *f = digest_table_get(&list->families, keys[2]);
    if (f != NULL)
        return f;
    f = node_family_parse(m->family, m->family_ids);
    if (f == NULL)
        return NULL;
    memcpy(f->kept.key, keys[2], sizeof(keys[2]));
    if (digest_table_put(&list->families, f->kept.key, f) < 0) {
        free(f);
        return NULL;
    }
    return f;
}

static struct node_info *read_info(struct node_list *list, const struct router_status *status)
{
    static const uint8_t zeros[32];
    struct microdescriptor m;
    size_t length;
    struct blob *text = store_get(list->relay->store, STORE_MICRODESCRIPTOR, status->digest);
    if (text == NULL || microdescriptor_parse(text->bytes, text->length, &m, &length) < 0)
        return NULL;
    struct node_info *info = calloc(1, sizeof(*info));
    if (info == NULL)
        return NULL;
    *info = (struct node_info){
        .usable = memcmp(m.ntor_key, zeros, sizeof(zeros)) != 0,
        .has_ed_id = m.has_ed_id && memcmp(m.ed_id, zeros, sizeof(zeros)) != 0,
        .ipv6 = m.ipv6,
        .policy = policy_of(list, m.policy),
        .policy6 = policy_of(list, m.policy6),
        .family = family_of(list, &m),
    };
    memcpy(info->kept.key, status->digest, sizeof(info->kept.key));
    memcpy(info->ntor_key, m.ntor_key, sizeof(info->ntor_key));
    memcpy(info->ed_id, m.ed_id, sizeof(info->ed_id));
    if (digest_table_put(&list->infos, info->kept.key, info) < 0) {
        free(info);
        return NULL;
    }
    return info;
}

struct node_info *node_info_of(struct node_list *list, const struct router_status *status)
{
    struct node_info *info = digest_table_get(&list->infos, status->digest);
    if (info == NULL)
        info = read_info(list, status);
    if (info == NULL)
        return NULL;
    info->kept.seen = list->generation;
    info->policy->kept.seen = info->policy6->kept.seen = list->generation;
    if (info->family != NULL)
        info->family->kept.seen = list->generation;
    return info;
}

static void drop_policy(void *object)
{
    struct node_policy *p = object;
    free(p->policy);
    free(p);
}

// All that were last in use before `generation`.
static void sweep(struct digest_table *t, uint64_t generation, void (*drop)(void *))
{
    struct kept *k;
    size_t n = 0;
    for (size_t i = 0; (k = digest_table_next(t, &i)) != NULL;)
        n += k->seen < generation;
    struct kept **old = n > 0 ? calloc(n, sizeof(struct kept *)) : NULL;
    if (old == NULL)
        return;
    n = 0;
    for (size_t i = 0; (k = digest_table_next(t, &i)) != NULL;)
        if (k->seen < generation)
            old[n++] = k;
    for (size_t i = 0; i < n; i++) {
        digest_table_remove(t, old[i]->key);
        drop(old[i]);
    }
    free(old);
}

void node_infos_sweep(struct node_list *list)
{
    sweep(&list->infos, list->generation, free);
    sweep(&list->policies, list->generation, drop_policy);
    sweep(&list->families, list->generation, free);
}

static void release(struct digest_table *t, void (*drop)(void *))
{
    void *object;
    for (size_t i = 0; (object = digest_table_next(t, &i)) != NULL;)
        drop(object);
    digest_table_release(t);
}

void node_infos_release(struct node_list *list)
{
    release(&list->infos, free);
    release(&list->policies, drop_policy);
    release(&list->families, free);
}
