// SPDX-License-Identifier: BSD-3-Clause
// What must outlive the process: data_directory/state, in C tor's format ("Keyword value" lines),
// so that a client can be moved over by copying it. Lines that nobody here knows are kept as they
// are. Control thread only; a helper thread writes.
//
// Written whole or not at all: to a new file that is synced and then takes the old one's place.
// When is counted by the relay's uptime, which a clock that is set does not disturb.
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct relay;
struct state_file;

// A part's lines. `load` is called once, for each of its keywords' lines in their order; `save`
// writes them all again, with state_write.
struct state_writer;
struct state_section {
    const char *const *keywords; // ends with NULL; case does not matter
    void (*load)(void *user, const char *keyword, const char *value); // `keyword`: as in `keywords`
    void (*save)(void *user, struct state_writer *w);
};

// Reads the file. One that can't be read or is malformed is moved aside (state.<n>) with a warning,
// and begun anew. NULL: no memory.
struct state_file *state_file_create(struct relay *relay);
// The same from a text, without a file: it is never written. For tests.
struct state_file *state_file_create_of(struct relay *relay, const char *text, size_t length);
// Writes what has changed first. The loop must run once more. NULL is fine.
void state_file_free(struct state_file *file);
// Gives the section its lines at once. STATE_SECTIONS_MAX at most; `section` is kept. Until then
// its lines are among those that nobody knows.
enum { STATE_SECTIONS_MAX = 8, STATE_FILE_MAX = 1 << 20 };
void state_file_register(struct state_file *file, const struct state_section *section, void *user);
// Before `user` goes: what it would save now is kept as lines that nobody knows.
void state_file_unregister(struct state_file *file, void *user);
// To be written: soon (`soon_s` seconds at the latest).
void state_file_changed(struct state_file *file, unsigned soon_s);
void state_file_tick(struct state_file *file);
// One line; what would break it (line ends) is left out, and what follows.
void state_write(struct state_writer *w, const char *keyword, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
// What would be written now, the caller's to free. NULL: no memory.
char *state_file_text(struct state_file *file, size_t *length);
// The last time that writing was tried, it failed.
bool state_file_failed(const struct state_file *file);
