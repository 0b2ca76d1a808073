// SPDX-License-Identifier: BSD-3-Clause
// How a circuit gets a second end and loses it, and how two circuits are joined
// (docs/decisions/circuits-between-workers.md). While the batch is empty.
#pragma once

struct cell;
struct circuit_end;
struct message;
struct worker;

// MSG_CIRCUIT_SPLICE, MSG_CIRCUIT_TRUNCATE, MSG_CIRCUIT_JOIN.
void splice_extend(struct worker *w, const struct message *m);
void splice_truncate(struct worker *w, const struct message *m);
void splice_join(struct worker *w, const struct message *m);
// A layer that another worker sent for `end`; the cell's body is secret, and stays the caller's.
void splice_take_parcel(struct worker *w, struct circuit_end *end, const struct cell *c);
