// SPDX-License-Identifier: BSD-3-Clause
// Stands in for circuit/own_circuit.h and stream/stream.h: one circuit and one stream at a time.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "circuit/own_circuit.h"
#include "stream/stream.h"

struct stream {
    const struct stream_ops *ops;
    void *user;
    bool used, close_asked;
};

struct fake_circuits {
    bool refuse, no_stream;
    unsigned asked; // ever
    struct own_circuit_path path;
    struct own_circuit_request *request; // under way
    struct stream stream;
};
extern struct fake_circuits fake_circuits;

void fake_circuits_clear(void);
void fake_circuit_answer(enum destroy_reason reason); // NONE: it stands
size_t fake_stream_pull(char *out, size_t capacity);  // all that is to be sent
void fake_stream_push(const char *text, size_t length, size_t piece);
void fake_stream_end(enum end_reason reason); // END came, or ours was sent
