// SPDX-License-Identifier: BSD-3-Clause
// What the files that read a consensus share: each reads the items of one part, one at a time.
//
// Functions give 0, or the error that ends the reading (-EINVAL, -ENOMEM), with `wrong` set.
#pragma once

#include "netdoc/consensus.h"
#include "netdoc/tokens.h"

struct consensus_parser {
    struct consensus *c;
    const char *wrong;
    uint32_t header_seen; // bit I: item I of the header's table was there
    uint8_t voters[CONSENSUS_VOTERS_MAX][20];
    unsigned n_voters;
    // The last of c->routers is being read while `entry_open`.
    size_t routers_capacity;
    bool entry_open;
    unsigned entry_seen;
    struct text last_protocols; // those of the entry before, and their string
    const char *last_string;
};

int consensus_wrong(struct consensus_parser *p, const char *what); // -EINVAL

int consensus_header_item(struct consensus_parser *p, const struct token *t);
int consensus_header_end(struct consensus_parser *p);
// "name=value" arguments of `t`, sorted, into a new array.
int consensus_read_values(struct consensus_parser *p, const struct token *t,
                          struct consensus_parameter **out, size_t *n);
// One "r", or an item that follows one.
int consensus_router_item(struct consensus_parser *p, const struct token *t);
int consensus_routers_end(struct consensus_parser *p);
int consensus_signature_item(struct consensus_parser *p, const struct token *t);
