// SPDX-License-Identifier: BSD-3-Clause
// Lists of subprotocol versions, "HSDir=2 HSIntro=4-5" (protocol 11.12). Pure functions.
//
// Versions are 0 to 63, so those of one protocol are the bits of a word.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "netdoc/tokens.h"

enum { PROTOCOL_NAME_MAX = 100, PROTOCOL_VERSION_MAX = 63 };

struct protocol_entry {
    struct text name;
    uint64_t versions; // bit N: version N
};

// Takes the first entry off `list`. 1; 0 when there is none left; -EINVAL.
int protocol_list_next(struct text *list, struct protocol_entry *out);
bool protocol_list_is_valid(struct text list);
// The versions of a protocol, by the entries before the first that is malformed. NULL has none.
uint64_t protocol_list_versions(const char *list, const char *name);
bool protocol_list_has(const char *list, const char *name, unsigned version);
// True if `ours` has every version of every protocol that `required` lists (6.34); NULL or
// malformed entries require nothing. Else false, and `missing` (may be NULL) gets the first
// protocol that lacks one: "HSDir=2", cut to `capacity`.
bool protocol_list_covers(const char *ours, const char *required, char *missing, size_t capacity);
