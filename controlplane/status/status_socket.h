// SPDX-License-Identifier: BSD-3-Clause
// The socket in data_directory: who may own the directory, and what may be replaced there.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

// A socket that is bound to DIRECTORY/NAME with mode 0600 and is not listening yet, and in
// `*directory_fd` the directory, which the caller closes with it (status_socket_remove needs it).
// A negative errno, with one line in `error`: the directory is another's or may be written by
// others, the name is taken by something else, or somebody listens there.
int status_socket_bind(const char *directory, const char *name, int *directory_fd, char *error,
                       size_t error_size);
void status_socket_remove(int directory_fd, const char *name);
// Who is at the other end is us, or root.
bool status_peer_is_owner(int fd);
