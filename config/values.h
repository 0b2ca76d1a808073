// SPDX-License-Identifier: BSD-3-Clause
// The strings of a configuration that mean something: from text to what is stored.
//
// Each function stores to `out` and returns NULL, or returns what was expected instead.
#pragma once

const char *store_nickname(const char *text, void *out);    // char[]
const char *store_contact(const char *text, void *out);     // char[]
const char *store_directory(const char *text, void *out);   // char[]
const char *store_device(const char *text, void *out);      // char[]
const char *store_exit_policy(const char *text, void *out); // char[]
const char *store_address(const char *text, void *out);     // struct address
const char *store_prefix(const char *text, void *out);      // struct config_prefix
const char *store_digest(const char *text, void *out);      // uint8_t[CONFIG_DIGEST_LEN]
const char *store_ed_identity(const char *text, void *out); // uint8_t[CONFIG_ED_ID_LEN]
const char *store_poll(const char *text, void *out);        // enum config_poll
const char *store_dos_switch(const char *text, void *out);  // enum config_dos_switch
const char *store_listen(const char *text, void *out);      // struct config_socks' listen
const char *store_target(const char *text, void *out);      // struct config_onion_port
const char *store_mode(const char *text, void *out);        // unsigned
const char *store_isolate(const char *text, void *out);     // enum config_isolation
const char *store_share(const char *text, void *out);       // enum config_isolation
const char *store_group(const char *text, void *out);       // char[]
const char *store_node(const char *text, void *out);        // struct config_node
const char *store_log_level(const char *text, void *out);   // enum log_level
