// SPDX-License-Identifier: BSD-3-Clause
// What exits answer: the bodies of CONNECTED, RESOLVED and END (protocol 10.05, 10.07, 10.09).
// Bytes from outside; pure functions.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "origin/stream/app_stream.h"

// The address that the exit connected to; ADDRESS_NONE: it says none. False: malformed.
bool exit_answer_connected(const uint8_t *body, size_t length, struct address *out);

enum exit_answer_error { EXIT_ANSWER_FOUND, EXIT_ANSWER_NOT_NOW, EXIT_ANSWER_NEVER };

struct exit_answers {
    unsigned n; // those that come first
    struct app_answer list[APP_ANSWERS_MAX];
    enum exit_answer_error error; // counts when there are none
};
// Types that we don't know are skipped, and names that no host can have. False: malformed.
bool exit_answer_resolved(const uint8_t *body, size_t length, struct exit_answers *out);

// The address that an exit's policy refused; ADDRESS_NONE: it does not say. `body` may be NULL.
struct address exit_answer_refused(const uint8_t *body, size_t length);
// 0.0.0.0 or ::, which nobody connects to.
bool exit_answer_is_null(const struct address *a);
