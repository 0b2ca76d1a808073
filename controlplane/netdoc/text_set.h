// SPDX-License-Identifier: BSD-3-Clause
// Strings of which each is kept once: routers by the thousand have a few dozen lists of protocols.
#pragma once

#include "netdoc/tokens.h"

enum { TEXT_SET_MAX = 4096 }; // sorted insertion stays cheap up to this

struct text_set;

struct text_set *text_set_create(void);   // NULL: no memory
void text_set_free(struct text_set *set); // with its strings; NULL is fine
// The string with this text, which a NUL ends; NULL: it is not there.
const char *text_set_find(const struct text_set *set, struct text text);
// Adds one that is not there. NULL: no memory, or there are TEXT_SET_MAX.
const char *text_set_add(struct text_set *set, struct text text);
