/* SPDX-License-Identifier: BSD-3-Clause */
/* memory_test.c - what the used memory is for: the parts, which add up to it,
 * and what MEMORY DOCTOR says of it.
 */
#include "commands/fixture.h"
#include "commands/internal.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- parts --------------------------------------------------------------- */

static size_t
figure(const char *map, const char *name)
{
    char bulk[100];
    const char *found;

    snprintf(bulk, sizeof(bulk), "$%zu\r\n%s\r\n:", strlen(name), name);
    found = strstr(map, bulk);
    ck_assert_msg(found != NULL, "no figure %s", name);
    return strtoull(found + strlen(bulk), NULL, 10);
}

/* The parts as clients see them, which must be all of the used memory. */
static struct memory_parts
read_parts(void)
{
    const char *stats;
    struct memory_parts p;
    size_t sum = 0;

    /* on a busy machine any command is slow, and an entry takes memory */
    RUN(h, "+OK\r\n", "CONFIG", "SET", "slowlog-log-slower-than", "-1");
    stats = SAY(h, "MEMORY", "STATS");
#define READ(name, text) sum += p.name = figure(stats, "used." #name);
    MEMORY_PARTS(READ)
#undef READ
    ck_assert_uint_eq(sum, figure(stats, "total.allocated"));
    ck_assert_uint_eq(sum, slab_used(h->slab));
    ck_assert_uint_eq(p.index, figure(stats, "index.bytes"));
    ck_assert_uint_eq(p.templates, figure(stats, "templates.bytes"));
    ck_assert_uint_eq(p.namespaces, figure(stats, "namespaces.bytes"));
    return p;
}

/* What a slow machine adds to the slow log after a reply is not in it. */
static void
start_quiet(void)
{
    start();
    RUN(h, "+OK\r\n", "CONFIG", "SET", "slowlog-log-slower-than", "-1");
}

static void
set_sized(unsigned n, size_t len)
{
    char key[24];
    char *value = xcalloc(1, len + 1);

    memset(value, 'v', len);
    snprintf(key, sizeof(key), "n%06u", n);
    if (len > 16384) {
        const char *words[] = {"SET", key};

        harness_say_extent(h, words, 2, (struct str){value, len});
    } else {
        SAY(h, "SET", key, value);
    }
    ck_assert_str_eq(h->flat.p, "+OK\r\n");
    free(value);
}

START_TEST(items_and_their_rounding_are_exact)
{
    struct memory_parts before, after;

    RUN(h, "+OK\r\n", "CONFIG", "SET", "key-interning", "no");
    set_sized(0, 50);
    before = read_parts();
    /* 4 of header, 7 of key, 50 of value: 61 in a chunk of 64 */
    for (unsigned n = 1; n <= 1000; n++)
        set_sized(n, 50);
    after = read_parts();
    ck_assert_uint_eq(after.items - before.items, 61 * 1000);
    ck_assert_uint_eq(after.rounding - before.rounding, 3 * 1000);
    /* 20 KiB and a byte take six units */
    before = read_parts();
    set_sized(2000, 20480 + 1);
    after = read_parts();
    ck_assert_uint_ge(after.items - before.items, 20480 + 1 + 11);
    ck_assert_uint_le(after.items - before.items, 20480 + 1 + 11 + 16);
    ck_assert_uint_ge(after.rounding - before.rounding, 4096 - 1);
}
END_TEST

START_TEST(parts_add_up_whatever_is_stored)
{
    static const size_t lens[] = {0, 1, 100, 1000, 5000, 16384, 20000, 300000};

    for (size_t i = 0; i < ARRAY_LEN(lens); i++) {
        for (unsigned n = 0; n < 40; n++)
            set_sized((unsigned)i * 100 + n, lens[i]);
        (void)read_parts();
        for (unsigned n = 0; n < 20; n++)
            set_sized((unsigned)i * 100 + n, lens[ARRAY_LEN(lens) - 1 - i]);
        (void)read_parts();
    }
    for (int n = 0; n < 2000; n++) {
        char key[40];

        snprintf(key, sizeof(key), "user:%010d:profile", n);
        RUN(h, "+OK\r\n", "SET", key, "v", "PX", "100000");
    }
    (void)read_parts();
}
END_TEST

START_TEST(nothing_is_left_of_items_after_a_flush)
{
    struct memory_parts empty = read_parts(), full, flushed;

    for (unsigned n = 0; n < 20000; n++)
        set_sized(n, n % 500 == 0 ? 100000 : 500);
    full = read_parts();
    ck_assert_uint_gt(full.items, 13900000);
    RUN(h, "+OK\r\n", "FLUSHALL");
    ck_assert_uint_eq(read_parts().items, full.items); /* dead, not free */
    ck_assert_uint_eq(
        figure(SAY(h, "MEMORY", "STATS"), "items.dead-bytes"), full.items);
    ks_reclaim(h->ks_thread);
    RUN(h, "+OK\r\n", "MEMORY", "PURGE");
    flushed = read_parts();
    ck_assert_uint_eq(flushed.items, 0);
    ck_assert_uint_eq(flushed.rounding, 0);
    ck_assert_uint_eq(flushed.magazines, empty.magazines);
    ck_assert_uint_gt(flushed.extents_warm, 0);
    ck_assert_uint_gt(flushed.pages_free, 0);
}
END_TEST

START_TEST(parts_add_up_after_the_limit_was_lowered)
{
    for (unsigned n = 0; n < 400; n++)
        set_sized(n, n % 10 == 0 ? 400000 : 30000);
    slab_set_limit(h->slab, 20 * MIB);
    for (int i = 0; i < 1000 && slab_used(h->slab) > 20 * MIB; i++) {
        (void)ks_maintain(h->ks_thread);
        (void)read_parts();
    }
    ck_assert_uint_le(slab_used(h->slab), 20 * MIB);
    ck_assert_uint_gt(read_parts().items, 5 * MIB);
}
END_TEST

/* ---- DOCTOR -------------------------------------------------------------- */

static bool
doctor_says(const char *words)
{
    return strstr(SAY(h, "MEMORY", "DOCTOR"), words) != NULL;
}

START_TEST(doctor_finds_nothing_in_a_healthy_cache)
{
    for (unsigned n = 0; n < 1000; n++)
        set_sized(n, 1000);
    ck_assert(!doctor_says("fragmentation"));
    ck_assert(!doctor_says("client buffers"));
    ck_assert(!doctor_says("is small"));
    ck_assert(!doctor_says("above maxmemory"));
    ck_assert(!doctor_says("flushed"));
    ck_assert(!doctor_says("refused"));
}
END_TEST

START_TEST(doctor_sees_fragmentation)
{
    for (unsigned n = 0; n < 10000; n++)
        set_sized(n, 1000);
    for (unsigned n = 0; n < 10000; n++) {
        char key[24];

        snprintf(key, sizeof(key), "n%06u", n);
        if (n % 10 != 0)
            SAY(h, "DEL", key);
    }
    ck_assert(doctor_says("High fragmentation: "));
    ck_assert(doctor_says("90 %)") || doctor_says("89 %)"));
}
END_TEST

START_TEST(doctor_sees_what_is_in_use_without_keys)
{
    slab_charge_to(h->slab, SLAB_CLIENTS, 10 * MIB);
    ck_assert(doctor_says("Big client buffers: connections hold 10485760"));
    ck_assert(!doctor_says("is small"));
    slab_set_limit(h->slab, 16 * MIB);
    ck_assert(doctor_says("maxmemory is small: of its 16777216 bytes"));
    slab_set_limit(h->slab, 1 * MIB);
    ck_assert(doctor_says("above maxmemory by"));
    slab_uncharge_from(h->slab, SLAB_CLIENTS, 10 * MIB);
    ck_assert(!doctor_says("client buffers"));
    slab_set_limit(h->slab, (size_t)1 << 60);
    ck_assert(doctor_says("leaves the system less than a tenth"));
}
END_TEST

START_TEST(doctor_sees_what_a_flush_left)
{
    for (unsigned n = 0; n < 20000; n++)
        set_sized(n, 500);
    RUN(h, "+OK\r\n", "FLUSHALL");
    ck_assert(doctor_says("of keys that were flushed"));
    ks_reclaim(h->ks_thread);
    ck_assert(!doctor_says("flushed"));
}
END_TEST

HARNESS_MAIN("memory", start_quiet, stop, items_and_their_rounding_are_exact,
    parts_add_up_whatever_is_stored, nothing_is_left_of_items_after_a_flush,
    parts_add_up_after_the_limit_was_lowered,
    doctor_finds_nothing_in_a_healthy_cache, doctor_sees_fragmentation,
    doctor_sees_what_is_in_use_without_keys, doctor_sees_what_a_flush_left)
