// SPDX-License-Identifier: BSD-3-Clause
// Names that their user gave to onion services: petnames.json, {"wiki": "….onion"}; "wiki.pet" in a
// SOCKS request stands for the address. Never sent anywhere. Control thread and command line.
//
// Names are 1 to 63 of a-z, 0-9 and '-', which neither begins nor ends them. Errors are one line.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "onion/key/onion_address.h"

enum { PETNAME_MAX = 63, PETNAMES_MAX = 1000, PETNAME_ERROR_MAX = 512 };

struct config;
struct petnames;

struct petname {
    char name[PETNAME_MAX + 1];
    char address[ONION_ADDRESS_LEN + 1];
};

// ---- the file

// Where it is by the configuration. False: the path is too long.
bool petnames_path(const struct config *config, char *out, size_t size);
// A file that is not there has none. NULL: with FILE:LINE:COLUMN and what is wrong in `error`.
struct petnames *petnames_load(const char *path, char error[PETNAME_ERROR_MAX]);
// … of its text; `path` is for the error only.
struct petnames *petnames_parse(const char *path, const char *text, size_t length,
                                char error[PETNAME_ERROR_MAX]);
// Whole or not at all, for its owner only. 0 or a negative errno with `error`.
int petnames_save(const struct petnames *p, const char *path, char error[PETNAME_ERROR_MAX])
    __attribute__((warn_unused_result));
void petnames_free(struct petnames *p); // NULL is fine

// ---- what is in it

// The address, or NULL. `name` is without ".pet"; capitals are alike.
const char *petnames_find(const struct petnames *p, const char *name);
size_t petnames_count(const struct petnames *p);
const struct petname *petnames_at(const struct petnames *p, size_t index); // by name
// The address is checked with its checksum. 0; -EINVAL: not such a name or address, or too many;
// -EEXIST: the name is taken; -ENOMEM.
int petnames_add(struct petnames *p, const char *name, const char *address,
                 char error[PETNAME_ERROR_MAX]) __attribute__((warn_unused_result));
int petnames_remove(struct petnames *p, const char *name); // -ENOENT

// What a person can take for another one.
enum petname_likeness { PETNAME_UNLIKE, PETNAME_LIKE_NAME, PETNAME_LIKE_ADDRESS };
// Names that differ in what looks the same (0 o, 1 l i, rn m, a hyphen, …) or in one character, or
// addresses that have their first and last characters in common. Names of one address are never
// alike.
enum petname_likeness petname_compare(const struct petname *a, const struct petname *b);
// The first of the others in `p` that is like `one`.
enum petname_likeness petnames_lookalike(const struct petnames *p, const struct petname *one,
                                         const struct petname **like);

// ---- as SOCKS uses it

// Looks at the file again when it has changed. What can't be read is told once, and changes
// nothing.
struct petname_book;
struct petname_book *petname_book_create(const char *path); // NULL: no memory
void petname_book_free(struct petname_book *b);             // NULL is fine
enum petname_answer { PETNAME_NONE, PETNAME_KNOWN, PETNAME_UNKNOWN };
// NONE: the host does not end in ".pet". KNOWN: `address` has it; what is before the name ("www.")
// is ignored, as with onion addresses. NULL is a book without names.
enum petname_answer petname_book_resolve(struct petname_book *b, const char *host,
                                         char address[ONION_ADDRESS_LEN + 1]);

// Programs that look a name up before they connect (torsocks) get an IPv4 address in its place, one
// of 198.18.0.0/15, which nobody has (RFC 2544): the same one for a name as long as the book lives.
// False: it is no petname that is there, or there are no more addresses.
bool petname_book_lend(struct petname_book *b, const char *host, struct address *out);
// NONE: it is not one of those addresses.
enum petname_answer petname_book_lent(struct petname_book *b, const struct address *a,
                                      char address[ONION_ADDRESS_LEN + 1]);
