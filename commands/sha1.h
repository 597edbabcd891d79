/* SPDX-License-Identifier: BSD-3-Clause */
/* sha1.h - SHA-1, by which clients name scripts. */
#pragma once

#include <stddef.h>

#define SHA1_HEX 40

/* The digest as 40 lower case digits and a NUL. Any thread. */
void sha1_hex(const void *p, size_t len, char hex[SHA1_HEX + 1]);
