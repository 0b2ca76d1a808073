// SPDX-License-Identifier: BSD-3-Clause
// Who may read a service's descriptors, whose backend it is, and keys that were made ahead, while
// it runs: C tor's operators say by SIGHUP that they have changed the files; here they are looked
// at now and then.
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "config/config.h"
#include "onion/service/publish_internal.h"

enum { FILE_PATH_MAX = CONFIG_PATH_MAX + 300 };

// FNV-1a; files that only look the same are the operator's own.
static uint64_t mix(uint64_t mark, const void *bytes, size_t length)
{
    const uint8_t *at = bytes;
    for (size_t i = 0; i < length; i++)
        mark = (mark ^ at[i]) * 0x100000001b3;
    return mark;
}

static uint64_t mark_of_file(const char *path)
{
    struct stat st;
    uint64_t mark = 0xcbf29ce484222325;
    if (stat(path, &st) != 0)
        return 0;
    mark = mix(mark, &st.st_ino, sizeof(st.st_ino));
    mark = mix(mark, &st.st_size, sizeof(st.st_size));
    mark = mix(mark, &st.st_mtim.tv_sec, sizeof(st.st_mtim.tv_sec));
    return mix(mark, &st.st_mtim.tv_nsec, sizeof(st.st_mtim.tv_nsec));
}

// Of all of them in whatever order they come.
static uint64_t mark_of_clients(const char *directory)
{
    char path[FILE_PATH_MAX];
    uint64_t mark = 0;
    snprintf(path, sizeof(path), "%s/authorized_clients", directory);
    DIR *d = opendir(path);
    if (!d)
        return 0;
    for (struct dirent *e; (e = readdir(d));) {
        snprintf(path, sizeof(path), "%s/authorized_clients/%s", directory, e->d_name);
        if (e->d_name[0] != '.')
            mark += mix(mark_of_file(path), e->d_name, strlen(e->d_name));
    }
    closedir(d);
    return mark;
}

static void warn(void *user, const char *line)
{
    (void)user;
    log_warn("onion: %s", line);
}

// What is in force stays so if it can't be read: else a service for some would be one for all.
static bool read_again(struct onion_service *s)
{
    char error[KEY_DIRECTORY_ERROR_MAX];
    struct key_directory read;
    int result = key_directory_load(s->config->directory, false, &read, warn, NULL, error);
    if (result != 0) {
        log_warn("onion: %s", error);
        return false;
    }
    if (memcmp(read.identity.public_key, s->keys.identity.public_key, 32) != 0) {
        log_warn("onion: %s has keys of another service now: they count from the next start on",
                 s->config->directory);
        key_directory_release(&read);
        return false;
    }
    struct key_directory old = s->keys;
    s->keys = read;
    key_directory_release(&old);
    explicit_bzero(&read, sizeof(read));
    return true;
}

uint64_t publish_clients_mark(const struct onion_service *s)
{
    static const char *const files[] = {"ob_config", "offline_keys"};
    char path[FILE_PATH_MAX];
    uint64_t mark = mark_of_clients(s->config->directory);
    for (unsigned i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        snprintf(path, sizeof(path), "%s/%s", s->config->directory, files[i]);
        mark = mix(mark_of_file(path), &mark, sizeof(mark));
    }
    return mark;
}

bool publish_clients_changed(struct onion_service *s)
{
    const uint64_t mark = publish_clients_mark(s);
    if (mark == s->publish->clients_mark)
        return false;
    s->publish->clients_mark = mark;
    return read_again(s);
}
