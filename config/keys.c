// SPDX-License-Identifier: BSD-3-Clause
// The keys that a configuration may hold: their types, their bounds, and where they go.
#include "check.h"
#include "config/config.h"
#include "schema.h"
#include "values.h"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))
#define SIZE_OF(type, member) sizeof(((type *)0)->member)
#define PLACE(type, member) .offset = offsetof(type, member), .size = SIZE_OF(type, member)
#define LIST(type, member, count, least, most)                                                     \
    .offset = offsetof(type, member), .size = SIZE_OF(type, member[0]),                            \
    .count_offset = offsetof(type, count), .items_min = (least), .items_max = (most)

static const struct field authority_fields[] = {
    {"nickname", "1 to 19 letters and digits", VALUE_STRING, .required = true,
     .store = store_nickname, PLACE(struct config_authority, nickname)},
    {"address", "an IPv4 address such as \"198.51.100.1\"", VALUE_STRING, .required = true,
     .store = store_address, PLACE(struct config_authority, address)},
    {"or_port", "a port from 1 to 65535", VALUE_INTEGER, .required = true, .min = 1, .max = 65535,
     PLACE(struct config_authority, or_port)},
    {"dir_port", "a port from 1 to 65535, or 0 for none", VALUE_INTEGER, .max = 65535,
     PLACE(struct config_authority, dir_port)},
    {"identity", "40 hexadecimal digits", VALUE_STRING, .required = true, .store = store_digest,
     PLACE(struct config_authority, identity)},
    {"v3_identity", "40 hexadecimal digits", VALUE_STRING, .required = true, .store = store_digest,
     PLACE(struct config_authority, v3_identity)},
};

static const struct section authority_section = {authority_fields, COUNT_OF(authority_fields)};

static const struct field fallback_fields[] = {
    {"nickname", "1 to 19 letters and digits", VALUE_STRING, .store = store_nickname,
     PLACE(struct config_fallback, nickname)},
    {"address", "an IPv4 address such as \"198.51.100.1\"", VALUE_STRING, .required = true,
     .store = store_address, PLACE(struct config_fallback, address)},
    {"or_port", "a port from 1 to 65535", VALUE_INTEGER, .required = true, .min = 1, .max = 65535,
     PLACE(struct config_fallback, or_port)},
    {"identity", "40 hexadecimal digits", VALUE_STRING, .required = true, .store = store_digest,
     PLACE(struct config_fallback, identity)},
    {"ed25519_identity", "43 characters of base64", VALUE_STRING, .store = store_ed_identity,
     PLACE(struct config_fallback, ed_identity)},
};

static const struct section fallback_section = {fallback_fields, COUNT_OF(fallback_fields)};

static const struct field interface_fields[] = {
    {"device", "a DPDK device such as \"0000:03:00.0\" or \"net_tap0,iface=ram0\"", VALUE_STRING,
     .required = true, .store = store_device, PLACE(struct config_interface, device)},
    {"addresses", "an IPv4 address with its prefix length, such as \"203.0.113.5/24\"",
     VALUE_STRING, .required = true, .store = store_prefix,
     LIST(struct config_interface, addresses, address_count, 1, CONFIG_ADDRESSES_MAX)},
    {"gateway", "an IPv4 address such as \"203.0.113.1\"", VALUE_STRING, .store = store_address,
     PLACE(struct config_interface, gateway)},
    {"mtu", "a number of bytes from 576 to 9000", VALUE_INTEGER, .min = 576, .max = 9000,
     PLACE(struct config_interface, mtu)},
};

static const struct section interface_section = {interface_fields, COUNT_OF(interface_fields)};

static const struct field dataplane_fields[] = {
    {"workers", "the number of a cpu from 0 to 1023", VALUE_INTEGER, .max = CONFIG_CPU_MAX,
     LIST(struct config_dataplane, workers, worker_count, 1, CONFIG_WORKERS_MAX)},
    {"control", "the number of a cpu from 0 to 1023", VALUE_INTEGER, .max = CONFIG_CPU_MAX,
     PLACE(struct config_dataplane, control)},
    {"helpers", "the number of a cpu from 0 to 1023", VALUE_INTEGER, .max = CONFIG_CPU_MAX,
     LIST(struct config_dataplane, helpers, helper_count, 1, CONFIG_HELPERS_MAX)},
    {"hugepages", "true or false", VALUE_BOOL, PLACE(struct config_dataplane, hugepages)},
    {"memory_mb", "a number of megabytes from 64 to 1048576", VALUE_INTEGER, .min = 64,
     .max = 1048576, PLACE(struct config_dataplane, memory_mb)},
    {"poll", "\"adaptive\" or \"busy\"", VALUE_STRING, .store = store_poll,
     PLACE(struct config_dataplane, poll)},
    {"interfaces", "an interface, { \"device\": ..., \"addresses\": [...] }", VALUE_OBJECT,
     .required = true, .section = &interface_section,
     LIST(struct config_dataplane, interfaces, interface_count, 1, CONFIG_INTERFACES_MAX)},
    {"max_links", "a number from 16 to 1000000", VALUE_INTEGER, .min = 16, .max = 1000000,
     PLACE(struct config_dataplane, max_links)},
    {"max_circuits", "a number from 64 to 16000000", VALUE_INTEGER, .min = 64, .max = 16000000,
     PLACE(struct config_dataplane, max_circuits)},
    {"max_cells", "a number from 1024 to 100000000", VALUE_INTEGER, .min = 1024, .max = 100000000,
     PLACE(struct config_dataplane, max_cells)},
    {"max_packets", "a number from 1024 to 16000000", VALUE_INTEGER, .min = 1024, .max = 16000000,
     PLACE(struct config_dataplane, max_packets)},
    {"circuit_queue_max_cells", "a number from 100 to 50000", VALUE_INTEGER, .min = 100,
     .max = 50000, PLACE(struct config_dataplane, circuit_queue_max_cells)},
};

static const struct section dataplane_section = {dataplane_fields, COUNT_OF(dataplane_fields)};

// Each key's meaning is its consensus parameter's (protocol 5.09–5.12), which holds unless it is
// set.
static const struct field dos_fields[] = {
    // One client address' circuits: with so many connections and more, so many a second.
    {"circuits", "\"consensus\", \"on\" or \"off\"", VALUE_STRING, .store = store_dos_switch,
     PLACE(struct config_dos, circuits)},
    {"circuits_min_connections", "a number from 1 to 2147483647", VALUE_INTEGER, .min = 1,
     .max = INT32_MAX, PLACE(struct config_dos, circuits_min_connections)},
    {"circuits_per_s", "a number from 1 to 2147483647", VALUE_INTEGER, .min = 1, .max = INT32_MAX,
     PLACE(struct config_dos, circuits_per_s)},
    {"circuits_burst", "a number from 1 to 2147483647", VALUE_INTEGER, .min = 1, .max = INT32_MAX,
     PLACE(struct config_dos, circuits_burst)},
    {"circuits_period_s", "a number of seconds from 10 to 31536000", VALUE_INTEGER, .min = 10,
     .max = 31536000, PLACE(struct config_dos, circuits_period_s)},
    // One client address' connections: at once, and new ones a second.
    {"connections", "\"consensus\", \"on\" or \"off\"", VALUE_STRING, .store = store_dos_switch,
     PLACE(struct config_dos, connections)},
    {"connections_max", "a number from 1 to 2147483647", VALUE_INTEGER, .min = 1, .max = INT32_MAX,
     PLACE(struct config_dos, connections_max)},
    {"connects_per_s", "a number from 1 to 2147483647", VALUE_INTEGER, .min = 1, .max = INT32_MAX,
     PLACE(struct config_dos, connects_per_s)},
    {"connects_burst", "a number from 1 to 2147483647", VALUE_INTEGER, .min = 1, .max = INT32_MAX,
     PLACE(struct config_dos, connects_burst)},
    {"connects_period_s", "a number of seconds from 10 to 31536000", VALUE_INTEGER, .min = 10,
     .max = 31536000, PLACE(struct config_dos, connects_period_s)},
    // One circuit's streams.
    {"streams", "\"consensus\", \"on\" or \"off\"", VALUE_STRING, .store = store_dos_switch,
     PLACE(struct config_dos, streams)},
    {"streams_per_s", "a number from 1 to 2147483647", VALUE_INTEGER, .min = 1, .max = INT32_MAX,
     PLACE(struct config_dos, streams_per_s)},
    {"streams_burst", "a number from 1 to 2147483647", VALUE_INTEGER, .min = 1, .max = INT32_MAX,
     PLACE(struct config_dos, streams_burst)},
    {"refuse_single_hop_rendezvous", "\"consensus\", \"on\" or \"off\"", VALUE_STRING,
     .store = store_dos_switch, PLACE(struct config_dos, refuse_single_hop_rendezvous)},
};

static const struct section dos_section = {dos_fields, COUNT_OF(dos_fields)};

static const struct field socks_fields[] = {
    {"listen", "\"127.0.0.1:9050\", \"[::1]:9050\" or \"unix:/PATH\"", VALUE_STRING,
     .required = true, .store = store_listen, PLACE(struct config_socks, listen)},
    {"mode", "\"0600\", \"0660\" or \"0666\"", VALUE_STRING, .store = store_mode,
     PLACE(struct config_socks, mode)},
    {"isolate", "\"destination\", \"port\" or \"protocol\"", VALUE_STRING, .store = store_isolate,
     LIST(struct config_socks, isolate, isolate_count, 0, CONFIG_ISOLATIONS)},
    {"share", "\"credentials\" or \"client\"", VALUE_STRING, .store = store_share,
     LIST(struct config_socks, share, share_count, 0, CONFIG_ISOLATIONS)},
    {"group", "a name of 1 to 31 letters, digits, '-' and '_'", VALUE_STRING, .store = store_group,
     PLACE(struct config_socks, group_name)},
    {"extended_errors", "true or false", VALUE_BOOL, PLACE(struct config_socks, extended_errors)},
    {"names_only", "true or false", VALUE_BOOL, PLACE(struct config_socks, names_only)},
    {"ipv4", "true or false", VALUE_BOOL, PLACE(struct config_socks, ipv4)},
    {"ipv6", "true or false", VALUE_BOOL, PLACE(struct config_socks, ipv6)},
    {"prefer_ipv6", "true or false", VALUE_BOOL, PLACE(struct config_socks, prefer_ipv6)},
    {"dns", "true or false", VALUE_BOOL, PLACE(struct config_socks, dns)},
    {"http", "true or false", VALUE_BOOL, PLACE(struct config_socks, http)},
};

static const struct section socks_section = {socks_fields, COUNT_OF(socks_fields)};

#define NODE_EXPECTED "a relay's fingerprint (40 hexadecimal digits) or an address prefix"
#define NODES(key, member)                                                                         \
    {                                                                                              \
        key, NODE_EXPECTED, VALUE_STRING,                                                          \
            .store = store_node,                                                                   \
            LIST(struct config_nodes, member, member##_count, 0, CONFIG_NODES_MAX)                 \
    }

static const struct field family_fields[] = {
    {"", NODE_EXPECTED, VALUE_STRING, .store = store_node,
     LIST(struct config_node_family, members, member_count, 0, CONFIG_NODE_FAMILY_MAX)},
};

static const struct section family_section = {family_fields, COUNT_OF(family_fields)};

static const struct field nodes_fields[] = {
    NODES("exclude", exclude),
    NODES("exclude_exits", exclude_exits),
    NODES("entry", entry),
    NODES("middle", middle),
    NODES("exit", exit),
    {"families", "a list of relays", VALUE_LIST, .section = &family_section,
     LIST(struct config_nodes, families, family_count, 0, CONFIG_NODE_FAMILIES_MAX)},
    {"strict", "true or false", VALUE_BOOL, PLACE(struct config_nodes, strict)},
    {"distinct_subnets", "true or false", VALUE_BOOL, PLACE(struct config_nodes, distinct_subnets)},
};

static const struct section nodes_section = {nodes_fields, COUNT_OF(nodes_fields)};

static const struct field onion_port_fields[] = {
    {"port", "a port from 1 to 65535", VALUE_INTEGER, .required = true, .min = 1, .max = 65535,
     PLACE(struct config_onion_port, port)},
    {"target", "\"127.0.0.1:8080\", \"[::1]:8080\" or \"unix:/PATH\"", VALUE_STRING,
     .store = store_target, .offset = 0, .size = sizeof(struct config_onion_port)},
};

static const struct section onion_port_section = {onion_port_fields, COUNT_OF(onion_port_fields)};

static const struct field intro_dos_fields[] = {
    {"rate", "a number from 1 to 2147483647", VALUE_INTEGER, .min = 1, .max = INT32_MAX,
     PLACE(struct config_onion_service, intro_dos_rate)},
    {"burst", "a number from 1 to 2147483647", VALUE_INTEGER, .min = 1, .max = INT32_MAX,
     PLACE(struct config_onion_service, intro_dos_burst)},
};

static const struct section intro_dos_section = {intro_dos_fields, COUNT_OF(intro_dos_fields)};

static const struct field pow_fields[] = {
    {"queue_rate", "a number from 1 to 2147483647", VALUE_INTEGER, .min = 1, .max = INT32_MAX,
     PLACE(struct config_onion_service, pow_queue_rate)},
    {"queue_burst", "a number from 1 to 2147483647", VALUE_INTEGER, .min = 1, .max = INT32_MAX,
     PLACE(struct config_onion_service, pow_queue_burst)},
};

static const struct section pow_section = {pow_fields, COUNT_OF(pow_fields)};

static const struct field onion_service_fields[] = {
    {"directory", "an absolute path of at most 1023 bytes", VALUE_STRING, .required = true,
     .store = store_directory, PLACE(struct config_onion_service, directory)},
    {"ports", "a port, { \"port\": 80, \"target\": \"127.0.0.1:8080\" }", VALUE_OBJECT,
     .required = true, .section = &onion_port_section,
     LIST(struct config_onion_service, ports, port_count, 1, CONFIG_ONION_PORTS_MAX)},
    {"introduction_points", "a number from 3 to 20", VALUE_INTEGER, .min = 3, .max = 20,
     PLACE(struct config_onion_service, introduction_points)},
    {"max_streams", "a number from 0 (any) to 65535", VALUE_INTEGER, .max = 65535,
     PLACE(struct config_onion_service, max_streams)},
    {"max_streams_closes_circuit", "true or false", VALUE_BOOL,
     PLACE(struct config_onion_service, max_streams_closes)},
    {"allow_unknown_ports", "true or false", VALUE_BOOL,
     PLACE(struct config_onion_service, unknown_ports_allowed)},
    {"single_onion", "true or false", VALUE_BOOL, PLACE(struct config_onion_service, single_onion)},
    {"onionbalance", "true or false", VALUE_BOOL, PLACE(struct config_onion_service, onionbalance)},
    {"introduction_dos", "true, false or an object, { \"rate\": 25, \"burst\": 200 }", VALUE_SWITCH,
     .section = &intro_dos_section, PLACE(struct config_onion_service, intro_dos)},
    {"proof_of_work", "true, false or an object, { \"queue_rate\": 250, \"queue_burst\": 2500 }",
     VALUE_SWITCH, .section = &pow_section, PLACE(struct config_onion_service, pow)},
};

static const struct section onion_service_section = {onion_service_fields,
                                                     COUNT_OF(onion_service_fields)};

static const struct field log_fields[] = {
    {"level", "\"error\", \"warn\", \"notice\", \"info\" or \"debug\"", VALUE_STRING,
     .store = store_log_level, PLACE(struct config, log.level)},
};

static const struct section log_section = {log_fields, COUNT_OF(log_fields)};

static const struct field root_fields[] = {
    {"nickname", "1 to 19 letters and digits", VALUE_STRING, .store = store_nickname,
     PLACE(struct config, nickname)},
    {"contact", "one line of at most 511 bytes", VALUE_STRING, .store = store_contact,
     PLACE(struct config, contact)},
    {"data_directory", "an absolute path of at most 1023 bytes", VALUE_STRING, .required = true,
     .store = store_directory, PLACE(struct config, data_directory)},
    {"address", "an IPv4 address such as \"203.0.113.5\"", VALUE_STRING, .store = store_address,
     LIST(struct config, addresses, address_count, 1, CONFIG_ADDRESSES_MAX)},
    {"or_port", "a port from 1 to 65535", VALUE_INTEGER, .min = 1, .max = 65535,
     PLACE(struct config, or_port)},
    {"exit_policy", "\"accept ADDRESS:PORT\" or \"reject ADDRESS:PORT\"", VALUE_STRING,
     .store = store_exit_policy,
     LIST(struct config, exit_policy, exit_policy_count, 1, CONFIG_POLICY_LINES_MAX)},
    {"bandwidth_rate", "bytes per second from 76800 to 2147483647", VALUE_INTEGER, .min = 76800,
     .max = INT32_MAX, PLACE(struct config, bandwidth_rate)},
    {"bandwidth_burst", "bytes from 76800 to 2147483647", VALUE_INTEGER, .min = 76800,
     .max = INT32_MAX, PLACE(struct config, bandwidth_burst)},
    {"testing_network", "true or false", VALUE_BOOL, PLACE(struct config, testing_network)},
    {"directory_authorities", "an authority, { \"nickname\": ..., \"address\": ... }", VALUE_OBJECT,
     .section = &authority_section,
     LIST(struct config, directory_authorities, directory_authority_count, 0,
          CONFIG_AUTHORITIES_MAX)},
    {"fallback_directories", "a directory cache, { \"address\": ..., \"or_port\": ... }",
     VALUE_OBJECT, .section = &fallback_section,
     LIST(struct config, fallback_directories, fallback_directory_count, 0, CONFIG_FALLBACKS_MAX)},
    {"dataplane", "an object", VALUE_OBJECT, .required = true, .section = &dataplane_section,
     PLACE(struct config, dataplane)},
    {"hsdir_cache_mb", "a number of megabytes from 1 to 1048576", VALUE_INTEGER, .min = 1,
     .max = 1048576, PLACE(struct config, hsdir_cache_mb)},
    {"dos", "an object", VALUE_OBJECT, .section = &dos_section, PLACE(struct config, dos)},
    {"socks", "a listener, { \"listen\": \"127.0.0.1:9050\" }", VALUE_OBJECT,
     .section = &socks_section, LIST(struct config, socks, socks_count, 0, CONFIG_SOCKS_MAX)},
    {"nodes", "an object", VALUE_OBJECT, .section = &nodes_section, PLACE(struct config, nodes)},
    {"onion_services", "a service, { \"directory\": ..., \"ports\": [...] }", VALUE_OBJECT,
     .section = &onion_service_section, .offset = offsetof(struct config, onion_services),
     .size = sizeof(struct config_onion_service),
     .count_offset = offsetof(struct config, onion_service_count),
     .items_max = CONFIG_ONION_SERVICES_MAX, .item_defaults = config_onion_service_defaults},
    {"client_authorization", "an absolute path of at most 1023 bytes", VALUE_STRING,
     .store = store_directory, PLACE(struct config, client_authorization)},
    {"petnames", "an absolute path of at most 1023 bytes", VALUE_STRING, .store = store_directory,
     PLACE(struct config, petnames)},
    {"log", "an object", VALUE_OBJECT, .section = &log_section, .offset = 0,
     .size = sizeof(struct config)},
};

const struct section schema_root = {root_fields, COUNT_OF(root_fields)};
