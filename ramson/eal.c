// SPDX-License-Identifier: BSD-3-Clause
// DPDK's environment: its arguments from the configuration, its devices, its complaints.
#include "eal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_dev.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_log.h>

#include "host.h"

// ---- what DPDK says

// DPDK explains failures in its log only. The first lines of each step are kept.
struct complaints {
    char text[512];
    size_t used;
};

static ssize_t keep_complaint(void *cookie, const char *text, size_t length)
{
    struct complaints *c = cookie;
    size_t room = sizeof(c->text) - 1 - c->used;
    size_t n = length < room ? length : room;
    memcpy(c->text + c->used, text, n);
    c->used += n;
    c->text[c->used] = '\0';
    return (ssize_t)length;
}

static void forget_complaints(struct complaints *c)
{
    c->used = 0;
    c->text[0] = '\0';
}

// The first line, without its end.
static const char *first_complaint(struct complaints *c)
{
    c->text[strcspn(c->text, "\n")] = '\0';
    return c->used ? c->text : "nothing";
}

// rte_eal_init also writes to standard output and standard error itself.
struct muted {
    int saved[2];
};

static void mute(struct muted *m)
{
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    fflush(stdout);
    for (int fd = STDOUT_FILENO; fd <= STDERR_FILENO; fd++) {
        m->saved[fd - STDOUT_FILENO] = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
        if (null >= 0)
            dup2(null, fd);
    }
    if (null >= 0)
        close(null);
}

static void unmute(struct muted *m)
{
    fflush(stdout);
    for (int fd = STDOUT_FILENO; fd <= STDERR_FILENO; fd++) {
        int saved = m->saved[fd - STDOUT_FILENO];
        if (saved < 0)
            continue;
        dup2(saved, fd);
        close(saved);
    }
}

// ---- arguments

enum { ARGUMENTS_MAX = 16 + 2 * CONFIG_INTERFACES_MAX, ARGUMENT_BYTES = 16384 };

// rte_eal_init wants argv; the strings lie in one block.
struct arguments {
    char *list[ARGUMENTS_MAX + 1];
    int count;
    char text[ARGUMENT_BYTES];
    size_t used;
};

static void add(struct arguments *a, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void add(struct arguments *a, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    char *start = a->text + a->used;
    int length = vsnprintf(start, sizeof(a->text) - a->used, format, values);
    va_end(values);
    if (length < 0 || a->count == ARGUMENTS_MAX || a->used + (size_t)length >= sizeof(a->text))
        return; // cannot happen: lengths and numbers are bounded by the configuration's
    a->list[a->count++] = start;
    a->used += (size_t)length + 1;
}

static void add_lcores(struct arguments *a, const struct config_dataplane *d)
{
    char lcores[CONFIG_WORKERS_MAX * 12 + 12];
    int used = snprintf(lcores, sizeof(lcores), "%d@%u", EAL_CONTROL_LCORE, d->control);
    for (unsigned i = 0; i < d->worker_count; i++)
        used += snprintf(lcores + used, sizeof(lcores) - (size_t)used, ",%u@%u",
                         EAL_FIRST_WORKER_LCORE + i, d->workers[i]);
    add(a, "--lcores=%s", lcores);
    add(a, "--main-lcore=%d", EAL_CONTROL_LCORE);
}

static void add_devices(struct arguments *a, const struct config_dataplane *d)
{
    bool any_pci = false;
    for (unsigned i = 0; i < d->interface_count; i++) {
        if (host_device_is_pci(d->interfaces[i].device)) {
            any_pci = true;
            add(a, "--allow=%s", d->interfaces[i].device);
        }
    }
    if (!any_pci) {
        add(a, "--no-pci");
        add(a, "--iova-mode=va"); // physical addresses need privileges, and nobody asks for them
    }
}

static void make_arguments(struct arguments *a, const struct config_dataplane *d)
{
    add(a, "ramson");
    add_lcores(a, d);
    add_devices(a, d);
    // Nothing of ours is left behind, and several relays don't meet. --in-memory doesn't go with
    // --no-huge, where --no-shconf is enough for that.
    add(a, d->hugepages ? "--in-memory" : "--no-shconf");
    if (!d->hugepages)
        add(a, "--no-huge");
    add(a, "--file-prefix=ramson-%ld", (long)getpid());
    add(a, "-m");
    add(a, "%u", d->memory_mb);
    add(a, "--no-telemetry");
    add(a, "--log-level=error");
}

// ---- devices

static bool find_port(const char *name, uint16_t *out)
{
    uint16_t port;
    RTE_ETH_FOREACH_DEV(port)
    {
        struct rte_eth_dev_info info;
        if (rte_eth_dev_info_get(port, &info) == 0 &&
            strcmp(rte_dev_name(info.device), name) == 0) {
            *out = port;
            return true;
        }
    }
    return false;
}

static bool wrong_device(const struct config *config, unsigned i, struct complaints *c,
                         struct config_error *error)
{
    char key_path[64], found[400];
    const char *device = config->dataplane.interfaces[i].device;
    snprintf(key_path, sizeof(key_path), "dataplane.interfaces[%u].device", i);
    snprintf(found, sizeof(found), "\"%.80s\", of which DPDK says: %.200s", device,
             first_complaint(c));
    config_error_at(config, key_path, found, "a device that DPDK can open", error);
    return false;
}

// PCI devices were probed by rte_eal_init, from the list of the allowed. The others are made here
// one by one, so that what goes wrong belongs to a device.
static bool open_device(const struct config *config, unsigned i, uint16_t *port,
                        struct complaints *c, struct config_error *error)
{
    const char *device = config->dataplane.interfaces[i].device;
    char name[RTE_DEV_NAME_MAX_LEN + 8];
    bool pci = host_device_is_pci(device);
    int bytes = (int)strcspn(device, ",");
    const char *domain = pci && bytes < (int)strlen("0000:03:00.0") ? "0000:" : "";
    snprintf(name, sizeof(name), "%s%.*s", domain, bytes, device);
    if (!pci) {
        forget_complaints(c);
        if (rte_dev_probe(device) < 0)
            return wrong_device(config, i, c, error);
    }
    return find_port(name, port) || wrong_device(config, i, c, error);
}

static bool wrong_start(const struct config *config, struct complaints *c,
                        struct config_error *error)
{
    char found[400];
    const char *expected = "an environment that DPDK can start in";
    switch (rte_errno) {
    case EACCES:
    case EPERM:
        expected = "the rights for huge pages and devices: run as root, or set \"hugepages\": "
                   "false and use a device that needs none";
        break;
    case ENOMEM:
        expected = "more memory, or less in dataplane.memory_mb";
        break;
    default:
        break;
    }
    snprintf(found, sizeof(found), "that DPDK cannot start (%s): %.250s", rte_strerror(rte_errno),
             first_complaint(c));
    config_error_at(config, "dataplane", found, expected, error);
    return false;
}

static bool start(const struct config *config, uint16_t *ports, struct complaints *c,
                  struct config_error *error)
{
    struct arguments *a = calloc(1, sizeof(*a));
    if (!a) {
        config_error_at(config, "", "no memory left", "memory", error);
        return false;
    }
    make_arguments(a, &config->dataplane);
    struct muted muted;
    mute(&muted);
    bool ok = rte_eal_init(a->count, a->list) >= 0;
    unmute(&muted);
    free(a);
    rmdir(rte_eal_get_runtime_dir()); // made for files of ours, of which there are none
    if (!ok)
        return wrong_start(config, c, error);
    for (unsigned i = 0; i < config->dataplane.interface_count; i++) {
        if (!open_device(config, i, &ports[i], c, error)) {
            rte_eal_cleanup();
            return false;
        }
    }
    return true;
}

// Once started, what drivers log goes nowhere: a worker never writes to a file.
static ssize_t drop_log(void *cookie, const char *text, size_t length)
{
    (void)cookie;
    (void)text;
    return (ssize_t)length;
}

bool eal_start(const struct config *config, uint16_t ports[CONFIG_INTERFACES_MAX],
               struct config_error *error)
{
    struct complaints complaints = {0};
    FILE *keep = fopencookie(&complaints, "w", (cookie_io_functions_t){.write = keep_complaint});
    FILE *drop = fopencookie(NULL, "w", (cookie_io_functions_t){.write = drop_log});
    if (!keep || !drop) {
        config_error_at(config, "", "no memory left", "memory", error);
        return false;
    }
    setvbuf(keep, NULL, _IOLBF, BUFSIZ);
    rte_openlog_stream(keep);
    bool ok = start(config, ports, &complaints, error);
    rte_openlog_stream(drop);
    fclose(keep);
    return ok;
}

void eal_stop(void)
{
    rte_eal_cleanup();
}
