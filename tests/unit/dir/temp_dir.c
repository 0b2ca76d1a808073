// SPDX-License-Identifier: BSD-3-Clause
// Directories for tests.
#include "temp_dir.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct temp_dir temp_dir_make(void)
{
    struct temp_dir dir = {"/tmp/ramson-test-XXXXXX"};
    if (mkdtemp(dir.path) == NULL) {
        perror("mkdtemp");
        exit(1);
    }
    return dir;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

void temp_dir_remove(const struct temp_dir *dir)
{
    nftw(dir->path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

const char *temp_path(const struct temp_dir *dir, const char *name)
{
    static char paths[8][256];
    static unsigned next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof(paths[0]), "%s/%s", dir->path, name);
    return path;
}

ssize_t temp_read(const struct temp_dir *dir, const char *name, void *out, size_t capacity)
{
    int fd = open(temp_path(dir, name), O_RDONLY);
    if (fd < 0)
        return -1;
    ssize_t n = read(fd, out, capacity);
    close(fd);
    return n;
}

void temp_write(const struct temp_dir *dir, const char *name, const void *bytes, size_t length)
{
    int fd = open(temp_path(dir, name), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || write(fd, bytes, length) != (ssize_t)length) {
        perror(name);
        exit(1);
    }
    close(fd);
}

bool temp_exists(const struct temp_dir *dir, const char *name)
{
    return access(temp_path(dir, name), F_OK) == 0;
}

void temp_copy(const struct temp_dir *from, const struct temp_dir *to, const char *name)
{
    char bytes[8192];
    struct stat st;
    ssize_t n = temp_read(from, name, bytes, sizeof(bytes));
    if (n < 0 || stat(temp_path(from, name), &st) < 0) {
        perror(name);
        exit(1);
    }
    temp_write(to, name, bytes, (size_t)n);
    struct timespec times[2] = {st.st_atim, st.st_mtim};
    utimensat(AT_FDCWD, temp_path(to, name), times, 0);
}
