/* SPDX-License-Identifier: BSD-3-Clause */
/* sha256.h - the hash under which passwords are kept (FIPS 180-4). */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define SHA256_BYTES 32

/* Any thread; leaves nothing of the input in memory. */
void sha256(const void *p, size_t len, uint8_t digest[SHA256_BYTES]);
