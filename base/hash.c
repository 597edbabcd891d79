/* SPDX-License-Identifier: BSD-3-Clause */
/* hash.c - the seeded 64-bit hash of a key: XXH3 under a random secret.
 *
 * Position on hash flooding. XXH3 is fast and well distributed, not
 * cryptographic: nobody has proved that collisions cannot be found without the
 * secret. What it gives here:
 * - The secret is 192 bytes from getrandom(2), fresh for each process or arena.
 *   A list of colliding keys made in advance, or taken from another server, is
 *   of no use. A 64-bit seed would be stretched to a secret by a public
 *   formula; whole random bytes leave no such structure.
 * - No reply contains a hash. SCAN visits keys in hash order, so a client that
 *   may run SCAN learns something of it; such a client can as well run KEYS *
 *   or FLUSHALL, which cost more than any flood.
 * - Colliding keys cost time, never correctness: a tag or a hash only proposes
 *   an item, the full key decides.
 * A server that lets hostile clients choose keys freely should not let them run
 * SCAN, KEYS or RANDOMKEY.
 */
#include "base/base.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

_Static_assert(sizeof(((struct hash_seed *)0)->secret) >= XXH3_SECRET_SIZE_MIN,
    "XXH3 refuses shorter secrets");

void
hash_seed_random(struct hash_seed *seed)
{
    size_t have = 0;

    while (have < sizeof(seed->secret)) {
        ssize_t n =
            getrandom(seed->secret + have, sizeof(seed->secret) - have, 0);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            log_error("no random bytes err=%s", strerror(errno));
            abort();
        }
        have += (size_t)n;
    }
}

uint64_t
hash_bytes(const struct hash_seed *seed, const void *p, size_t len)
{
    return XXH3_64bits_withSecret(p, len, seed->secret, sizeof(seed->secret));
}

uint64_t
hash_digest(const void *p, size_t len)
{
    return XXH3_64bits(p, len);
}
