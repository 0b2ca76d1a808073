// SPDX-License-Identifier: BSD-3-Clause
// Sockets that applications connect to.
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "origin/socks/socks_internal.h"

enum { BACKLOG = 1024 };

static void came(uv_stream_t *stream, int status)
{
    if (status == 0)
        socks_connection_accept(stream->data);
    else
        log_info("socks: no connection was accepted: %s", uv_strerror(status));
}

static int fail(char *error, size_t error_size, const char *where, int code, const char *why)
{
    snprintf(error, error_size, "%s: %s", where, why ? why : strerror(-code));
    return code;
}

// ---- TCP

static bool is_loopback(const struct address *a)
{
    static const uint8_t loopback6[16] = {[15] = 1};
    return a->family == ADDRESS_IPV4 ? a->bytes[0] == 127
                                     : memcmp(a->bytes, loopback6, sizeof(loopback6)) == 0;
}

static int bind_tcp(struct socks_listener *listener)
{
    const struct address *a = &listener->config->listen.address;
    struct sockaddr_in6 ipv6 = {.sin6_family = AF_INET6, .sin6_port = htons(a->port)};
    struct sockaddr_in ipv4 = {.sin_family = AF_INET, .sin_port = htons(a->port)};
    memcpy(&ipv6.sin6_addr, a->bytes, sizeof(ipv6.sin6_addr));
    memcpy(&ipv4.sin_addr, a->bytes, sizeof(ipv4.sin_addr));
    return a->family == ADDRESS_IPV6
               ? uv_tcp_bind(&listener->socket.tcp, (struct sockaddr *)&ipv6, UV_TCP_IPV6ONLY)
               : uv_tcp_bind(&listener->socket.tcp, (struct sockaddr *)&ipv4, 0);
}

static int listen_tcp(struct socks_listener *listener, char *error, size_t error_size)
{
    const struct address *a = &listener->config->listen.address;
    char text[ADDRESS_TEXT_MAX];
    address_format(a, text);
    int result = bind_tcp(listener);
    if (result == 0)
        result = uv_listen(&listener->socket.stream, BACKLOG, came);
    if (result < 0)
        return fail(error, error_size, text, result, NULL);
    if (!is_loopback(a))
        log_warn("socks: it listens on %s, which is not this machine's own: whoever reaches it can "
                 "use it, and nothing is encrypted on the way there",
                 text);
    return 0;
}

// ---- Unix

static struct sockaddr_un unix_address(const char *path)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    snprintf(at.sun_path, sizeof(at.sun_path), "%s", path);
    return at;
}

// What an earlier run has left is a socket that nobody listens on; all else stays.
static int remove_stale(const char *path, const char **why)
{
    struct sockaddr_un at = unix_address(path);
    struct stat info;
    if (lstat(path, &info) < 0)
        return errno == ENOENT ? 0 : -errno;
    *why = "it exists, and is no socket";
    if (!S_ISSOCK(info.st_mode))
        return -EEXIST;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    bool refused = connect(fd, (struct sockaddr *)&at, sizeof(at)) < 0 && errno == ECONNREFUSED;
    close(fd);
    *why = "another program listens there";
    if (!refused)
        return -EADDRINUSE;
    *why = NULL;
    return unlink(path) < 0 && errno != ENOENT ? -errno : 0;
}

// At no time may more use it than the mode says.
static int bind_unix(struct socks_listener *listener, int fd)
{
    const char *path = listener->config->listen.path;
    struct sockaddr_un at = unix_address(path);
    struct stat info;
    if (fchmod(fd, listener->config->mode) < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0)
        return -errno;
    // The umask may have taken away what is wanted.
    if (chmod(path, listener->config->mode) < 0 || lstat(path, &info) < 0) {
        int code = -errno;
        unlink(path);
        return code;
    }
    listener->device = info.st_dev;
    listener->inode = info.st_ino;
    return 0;
}

static int listen_unix(struct socks_listener *listener, char *error, size_t error_size)
{
    const char *path = listener->config->listen.path, *why = NULL;
    int result = remove_stale(path, &why);
    if (result < 0)
        return fail(error, error_size, path, result, why);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return fail(error, error_size, path, -errno, NULL);
    result = bind_unix(listener, fd);
    if (result == 0)
        result = uv_pipe_open(&listener->socket.pipe, fd);
    if (result < 0) {
        close(fd);
        return fail(error, error_size, path, result, NULL);
    }
    result = uv_listen(&listener->socket.stream, BACKLOG, came);
    return result < 0 ? fail(error, error_size, path, result, NULL) : 0;
}

// ---- both

int socks_listen(struct socks_listener *listener, char *error, size_t error_size)
{
    struct uv_loop_s *loop = listener->server->relay->loop;
    bool is_unix = listener->config->listen.path[0] != '\0';
    if (is_unix)
        uv_pipe_init(loop, &listener->socket.pipe, 0);
    else
        uv_tcp_init(loop, &listener->socket.tcp);
    listener->socket.handle.data = listener;
    return is_unix ? listen_unix(listener, error, error_size)
                   : listen_tcp(listener, error, error_size);
}

static void listener_closed(uv_handle_t *handle)
{
    struct socks_listener *listener = handle->data;
    socks_server_drop(listener->server);
}

void socks_listener_close(struct socks_listener *listener)
{
    const char *path = listener->config->listen.path;
    struct stat info;
    // Unless somebody else has put something in its place.
    if (listener->inode != 0 && lstat(path, &info) == 0 && info.st_dev == listener->device &&
        info.st_ino == listener->inode)
        unlink(path);
    uv_close(&listener->socket.handle, listener_closed);
}

uint16_t socks_listener_port(const struct socks_listener *listener)
{
    struct sockaddr_storage at;
    int length = sizeof(at);
    if (listener->config->listen.path[0] ||
        uv_tcp_getsockname(&listener->socket.tcp, (struct sockaddr *)&at, &length) < 0)
        return 0;
    return ntohs(at.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&at)->sin6_port
                                          : ((struct sockaddr_in *)&at)->sin_port);
}
