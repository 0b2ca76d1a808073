// SPDX-License-Identifier: BSD-3-Clause
// Names that their user gave to onion services: petnames.json, {"wiki": "….onion"}; "wiki.pet" in a
// SOCKS request stands for the address. Never sent anywhere. Control thread and command line.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "onion/key/onion_address.h"

enum { PETNAME_MAX = 63, PETNAMES_MAX = 10000, PETNAME_ERROR_MAX = 512 };

struct petnames;

// A file that is not there has none. NULL: with one line in `error` (file:line:column, what is
// wrong).
struct petnames *petnames_load(const char *path, char error[PETNAME_ERROR_MAX]);
void petnames_free(struct petnames *p); // NULL is fine
// The address, or NULL. `name` is without ".pet"; capitals are alike.
const char *petnames_find(const struct petnames *p, const char *name);
size_t petnames_count(const struct petnames *p);
void petnames_each(const struct petnames *p,
                   void (*each)(void *user, const char *name, const char *address), void *user);

// Checks name and address; `lookalike` (may be NULL) is set to a name that is there already and
// looks the same to people, or whose address begins and ends alike. 0, or -EINVAL, -EEXIST with one
// line.
int petnames_add(struct petnames *p, const char *name, const char *address, const char **lookalike,
                 char error[PETNAME_ERROR_MAX]);
int petnames_remove(struct petnames *p, const char *name);
// Whole or not at all.
int petnames_save(const struct petnames *p, const char *path, char error[PETNAME_ERROR_MAX]);

// ---- as SOCKS uses it: looks at the file again when it has changed

struct petname_book;
struct petname_book *petname_book_create(const char *path); // NULL: no memory
void petname_book_free(struct petname_book *b);             // NULL is fine
enum petname_answer { PETNAME_NONE, PETNAME_KNOWN, PETNAME_UNKNOWN };
// NONE: the host does not end in ".pet". KNOWN: `address` has it.
enum petname_answer petname_book_resolve(struct petname_book *b, const char *host,
                                         char address[ONION_ADDRESS_LEN + 1]);
