// SPDX-License-Identifier: BSD-3-Clause
// Consensuses in the store: the one in force, and older ones that diffs begin from.
#include <errno.h>
#include <string.h>

#include "dir/parameters.h"
#include "dir/store/store_internal.h"
#include "relay.h"

static void drop_last(struct directory_store *store, enum consensus_flavour flavour)
{
    struct stored_consensus *last = &store->consensuses[flavour][--store->n_consensuses[flavour]];
    blob_drop(last->text);
    *last = (struct stored_consensus){0};
}

static size_t old_bytes(const struct directory_store *store, enum consensus_flavour flavour)
{
    size_t bytes = 0;
    for (unsigned i = 1; i < store->n_consensuses[flavour]; i++)
        bytes += store->consensuses[flavour][i].text->length;
    return bytes;
}

// Each flavour has half of the room.
static void drop_surplus(struct directory_store *store, enum consensus_flavour flavour)
{
    while (store->n_consensuses[flavour] > 1 &&
           old_bytes(store, flavour) > STORE_OLD_CONSENSUS_BYTES_MAX / CONSENSUS_FLAVOURS)
        drop_last(store, flavour);
}

static void fill(struct stored_consensus *c, struct blob *text, const struct consensus *parsed)
{
    c->text = blob_hold(text);
    c->parsed = parsed;
    c->valid_after = parsed->valid_after;
    c->fresh_until = parsed->fresh_until;
    c->valid_until = parsed->valid_until;
    memcpy(c->sha3, parsed->sha3, sizeof(c->sha3));
    memcpy(c->sha3_signed, parsed->sha3_signed, sizeof(c->sha3_signed));
}

static void free_parsed(struct stored_consensus *c)
{
    union {
        const struct consensus *theirs;
        struct consensus *ours;
    } parsed = {c->parsed};
    consensus_free(parsed.ours);
    c->parsed = NULL;
}

int store_put_consensus(struct directory_store *store, struct blob *text, struct consensus *parsed)
{
    enum consensus_flavour flavour = parsed->flavour;
    struct stored_consensus *list = store->consensuses[flavour];
    unsigned n = store->n_consensuses[flavour];
    if (n > 0 && parsed->valid_after <= list[0].valid_after) {
        consensus_free(parsed);
        return -EEXIST;
    }
    if (n == STORE_CONSENSUSES_MAX)
        drop_last(store, flavour);
    n = store->n_consensuses[flavour];
    if (n > 0)
        free_parsed(&list[0]);
    memmove(&list[1], &list[0], n * sizeof(*list));
    fill(&list[0], text, parsed);
    store->n_consensuses[flavour]++;
    store->generation++;
    drop_surplus(store, flavour);
    store_mark_listed(store, parsed);
    if (!store->loading)
        store_save_consensus(store, flavour);
    return 0;
}

// The one in force stays, however old: it is what a diff of ours begins from.
void store_expire_consensuses(struct directory_store *store, time_t now)
{
    time_t age = (time_t)parameters_of(store->relay)->consensus_diff_max_age_hours * 3600;
    for (unsigned flavour = 0; flavour < CONSENSUS_FLAVOURS; flavour++) {
        unsigned *n = &store->n_consensuses[flavour];
        while (*n > 1 && store->consensuses[flavour][*n - 1].valid_after < now - age)
            drop_last(store, flavour);
    }
}

void store_free_consensuses(struct directory_store *store)
{
    for (unsigned flavour = 0; flavour < CONSENSUS_FLAVOURS; flavour++) {
        if (store->n_consensuses[flavour] > 0)
            free_parsed(&store->consensuses[flavour][0]);
        while (store->n_consensuses[flavour] > 0)
            drop_last(store, flavour);
    }
}
