// SPDX-License-Identifier: BSD-3-Clause
// Binding the status socket.
#include "status/status_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

struct failure {
    const char *directory;
    char *text;
    size_t size;
};

static int fail(const struct failure *f, int code, const char *what, const char *expected)
{
    snprintf(f->text, f->size, "%s: found %s, expected %s", f->directory, what, expected);
    return -code;
}

// Through the directory's descriptor: its path may be longer than a socket's can be.
static void name_address(struct sockaddr_un *address, int directory_fd, const char *name)
{
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    snprintf(address->sun_path, sizeof(address->sun_path), "/proc/self/fd/%d/%s", directory_fd,
             name);
}

// Who can write to the directory can put another socket in the place of ours.
static int open_directory(const struct failure *f)
{
    struct stat st;
    int fd = open(f->directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return fail(f, errno, strerror(errno), "a directory");
    int result = fd;
    if (fstat(fd, &st) != 0)
        result = fail(f, errno, strerror(errno), "a directory");
    else if (st.st_uid != geteuid() && st.st_uid != 0)
        result = fail(f, EPERM, "a directory of another user", "our own");
    else if (st.st_mode & (S_IWGRP | S_IWOTH))
        result = fail(f, EPERM, "a directory that others can write", "one of mode 0700");
    if (result < 0)
        close(fd);
    return result;
}

static bool somebody_listens(const struct sockaddr_un *address)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return true; // who knows
    bool refused = connect(fd, (const struct sockaddr *)address, sizeof(*address)) != 0 &&
                   (errno == ECONNREFUSED || errno == ENOENT);
    close(fd);
    return !refused;
}

// What a process left behind goes; nothing else does.
static int clear_name(const struct failure *f, int directory_fd, const char *name,
                      const struct sockaddr_un *address)
{
    struct stat st;
    if (fstatat(directory_fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT ? 0 : fail(f, errno, strerror(errno), "a directory");
    if (!S_ISSOCK(st.st_mode))
        return fail(f, EEXIST, "status.sock, which is no socket", "a socket or nothing");
    if (somebody_listens(address))
        return fail(f, EADDRINUSE, "status.sock, on which another process listens", "nobody");
    return unlinkat(directory_fd, name, 0) == 0 || errno == ENOENT
               ? 0
               : fail(f, errno, strerror(errno), "to replace status.sock");
}

int status_socket_bind(const char *directory, const char *name, int *directory_fd, char *error,
                       size_t error_size)
{
    const struct failure f = {directory, error, error_size};
    struct sockaddr_un address;
    int directory_is = open_directory(&f);
    if (directory_is < 0)
        return directory_is;
    name_address(&address, directory_is, name);
    int result = clear_name(&f, directory_is, name, &address);
    int fd = result == 0 ? socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0) : -1;
    // The mode is the socket's before it has a name, so that it never has another one.
    if (result == 0 && (fd < 0 || fchmod(fd, 0600) != 0 ||
                        bind(fd, (const struct sockaddr *)&address, sizeof(address)) != 0))
        result = fail(&f, errno, strerror(errno), "to make status.sock");
    if (result == 0) {
        *directory_fd = directory_is;
        return fd;
    }
    if (fd >= 0)
        close(fd);
    close(directory_is);
    return result;
}

void status_socket_remove(int directory_fd, const char *name)
{
    unlinkat(directory_fd, name, 0);
}

bool status_peer_is_owner(int fd)
{
    struct ucred peer;
    socklen_t length = sizeof(peer);
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0 &&
           (peer.uid == geteuid() || peer.uid == 0);
}
