// SPDX-License-Identifier: BSD-3-Clause
// The control plane's messages, carried out.
#pragma once

struct message;
struct worker;

// Takes the message. The batch must be empty.
void command_execute(struct worker *w, struct message *m);
// Sends the messages that have waited for their circuit's layer, if it has come.
void command_run_held(struct worker *w);
// Answers dials that could not be begun, as far as there are messages.
void command_send_refusals(struct worker *w);
