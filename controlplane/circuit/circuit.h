// SPDX-License-Identifier: BSD-3-Clause
// Circuits through this relay: creation by onion skins, extension, closing (protocol section 2).
// Cells never come here; only what changes a circuit does.
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct relay;
struct message;
struct circuit_table;

struct circuit_table *circuit_table_create(struct relay *relay);
void circuit_table_free(struct circuit_table *t);
size_t circuit_table_count(const struct circuit_table *t);
// Sends DESTROY on every circuit and forgets it.
void circuit_table_close_all(struct circuit_table *t);
// For the dispatcher. Returns false if the message's type is not about circuits.
bool circuit_handle_message(struct circuit_table *t, const struct message *m);
