// SPDX-License-Identifier: BSD-3-Clause
// Asks for the status document, and shows it as tables.
#include "status.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>

enum { ANSWER_MAX = 64 << 20, WAIT_MS = 10 * 1000 };

static int complain(const char *directory, const char *what)
{
    fprintf(stderr, "ramson: %s: %s\n", directory, what);
    return EXIT_FAILURE;
}

// ---- asking

// Through the directory's descriptor: its path may be longer than a socket's can be. -1 and errno.
static int connect_to(const char *directory)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int directory_fd = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (directory_fd < 0)
        return -1;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/status.sock",
             directory_fd);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof(address)) != 0) {
        int error = errno;
        close(fd);
        errno = error;
        fd = -1;
    }
    int error = errno;
    close(directory_fd);
    errno = error;
    return fd;
}

// All that comes, with a NUL behind it; NULL: it broke off, took too long, or is too much.
static char *read_all(int fd)
{
    size_t length = 0, capacity = 0;
    char *text = NULL;
    for (;;) {
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        if (length + 1 >= capacity) {
            capacity = capacity ? 2 * capacity : 65536;
            char *grown = capacity <= ANSWER_MAX ? realloc(text, capacity) : NULL;
            if (!grown)
                break;
            text = grown;
        }
        ssize_t n =
            poll(&wait, 1, WAIT_MS) == 1 ? read(fd, text + length, capacity - length - 1) : -1;
        if (n == 0) {
            text[length] = '\0';
            return text;
        }
        if (n < 0)
            break;
        length += (size_t)n;
    }
    free(text);
    return NULL;
}

static const char *why_not(int error)
{
    switch (error) {
    case ENOENT:
    case ECONNREFUSED:
        return "nothing runs with this data directory";
    case EACCES:
    case EPERM:
        return "only the owner of the process that runs here may ask it";
    default:
        return strerror(error);
    }
}

// ---- showing

static const char *text_of(const json_t *o, const char *key, const char *otherwise)
{
    const char *text = json_string_value(json_object_get(o, key));
    return text ? text : otherwise;
}

static int64_t number_of(const json_t *o, const char *key)
{
    return json_integer_value(json_object_get(o, key));
}

static bool is(const json_t *o, const char *key)
{
    return json_is_true(json_object_get(o, key));
}

// "3 d 4 h", "5 min", "12 s"
static const char *duration(int64_t seconds, char out[32])
{
    static const struct {
        int64_t s;
        const char *name;
    } units[] = {{86400, "d"}, {3600, "h"}, {60, "min"}};
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (seconds < units[i].s)
            continue;
        int64_t rest = seconds % units[i].s;
        if (i + 1 < sizeof(units) / sizeof(units[0]) && rest >= units[i + 1].s)
            snprintf(out, 32, "%" PRId64 " %s %" PRId64 " %s", seconds / units[i].s, units[i].name,
                     rest / units[i + 1].s, units[i + 1].name);
        else
            snprintf(out, 32, "%" PRId64 " %s", seconds / units[i].s, units[i].name);
        return out;
    }
    snprintf(out, 32, "%" PRId64 " s", seconds);
    return out;
}

static const char *amount(int64_t bytes, char out[32])
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB"};
    double value = (double)bytes;
    size_t i = 0;
    for (; value >= 1000 && i + 1 < sizeof(units) / sizeof(units[0]); i++)
        value /= 1000;
    snprintf(out, 32, i == 0 ? "%.0f %s" : "%.1f %s", value, units[i]);
    return out;
}

static const char *day(int64_t when, char out[32])
{
    time_t t = (time_t)when;
    struct tm utc;
    if (when == 0 || !gmtime_r(&t, &utc) || strftime(out, 32, "%Y-%m-%d", &utc) == 0)
        snprintf(out, 32, "-");
    return out;
}

static void show_process(const json_t *r)
{
    char up[32];
    const json_t *relay = json_object_get(r, "relay");
    printf("ramson %s, %s, up %s, %" PRId64 " links\n", text_of(r, "version", "?"),
           text_of(r, "role", "?"), duration(number_of(r, "uptime_s"), up), number_of(r, "links"));
    if (relay)
        printf("relay      %s  %s, OR port %" PRId64 ", %" PRId64 " circuits\n",
               text_of(relay, "nickname", "?"), text_of(relay, "fingerprint", "?"),
               number_of(relay, "or_port"), number_of(relay, "circuits"));
}

static void show_network(const json_t *r)
{
    char left[32];
    const json_t *b = json_object_get(r, "bootstrap"), *d = json_object_get(r, "directory");
    if (b)
        printf("bootstrap  %" PRId64 " %%: %s\n", number_of(b, "percent"), text_of(b, "text", ""));
    if (b && json_object_get(b, "why_not"))
        printf("           no circuits can be built: %s\n", text_of(b, "why_not", ""));
    if (!json_object_get(d, "valid_until")) {
        printf("directory  no consensus yet\n");
        return;
    }
    int64_t s = number_of(d, "valid_until") - number_of(r, "now");
    printf("directory  %" PRId64 " relays, ", number_of(d, "relays"));
    if (json_object_get(d, "microdescriptors_missing"))
        printf("%" PRId64 " without microdescriptor, ", number_of(d, "microdescriptors_missing"));
    printf(s >= 0 ? "consensus valid for %s\n" : "consensus expired %s ago\n",
           duration(s < 0 ? -s : s, left));
}

static void show_guards(const json_t *r)
{
    char confirmed[32];
    size_t i;
    json_t *g, *guards = json_object_get(r, "guards");
    if (json_array_size(guards) == 0)
        return;
    printf("\n%-20s %-40s %-8s %-10s %-10s %s\n", "guard", "fingerprint", "rank", "reachable",
           "confirmed", "circuits");
    json_array_foreach(guards, i, g)
    {
        const char *rank = is(g, "primary") ? "primary" : is(g, "filtered") ? "usable" : "unfit";
        printf("%-20s %-40s %-8s %-10s %-10s %" PRId64 "\n", text_of(g, "nickname", ""),
               text_of(g, "fingerprint", ""), is(g, "listed") ? rank : "unlisted",
               text_of(g, "reachable", ""), day(number_of(g, "confirmed_on"), confirmed),
               number_of(g, "circuits"));
    }
}

// A relay that the consensus does not name by the beginning of its fingerprint.
static void show_path(const json_t *circuit)
{
    size_t i;
    json_t *hop, *hops = json_object_get(circuit, "hops");
    json_array_foreach(hops, i, hop)
    {
        const char *name = text_of(hop, "nickname", NULL);
        printf("%s", i == 0 ? "" : " > ");
        if (name)
            printf("%s", name);
        else
            printf("$%.8s", text_of(hop, "fingerprint", "?"));
    }
    printf("\n");
}

static void show_circuits(const json_t *r)
{
    size_t i;
    json_t *c, *circuits = json_object_get(r, "circuits");
    if (json_array_size(circuits) == 0)
        return;
    printf("\n%-8s %-18s %-10s %s\n", "circuit", "purpose", "state", "path");
    json_array_foreach(circuits, i, c)
    {
        printf("%-8" PRId64 " %-18s %-10s ", number_of(c, "id"), text_of(c, "purpose", ""),
               text_of(c, "state", ""));
        show_path(c);
    }
}

static void show_streams(const json_t *r)
{
    char age[32], received[32], sent[32], circuit[32];
    size_t i;
    json_t *s, *streams = json_object_get(r, "streams");
    if (json_array_size(streams) == 0)
        return;
    printf("\n%-8s %-8s %-11s %-10s %-10s %-10s %s\n", "stream", "circuit", "state", "age",
           "received", "sent", "target");
    json_array_foreach(streams, i, s)
    {
        snprintf(circuit, sizeof(circuit), "%" PRId64, number_of(s, "circuit"));
        printf("%-8" PRId64 " %-8s %-11s %-10s %-10s %-10s %s\n", number_of(s, "id"),
               json_object_get(s, "circuit") ? circuit : "-", text_of(s, "state", ""),
               duration(number_of(s, "age_ms") / 1000, age),
               amount(number_of(s, "received_bytes"), received),
               amount(number_of(s, "sent_bytes"), sent), text_of(s, "target", ""));
    }
}

// "3 of 3", and how many directories have the descriptors: "8 of 8, 7 of 8".
static void show_service(const json_t *s)
{
    size_t i, ready = 0;
    json_t *item, *points = json_object_get(s, "introduction_points");
    json_t *descriptors = json_object_get(s, "descriptors");
    char text[64], uploads[96] = "";
    json_array_foreach(points, i, item) ready +=
        strcmp(text_of(item, "state", ""), "established") == 0;
    json_array_foreach(descriptors, i, item)
    {
        size_t used = strlen(uploads);
        snprintf(uploads + used, sizeof(uploads) - used, "%s%" PRId64 " of %" PRId64, i ? ", " : "",
                 number_of(item, "uploaded"), number_of(item, "wanted"));
    }
    snprintf(text, sizeof(text), "%zu of %" PRId64, ready,
             number_of(s, "introduction_points_wanted"));
    printf("%-62s %-12s %-16s %-13" PRId64 " %-8" PRId64 " %" PRId64 "\n",
           text_of(s, "address", ""), text, uploads[0] ? uploads : "none yet",
           number_of(s, "introductions"), number_of(s, "visitors"), number_of(s, "streams"));
    json_array_foreach(points, i, item)
        printf("  %-20s %-40s %-12s %" PRId64 "\n", text_of(item, "nickname", "(unlisted)"),
               text_of(item, "fingerprint", ""), text_of(item, "state", ""),
               number_of(item, "introductions"));
}

static void show_services(const json_t *r)
{
    size_t i;
    json_t *s, *services = json_object_get(r, "onion_services");
    if (json_array_size(services) == 0)
        return;
    printf("\n%-62s %-12s %-16s %-13s %-8s %s\n", "onion service", "intro points", "descriptors at",
           "introductions", "visitors", "streams");
    json_array_foreach(services, i, s) show_service(s);
}

static void show_omitted(const json_t *r)
{
    static const char *const keys[] = {"guards_omitted", "circuits_omitted", "streams_omitted"};
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        if (json_object_get(r, keys[i]))
            printf("and %" PRId64 " more (%s)\n", number_of(r, keys[i]), keys[i]);
}

static int show(const char *directory, const char *text, bool as_json)
{
    json_error_t error;
    json_t *report = json_loads(text, 0, &error);
    if (!report)
        return complain(directory, text[0] ? "what runs here does not answer in JSON"
                                           : "what runs here is busy with others who ask");
    if (as_json) {
        json_dumpf(report, stdout, JSON_INDENT(2));
        printf("\n");
    } else {
        show_process(report);
        show_network(report);
        show_guards(report);
        show_circuits(report);
        show_streams(report);
        show_services(report);
        show_omitted(report);
    }
    json_decref(report);
    return fflush(stdout) == 0 ? EXIT_SUCCESS
                               : complain(directory, "its status can't be written to standard "
                                                     "output");
}

int show_status(const struct config *config, bool json)
{
    const char *directory = config->data_directory;
    int fd = connect_to(directory);
    if (fd < 0)
        return complain(directory, why_not(errno));
    char *text = read_all(fd);
    close(fd);
    if (!text)
        return complain(directory, "what runs here does not answer");
    int status = show(directory, text, json);
    free(text);
    return status;
}
