// SPDX-License-Identifier: BSD-3-Clause
// Publication: the server descriptor and extra-info are built, signed, and uploaded to every
// directory authority; again when something changes and at least every 18 hours (6.13, 6.14).
#pragma once

struct relay;
struct publisher;

struct publisher *publisher_create(struct relay *relay); // begins at once; NULL: no memory
void publisher_free(struct publisher *p);
// Something in the descriptor changed: publish soon.
void publisher_changed(struct publisher *p);
