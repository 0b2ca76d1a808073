// SPDX-License-Identifier: BSD-3-Clause
// Whom a directory request goes to, and who was of no use lately. Directory caches ask authorities
// and caches that the consensus lists; clients begin with fallback directories and authorities, and
// then ask their guards (9.01).
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "dir/client/dir_connection.h"

struct guard_use;
struct relay;

enum { SOURCE_FAILURES_MAX = 64, SOURCE_NAME_MAX = 19 };

enum source_kind { SOURCE_CACHE, SOURCE_AUTHORITY, SOURCE_FALLBACK, SOURCE_GUARD };

struct source {
    struct dir_target target; // with its RSA id
    char name[SOURCE_NAME_MAX + 1];
    enum source_kind kind;
    struct guard_use *guard; // SOURCE_GUARD: who asks ends it. NULL: it has been ended
};

struct source_failures {
    struct {
        uint8_t rsa_id[20];
        time_t until;
        unsigned failures; // in a row
    } entries[SOURCE_FAILURES_MAX];
    unsigned next; // the one that is overwritten
};

// True: this one is not to be asked now. May be NULL.
typedef bool (*source_busy_fn)(void *user, const uint8_t rsa_id[20]);

// A random authority that is not busy, and did not fail lately unless they all did. False: none.
bool source_choose_authority(const struct relay *relay, const struct source_failures *failures,
                             source_busy_fn busy, void *user, struct source *out);
// A random V2Dir relay of the consensus, by bandwidth; not ourselves, not an authority. False:
// none.
bool source_choose_cache(const struct relay *relay, const struct source_failures *failures,
                         source_busy_fn busy, void *user, struct source *out);
// A random one of config's fallback directories that is not busy, and did not fail lately unless
// they all did. False: none.
bool source_choose_fallback(const struct relay *relay, const struct source_failures *failures,
                            source_busy_fn busy, void *user, struct source *out);
// A directory guard of ours, if possible one that did not fail lately. False: none can be used now.
bool source_choose_guard(const struct relay *relay, const struct source_failures *failures,
                         struct source *out);
const char *source_kind_name(const struct source *source); // for the log
void source_note_failure(struct source_failures *failures, const struct source *source, time_t now,
                         bool testing_network);
void source_note_success(struct source_failures *failures, const struct source *source);
