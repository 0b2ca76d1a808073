// SPDX-License-Identifier: BSD-3-Clause
// Small files that are read and written whole.
#include "whole_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int write_all(int fd, const uint8_t *bytes, size_t length)
{
    while (length > 0) {
        ssize_t n = write(fd, bytes, length);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -EIO;
        bytes += n;
        length -= (size_t)n;
    }
    return 0;
}

// So that the rename is on disk, too. Not every file system can; then it is as good as it gets.
static void sync_directory_of(const char *path)
{
    char directory[PATH_MAX];
    const char *slash = strrchr(path, '/');
    if (slash == NULL || (size_t)(slash - path) >= sizeof(directory))
        return;
    memcpy(directory, path, (size_t)(slash - path));
    directory[slash - path] = '\0';
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return;
    (void)fsync(fd);
    close(fd);
}

int whole_file_write(const char *path, const void *bytes, size_t length, time_t made)
{
    char temporary[PATH_MAX];
    int n = snprintf(temporary, sizeof(temporary), "%s.tmp", path);
    if (n < 0 || (size_t)n >= sizeof(temporary))
        return -ENAMETOOLONG;
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    int err = fd < 0 ? -errno : write_all(fd, bytes, length);
    struct timespec times[2] = {{.tv_sec = made}, {.tv_sec = made}};
    if (err == 0 && made != 0 && futimens(fd, times) < 0)
        err = -errno;
    if (err == 0 && fsync(fd) < 0)
        err = -errno;
    if (fd >= 0 && close(fd) < 0 && err == 0)
        err = -errno;
    if (err == 0 && rename(temporary, path) < 0)
        err = -errno;
    if (err < 0 && fd >= 0)
        unlink(temporary);
    if (err == 0)
        sync_directory_of(path);
    return err;
}

static int read_open(int fd, size_t most, char **out, size_t *length)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode))
        return S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
    if (st.st_size < 0 || (uintmax_t)st.st_size > most)
        return -EFBIG;
    size_t size = (size_t)st.st_size, got = 0;
    char *text = malloc(size + 1);
    if (text == NULL)
        return -ENOMEM;
    while (got < size) {
        ssize_t n = read(fd, text + got, size - got);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            int err = -errno;
            free(text);
            return err;
        }
        if (n == 0)
            break; // it got shorter meanwhile
        got += (size_t)n;
    }
    text[got] = '\0';
    *out = text;
    *length = got;
    return 0;
}

int whole_file_read(const char *path, size_t most, char **out, size_t *length)
{
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int err = read_open(fd, most, out, length);
    close(fd);
    return err;
}
