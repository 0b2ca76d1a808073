// SPDX-License-Identifier: BSD-3-Clause
// The files that directory documents are kept in: read whole at the start, written by helper
// threads, each file by one at a time and in order. A file is replaced atomically (temporary file,
// rename); a journal is appended to, and its end may be cut off by a crash. Control thread only.
#pragma once

#include <stddef.h>

#include "base/blob.h"

struct uv_loop_s;
struct disk;

enum disk_file {
    DISK_CONSENSUS,
    DISK_MICRODESC_CONSENSUS,
    DISK_CERTIFICATES,
    DISK_MICRODESCRIPTORS,
    DISK_DESCRIPTORS,
    DISK_EXTRA_INFOS,
    DISK_FILES,
};

enum { DISK_FILE_BYTES_MAX = 512 << 20, DISK_NOTE_MAX = 96 };

// A text and the annotation lines that go before it ("@…\n"; may be "").
struct disk_piece {
    struct blob *text;
    char note[DISK_NOTE_MAX];
};

struct disk *disk_create(struct uv_loop_s *loop, const char *directory); // NULL: no memory
// Writes what is waiting. The loop must run once more. NULL is fine.
void disk_free(struct disk *disk);

// The file, or its journal. NULL: it is not there, empty, cannot be read (logged) or is too large.
struct blob *disk_read(const struct disk *disk, enum disk_file file, int journal);
// The whole file anew; its journal goes. Holds the texts until they are written; copies the list.
// What cannot be written is logged, and lost for the next start.
void disk_replace(struct disk *disk, enum disk_file file, const struct disk_piece *pieces,
                  size_t n);
void disk_append(struct disk *disk, enum disk_file file, const struct disk_piece *pieces, size_t n);
// Bytes in the file and in its journal, as if all that waits were written.
size_t disk_bytes(const struct disk *disk, enum disk_file file, int journal);
