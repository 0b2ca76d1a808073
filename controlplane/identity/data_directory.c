// SPDX-License-Identifier: BSD-3-Clause
// Making and locking data_directory.
#include "identity/data_directory.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

int data_directory_make(const char *path, const struct keyfile_error *error)
{
    struct stat st;
    if (mkdir(path, 0700) == 0)
        return 0;
    int err = errno;
    if (err == EEXIST && stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        return 0;
    if (err == EEXIST)
        keyfile_fail(error, "%s: found something that is no directory, expected one", path);
    else
        keyfile_fail(error, "%s: cannot be made: %s", path, strerror(err));
    return -err;
}

// C tor takes the same lock on the same file.
int data_directory_lock(const char *path, const struct keyfile_error *error)
{
    char file[PATH_MAX];
    snprintf(file, sizeof(file), "%s/lock", path);
    int fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        keyfile_fail(error, "%s: cannot be opened: %s", file, strerror(errno));
        return -EIO;
    }
    if (flock(fd, LOCK_EX | LOCK_NB) == 0)
        return fd;
    keyfile_fail(error,
                 "%s: found it locked by a relay that runs, expected a data directory of its own "
                 "for each relay",
                 file);
    close(fd);
    return -EBUSY;
}
