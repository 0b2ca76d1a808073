// SPDX-License-Identifier: BSD-3-Clause
// Checks of network devices: what the kernel knows of them before DPDK opens them.
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <libgen.h>
#include <linux/capability.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host.h"

struct device {
    const struct config *config;
    const char *text; // "net_tap0,iface=ram0"
    char name[64];    // "net_tap0"
    char key_path[64];
    struct config_error *error;
};

static bool wrong(const struct device *d, const char *why, const char *expected)
{
    char found[256];
    snprintf(found, sizeof(found), "\"%.80s\", %s", d->text, why);
    config_error_at(d->config, d->key_path, found, expected, d->error);
    return false;
}

bool host_device_is_pci(const char *device)
{
    unsigned domain, bus, slot, function;
    int used = 0;
    if (sscanf(device, "%4x:%2x:%2x.%1x%n", &domain, &bus, &slot, &function, &used) != 4) {
        used = 0;
        if (sscanf(device, "%2x:%2x.%1x%n", &bus, &slot, &function, &used) != 3)
            return false;
    }
    return device[used] == '\0' || device[used] == ',';
}

// ---- PCI

// The drivers whose devices DPDK can use: user-space ones, and those that share the device.
static bool pci_driver_fits(const char *driver)
{
    static const char *const drivers[] = {"vfio-pci",  "uio_pci_generic", "igb_uio",
                                          "mlx5_core", "mlx4_core",       "mana"};
    for (size_t i = 0; i < sizeof(drivers) / sizeof(drivers[0]); i++)
        if (strcmp(driver, drivers[i]) == 0)
            return true;
    return false;
}

static bool check_pci(const struct device *d)
{
    char path[160], link[256] = "", why[128], expected[192];
    const char *domain = strlen(d->name) < strlen("0000:03:00.0") ? "0000:" : "";
    snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s%s", domain, d->name);
    if (access(path, F_OK) != 0)
        return wrong(d, "which this machine has not", "the PCI address of a network device");
    snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s%s/driver", domain, d->name);
    ssize_t length = readlink(path, link, sizeof(link) - 1);
    const char *driver = length > 0 ? basename(link) : "none";
    if (pci_driver_fits(driver))
        return true;
    snprintf(why, sizeof(why), "whose driver is %.60s", driver);
    snprintf(expected, sizeof(expected), "vfio-pci (dpdk-devbind.py --bind=vfio-pci %s)", d->name);
    return wrong(d, why, expected);
}

// ---- what the kernel's network stack has a part in

static bool has_capability(unsigned capability)
{
    FILE *file = fopen("/proc/self/status", "re");
    char line[256];
    uint64_t effective = UINT64_MAX;
    while (file && fgets(line, sizeof(line), file))
        if (sscanf(line, "CapEff: %" SCNx64, &effective) == 1)
            break;
    if (file)
        fclose(file);
    return effective >> capability & 1;
}

// The value of `key` among "name,key=value,...".
static bool device_argument(const struct device *d, const char *key, char *out, size_t size)
{
    size_t length = strlen(key);
    for (const char *at = strchr(d->text, ','); at; at = strchr(at, ',')) {
        at++;
        if (strncmp(at, key, length) == 0 && at[length] == '=') {
            snprintf(out, size, "%.*s", (int)strcspn(at + length + 1, ","), at + length + 1);
            return true;
        }
    }
    return false;
}

static bool check_tap(const struct device *d)
{
    char interface[64];
    if (access("/dev/net/tun", F_OK) != 0)
        return wrong(d, "but there is no /dev/net/tun", "the kernel's tun module (modprobe tun)");
    if (access("/dev/net/tun", R_OK | W_OK) != 0 || !has_capability(CAP_NET_ADMIN))
        return wrong(d, "without the right to make it", "CAP_NET_ADMIN and /dev/net/tun");
    if (device_argument(d, "iface", interface, sizeof(interface)) && strlen(interface) >= IFNAMSIZ)
        return wrong(d, "whose name is too long", "iface of at most 15 bytes");
    return true;
}

// net_af_packet and net_af_xdp work on an interface that is there.
static bool check_kernel_interface(const struct device *d)
{
    char interface[64];
    if (!device_argument(d, "iface", interface, sizeof(interface)))
        return wrong(d, "without iface", "\"NAME,iface=INTERFACE\"");
    if (if_nametoindex(interface) == 0)
        return wrong(d, "whose iface does not exist", "a network interface of this machine");
    if (!has_capability(CAP_NET_RAW))
        return wrong(d, "without the right to use it", "CAP_NET_RAW");
    return true;
}

static bool starts_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

static bool check_virtual(const struct device *d)
{
    if (starts_with(d->name, "net_tap"))
        return check_tap(d);
    if (starts_with(d->name, "net_af_packet") || starts_with(d->name, "net_af_xdp"))
        return check_kernel_interface(d);
    return true;
}

bool host_check_devices(const struct config *config, struct config_error *error)
{
    for (unsigned i = 0; i < config->dataplane.interface_count; i++) {
        struct device d = {
            .config = config, .text = config->dataplane.interfaces[i].device, .error = error};
        snprintf(d.name, sizeof(d.name), "%.*s", (int)strcspn(d.text, ","), d.text);
        snprintf(d.key_path, sizeof(d.key_path), "dataplane.interfaces[%u].device", i);
        if (host_device_is_pci(d.text) ? !check_pci(&d) : !check_virtual(&d))
            return false;
    }
    return true;
}
