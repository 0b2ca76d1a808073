// SPDX-License-Identifier: BSD-3-Clause
// Files of directory documents, and the helper threads' jobs that write them.
#include "dir/store/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <uv.h>

#include "base/log.h"

static const char *const names[DISK_FILES] = {
    [DISK_CONSENSUS] = "cached-consensus",
    [DISK_MICRODESC_CONSENSUS] = "cached-microdesc-consensus",
    [DISK_CERTIFICATES] = "cached-certs",
    [DISK_MICRODESCRIPTORS] = "cached-microdescs",
    [DISK_DESCRIPTORS] = "cached-descriptors",
    [DISK_EXTRA_INFOS] = "cached-extrainfo",
};

struct piece_list {
    struct disk_piece *pieces;
    size_t n, capacity;
    size_t bytes;
};

// What is to be done to one file: replaced first, if so, then appended to.
struct writing {
    bool replace;
    struct piece_list whole, journal;
};

struct disk_job {
    uv_work_t work;
    uv_sem_t done;
    struct disk *disk; // NULL once it is gone; control thread only
    enum disk_file file;
    const char *directory; // a copy of its own
    struct writing writing;
    int error; // of the helper
};

struct disk {
    struct uv_loop_s *loop;
    char *directory;
    struct disk_job *running[DISK_FILES];
    struct writing waiting[DISK_FILES];
    size_t bytes[DISK_FILES][2];
};

// ---- lists of pieces

static void drop_pieces(struct piece_list *list)
{
    for (size_t i = 0; i < list->n; i++)
        blob_drop(list->pieces[i].text);
    free(list->pieces);
    *list = (struct piece_list){0};
}

static bool add_pieces(struct piece_list *list, const struct disk_piece *pieces, size_t n)
{
    if (list->n + n > list->capacity) {
        size_t capacity = 2 * list->capacity > list->n + n ? 2 * list->capacity : list->n + n;
        struct disk_piece *grown = realloc(list->pieces, capacity * sizeof(*grown));
        if (grown == NULL)
            return false;
        list->pieces = grown;
        list->capacity = capacity;
    }
    for (size_t i = 0; i < n; i++) {
        list->pieces[list->n++] = pieces[i];
        blob_hold(pieces[i].text);
        list->bytes += strlen(pieces[i].note) + pieces[i].text->length;
    }
    return true;
}

// ---- on a helper thread

static int write_all(int fd, const void *bytes, size_t length)
{
    const char *at = bytes;
    while (length > 0) {
        ssize_t n = write(fd, at, length);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -EIO;
        at += n;
        length -= (size_t)n;
    }
    return 0;
}

// Gathers small pieces: descriptors are two kilobytes each.
static int write_pieces(int fd, const struct piece_list *list)
{
    enum { GATHER = 256 * 1024 };
    char *gathered = malloc(GATHER);
    size_t used = 0;
    int error = gathered == NULL ? -ENOMEM : 0;
    for (size_t i = 0; i < list->n && error == 0; i++) {
        const struct disk_piece *piece = &list->pieces[i];
        size_t note = strlen(piece->note), length = piece->text->length;
        if (used + note + length > GATHER) {
            error = write_all(fd, gathered, used);
            used = 0;
        }
        memcpy(gathered + used, piece->note, note);
        used += note;
        if (used + length > GATHER) {
            error = error != 0 ? error : write_all(fd, gathered, used);
            error = error != 0 ? error : write_all(fd, piece->text->bytes, length);
            used = 0;
        } else {
            memcpy(gathered + used, piece->text->bytes, length);
            used += length;
        }
    }
    error = error != 0 ? error : write_all(fd, gathered, used);
    free(gathered);
    return error;
}

static int write_file(const char *path, int flags, const struct piece_list *list)
{
    int fd = open(path, flags | O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return -errno;
    int error = write_pieces(fd, list);
    if (error == 0 && (flags & O_TRUNC) && fsync(fd) < 0)
        error = -errno;
    if (close(fd) < 0 && error == 0)
        error = -errno;
    return error;
}

static int carry_out(const char *directory, enum disk_file file, const struct writing *w)
{
    char path[PATH_MAX], temporary[PATH_MAX], journal[PATH_MAX];
    int n = snprintf(temporary, sizeof(temporary), "%s/%s.tmp", directory, names[file]);
    if (n < 0 || (size_t)n >= sizeof(temporary))
        return -ENAMETOOLONG;
    snprintf(path, sizeof(path), "%s/%s", directory, names[file]);
    snprintf(journal, sizeof(journal), "%s/%s.new", directory, names[file]);
    int error = 0;
    if (w->replace) {
        error = write_file(temporary, O_TRUNC, &w->whole);
        if (error == 0 && rename(temporary, path) < 0)
            error = -errno;
        if (error == 0 && unlink(journal) < 0 && errno != ENOENT)
            error = -errno;
    }
    if (error == 0 && w->journal.n > 0)
        error = write_file(journal, O_APPEND, &w->journal);
    return error;
}

static void run_job(uv_work_t *work)
{
    struct disk_job *job = work->data;
    job->error = carry_out(job->directory, job->file, &job->writing);
    uv_sem_post(&job->done);
}

// ---- on the control thread

static void say_error(const char *directory, enum disk_file file, int error)
{
    if (error < 0)
        log_warn("%s/%s: cannot be written: %s", directory, names[file], strerror(-error));
}

static void free_job(struct disk_job *job)
{
    drop_pieces(&job->writing.whole);
    drop_pieces(&job->writing.journal);
    uv_sem_destroy(&job->done);
    free(job);
}

static void start_job(struct disk *disk, enum disk_file file);

static void job_done(uv_work_t *work, int status)
{
    struct disk_job *job = work->data;
    struct disk *disk = job->disk;
    (void)status;
    if (disk != NULL) {
        say_error(disk->directory, job->file, job->error);
        disk->running[job->file] = NULL;
        start_job(disk, job->file);
    }
    free_job(job);
}

// What waits is written at once, for want of a helper or of time.
static void write_here(struct disk *disk, enum disk_file file)
{
    struct writing *w = &disk->waiting[file];
    if (w->replace || w->journal.n > 0)
        say_error(disk->directory, file, carry_out(disk->directory, file, w));
    drop_pieces(&w->whole);
    drop_pieces(&w->journal);
    w->replace = false;
}

static void start_job(struct disk *disk, enum disk_file file)
{
    struct writing *w = &disk->waiting[file];
    if (disk->running[file] != NULL || (!w->replace && w->journal.n == 0))
        return;
    size_t length = strlen(disk->directory) + 1;
    struct disk_job *job = calloc(1, sizeof(*job) + length);
    if (job == NULL || uv_sem_init(&job->done, 0) != 0) {
        free(job);
        return; // tried again with the next one
    }
    char *directory = (char *)(job + 1);
    memcpy(directory, disk->directory, length);
    job->work.data = job;
    job->disk = disk;
    job->file = file;
    job->directory = directory;
    job->writing = *w;
    *w = (struct writing){0};
    disk->running[file] = job;
    if (uv_queue_work(disk->loop, &job->work, run_job, job_done) == 0)
        return;
    disk->running[file] = NULL;
    *w = job->writing;
    job->writing = (struct writing){0};
    free_job(job);
}

void disk_replace(struct disk *disk, enum disk_file file, const struct disk_piece *pieces, size_t n)
{
    struct writing *w = &disk->waiting[file];
    drop_pieces(&w->whole);
    drop_pieces(&w->journal);
    w->replace = add_pieces(&w->whole, pieces, n);
    if (!w->replace) {
        say_error(disk->directory, file, -ENOMEM);
        return;
    }
    disk->bytes[file][0] = w->whole.bytes;
    disk->bytes[file][1] = 0;
    start_job(disk, file);
}

void disk_append(struct disk *disk, enum disk_file file, const struct disk_piece *pieces, size_t n)
{
    struct piece_list *list = &disk->waiting[file].journal;
    size_t before = list->bytes;
    if (!add_pieces(list, pieces, n)) {
        say_error(disk->directory, file, -ENOMEM);
        return;
    }
    disk->bytes[file][1] += list->bytes - before;
    start_job(disk, file);
}

size_t disk_bytes(const struct disk *disk, enum disk_file file, int journal)
{
    return disk->bytes[file][journal != 0];
}

// ---- reading

static struct blob *read_open(int fd, const char *path)
{
    struct stat st;
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size == 0)
        return NULL;
    if (st.st_size > DISK_FILE_BYTES_MAX) {
        log_warn("%s: too large to be read; it will be written anew", path);
        return NULL;
    }
    struct blob *blob = blob_create(NULL, (size_t)st.st_size);
    size_t length = 0;
    while (blob != NULL && length < blob->length) {
        ssize_t n = read(fd, blob->bytes + length, blob->length - length);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        length += (size_t)n;
    }
    if (blob != NULL) {
        blob->length = length;
        blob->bytes[length] = 0;
    }
    return blob;
}

struct blob *disk_read(const struct disk *disk, enum disk_file file, int journal)
{
    char path[PATH_MAX];
    int n = snprintf(path, sizeof(path), "%s/%s%s", disk->directory, names[file],
                     journal ? ".new" : "");
    if (n < 0 || (size_t)n >= sizeof(path))
        return NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        if (errno != ENOENT)
            log_warn("%s: cannot be read: %s", path, strerror(errno));
        return NULL;
    }
    struct blob *blob = read_open(fd, path);
    close(fd);
    return blob;
}

// ---- life

static void find_sizes(struct disk *disk)
{
    for (unsigned file = 0; file < DISK_FILES; file++)
        for (int journal = 0; journal < 2; journal++) {
            char path[PATH_MAX];
            struct stat st;
            snprintf(path, sizeof(path), "%s/%s%s", disk->directory, names[file],
                     journal ? ".new" : "");
            disk->bytes[file][journal] = stat(path, &st) == 0 ? (size_t)st.st_size : 0;
        }
}

struct disk *disk_create(struct uv_loop_s *loop, const char *directory)
{
    struct disk *disk = calloc(1, sizeof(*disk));
    if (disk == NULL || (disk->directory = strdup(directory)) == NULL) {
        free(disk);
        return NULL;
    }
    disk->loop = loop;
    find_sizes(disk);
    return disk;
}

// A helper that has begun is waited for; one that has not is done without.
static void finish_job(struct disk *disk, enum disk_file file)
{
    struct disk_job *job = disk->running[file];
    if (job == NULL)
        return;
    if (uv_cancel((uv_req_t *)&job->work) == 0)
        job->error = carry_out(job->directory, file, &job->writing);
    else
        uv_sem_wait(&job->done);
    say_error(disk->directory, file, job->error);
    job->disk = NULL;
    disk->running[file] = NULL;
}

void disk_free(struct disk *disk)
{
    if (disk == NULL)
        return;
    for (unsigned file = 0; file < DISK_FILES; file++) {
        finish_job(disk, file);
        write_here(disk, file);
    }
    free(disk->directory);
    free(disk);
}
