/* SPDX-License-Identifier: BSD-3-Clause */
/* budget_test.c - charges against the limit, and what "auto" makes of the
 * machine and its control groups. */
#include "slab/test.h"

#include <sys/stat.h>

/* ---- charges ------------------------------------------------------------- */

START_TEST(charges_add_up_to_the_limit_and_no_further)
{
    struct slab *s = test_slab(64 * MIB, SLAB_MEMFD);
    size_t base = slab_used(s);

    ck_assert(slab_charge(s, 64 * MIB - base));
    ck_assert_uint_eq(slab_used(s), 64 * MIB);
    ck_assert(!slab_charge(s, 1));
    slab_uncharge(s, 1);
    ck_assert(slab_charge(s, 1));
    ck_assert_uint_eq(test_stats(s).other_bytes, 64 * MIB - base);
    slab_uncharge(s, 64 * MIB - base);
    ck_assert_uint_eq(slab_used(s), base);
    slab_free(s);
}
END_TEST

START_TEST(a_huge_charge_does_not_wrap_around)
{
    struct slab *s = test_slab(64 * MIB, SLAB_MEMFD);

    ck_assert(!slab_charge(s, SIZE_MAX));
    ck_assert(!slab_charge(s, SIZE_MAX - slab_used(s) + 1));
    ck_assert_uint_lt(slab_used(s), 1 * MIB);
    slab_free(s);
}
END_TEST

START_TEST(a_forced_charge_passes_the_limit)
{
    struct slab *s = test_slab(64 * MIB, SLAB_MEMFD);

    slab_charge_force(s, 100 * MIB);
    ck_assert_uint_gt(slab_used(s), slab_limit(s));
    ck_assert(!slab_charge(s, 1));
    slab_uncharge(s, 100 * MIB);
    ck_assert(slab_charge(s, 1));
    slab_uncharge(s, 1);
    slab_free(s);
}
END_TEST

/* Also beyond the warm part of an extent; all of it is counted. */
START_TEST(what_must_not_fail_passes_the_limit_by_a_page)
{
    struct slab *s = test_slab(64 * MIB, SLAB_MEMFD);
    struct slab_thread *t = slab_thread_new(s);
    size_t base = slab_used(s);
    uint32_t chunk, next, extent;

    slab_charge_force(s, 100 * MIB);
    ck_assert_uint_eq(slab_alloc(t, 100), 0);
    chunk = slab_alloc_anyway(t, 100);
    ck_assert_uint_ne(chunk, 0);
    next = slab_alloc(t, 100);
    ck_assert_uint_ne(next, 0); /* of the same page */
    ck_assert_uint_le(slab_used(s), base + 100 * MIB + 64 * KIB);
    extent = extent_new(s, MIB);
    ck_assert(!extent_commit(s, extent, MIB));
    extent_commit_force(s, extent, MIB);
    ck_assert_uint_eq(extent_committed(s, extent), MIB);
    ck_assert_uint_ge(slab_used(s), base + 101 * MIB);
    extent_unpin(s, extent);
    slab_uncharge(s, 100 * MIB);
    slab_release(t, chunk);
    slab_release(t, next);
    slab_thread_free(t);
    slab_free(s);
}
END_TEST

START_TEST(a_lowered_limit_holds_until_usage_is_below)
{
    struct slab *s = test_slab(64 * MIB, SLAB_MEMFD);

    ck_assert(slab_charge(s, 40 * MIB));
    slab_set_limit(s, 32 * MIB);
    ck_assert_uint_eq(slab_limit(s), 32 * MIB);
    ck_assert(!slab_charge(s, 1));
    slab_uncharge(s, 20 * MIB);
    ck_assert(slab_charge(s, 1));
    slab_uncharge(s, 20 * MIB + 1);
    slab_free(s);
}
END_TEST

START_TEST(a_charge_takes_free_pages_and_warm_extents)
{
    struct slab *s = test_slab(16 * MIB, SLAB_MEMFD);
    struct slab_thread *t = slab_thread_new(s);
    static uint32_t h[20000];
    size_t i, n = 0;
    uint32_t id = extent_new(s, 6 * MIB);

    ck_assert(extent_commit(s, id, 6 * MIB));
    while ((h[n] = slab_alloc(t, 1000)) != 0)
        n++;
    ck_assert_uint_gt(n, 8000);
    ck_assert(!slab_charge(s, 1 * MIB));
    extent_unpin(s, id);
    ck_assert(slab_charge(s, 5 * MIB)); /* out of the extent */
    ck_assert_uint_eq(test_stats(s).extent_warm_bytes, 0);
    ck_assert(!slab_charge(s, 5 * MIB));
    for (i = 0; i < n; i++)
        slab_release_to_page(t, h[i]);
    slab_thread_flush(t);
    ck_assert(slab_charge(s, 5 * MIB)); /* out of the pages */
    slab_uncharge(s, 10 * MIB);
    slab_thread_free(t);
    slab_free(s);
}
END_TEST

START_TEST(a_hopeless_charge_leaves_the_reserve_alone)
{
    struct slab *s = test_slab(16 * MIB, SLAB_MEMFD);
    uint32_t id = extent_new(s, 4 * MIB);

    ck_assert(extent_commit(s, id, 4 * MIB));
    extent_unpin(s, id);
    ck_assert(!slab_charge(s, 17 * MIB));
    ck_assert_uint_eq(test_stats(s).extent_warm_bytes, 4 * MIB);
    slab_free(s);
}
END_TEST

/* ---- the machine --------------------------------------------------------- */

static char root[64];

/* Write a file below the false root, with the folders it needs. */
static void
put_file(const char *path, const char *text)
{
    char name[512], *p;
    FILE *f;

    snprintf(name, sizeof name, "%s%s", root, path);
    for (p = name + strlen(root) + 1; (p = strchr(p, '/')) != NULL; p++) {
        *p = '\0';
        mkdir(name, 0700);
        *p = '/';
    }
    f = fopen(name, "w");
    ck_assert_ptr_nonnull(f);
    fputs(text, f);
    fclose(f);
}

static void
new_root(const char *meminfo, const char *cgroup)
{
    snprintf(root, sizeof root, "/tmp/ashlar-budget-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(root));
    if (meminfo != NULL)
        put_file("/proc/meminfo", meminfo);
    if (cgroup != NULL)
        put_file("/proc/self/cgroup", cgroup);
}

static void
drop_root(void)
{
    char command[128];

    snprintf(command, sizeof command, "rm -r %s", root);
    ck_assert_int_eq(system(command), 0);
}

#define MEMINFO_8G "MemTotal:        8388608 kB\nMemFree:          12 kB\n"

START_TEST(without_a_group_it_is_the_ram)
{
    new_root(MEMINFO_8G, NULL);
    ck_assert_uint_eq(machine_bytes(root), 8 * GIB);
    drop_root();
}
END_TEST

START_TEST(a_v2_group_limits)
{
    new_root(MEMINFO_8G, "0::/system.slice/ashlard.service\n");
    put_file("/sys/fs/cgroup/system.slice/ashlard.service/memory.max",
        "1073741824\n");
    ck_assert_uint_eq(machine_bytes(root), 1 * GIB);
    drop_root();
}
END_TEST

START_TEST(a_v2_group_above_limits_as_well)
{
    new_root(MEMINFO_8G, "0::/tenant/ashlard\n");
    put_file("/sys/fs/cgroup/tenant/ashlard/memory.max", "max\n");
    put_file("/sys/fs/cgroup/tenant/memory.max", "536870912\n");
    ck_assert_uint_eq(machine_bytes(root), 512 * MIB);
    drop_root();
}
END_TEST

START_TEST(in_a_container_the_group_is_the_mount)
{
    new_root(MEMINFO_8G, "0::/\n");
    put_file("/sys/fs/cgroup/memory.max", "2147483648\n");
    ck_assert_uint_eq(machine_bytes(root), 2 * GIB);
    drop_root();
}
END_TEST

START_TEST(a_v1_group_limits)
{
    new_root(MEMINFO_8G, "8:pids:/a\n4:memory:/a/b\n1:cpu,cpuacct:/\n0::/\n");
    put_file("/sys/fs/cgroup/memory/a/b/memory.limit_in_bytes", "268435456\n");
    ck_assert_uint_eq(machine_bytes(root), 256 * MIB);
    drop_root();
}
END_TEST

START_TEST(a_v1_group_without_a_limit_is_the_ram)
{
    new_root(MEMINFO_8G, "4:memory:/a\n");
    put_file("/sys/fs/cgroup/memory/a/memory.limit_in_bytes",
        "9223372036854771712\n");
    ck_assert_uint_eq(machine_bytes(root), 8 * GIB);
    drop_root();
}
END_TEST

START_TEST(a_machine_that_says_nothing_is_unknown)
{
    new_root(NULL, "nonsense\n4:memory\n\n::::\n");
    ck_assert_uint_eq(machine_bytes(root), 0);
    drop_root();
}
END_TEST

START_TEST(maxmemory_resolves_bytes_percent_and_auto)
{
    size_t machine = machine_bytes("");

    ck_assert_uint_gt(machine, 0);
    ck_assert_uint_eq(slab_limit_from_option(123456789), 123456789);
    ck_assert_uint_eq(slab_limit_from_option(-50), machine / 100 * 50);
    ck_assert_uint_eq(slab_limit_from_option(-100), machine / 100 * 100);
    ck_assert_uint_eq(slab_limit_from_option(OPTION_AUTO), machine / 100 * 75);
    ck_assert_uint_eq(slab_limit_from_option(0), machine / 100 * 75);
}
END_TEST

START_TEST(the_resident_set_grows_with_what_is_touched)
{
    size_t before = slab_process_rss();
    volatile char *p = malloc(32 * MIB);
    size_t i;

    ck_assert_uint_gt(before, 0);
    ck_assert_ptr_nonnull((char *)p);
    for (i = 0; i < 32 * MIB; i += 4096)
        p[i] = 1;
    ck_assert_uint_ge(slab_process_rss(), before + 31 * MIB);
    free((char *)p);
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {
        charges_add_up_to_the_limit_and_no_further,
        a_huge_charge_does_not_wrap_around,
        a_forced_charge_passes_the_limit,
        what_must_not_fail_passes_the_limit_by_a_page,
        a_lowered_limit_holds_until_usage_is_below,
        a_charge_takes_free_pages_and_warm_extents,
        a_hopeless_charge_leaves_the_reserve_alone,
        without_a_group_it_is_the_ram,
        a_v2_group_limits,
        a_v2_group_above_limits_as_well,
        in_a_container_the_group_is_the_mount,
        a_v1_group_limits,
        a_v1_group_without_a_limit_is_the_ram,
        a_machine_that_says_nothing_is_unknown,
        maxmemory_resolves_bytes_percent_and_auto,
        the_resident_set_grows_with_what_is_touched,
    };

    return test_run("slab/budget", tests, ARRAY_LEN(tests));
}
