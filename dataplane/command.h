// SPDX-License-Identifier: BSD-3-Clause
// The control plane's messages, carried out.
#pragma once

struct cell;
struct message;
struct worker;

// Takes the message. The batch must be empty.
void command_execute(struct worker *w, struct message *m);
// Takes what another worker sent: a relay cell, or a layer on the move.
void command_take_peer_cell(struct worker *w, struct cell *c);
// Answers dials that could not be begun, as far as there are messages.
void command_send_refusals(struct worker *w);
