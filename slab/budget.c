/* SPDX-License-Identifier: BSD-3-Clause */
/* budget.c - what is committed, against the limit.
 *
 * One counter that all memory of the process goes through when it becomes
 * resident, and goes out of when it is back with the system. Free pages, warm
 * extents and what is touched ahead of use are in it: they are resident. They
 * are given back before anybody is refused. Lock-free; the counters by kind are
 * for statistics, and a reader may see them out of step with the total for a
 * moment.
 */
#include "slab/internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Share of the machine when nothing else is said. */
#define AUTO_PERCENT 75

/* Limit where neither /proc nor the control group says anything. */
#define FALLBACK_BYTES ((size_t)1 * GIB)

static bool
try_charge(struct budget *b, size_t bytes)
{
    size_t used = LOAD(&b->used), limit = LOAD(&b->limit);

    do {
        if (bytes > limit || used > limit - bytes)
            return false;
    } while (!atomic_compare_exchange_weak_explicit(&b->used, &used,
        used + bytes, memory_order_relaxed, memory_order_relaxed));
    return true;
}

/* Up to the limit, what is idle counted as free. */
static size_t
headroom(const struct budget *b)
{
    size_t used = LOAD(&b->used), limit = LOAD(&b->limit);
    size_t idle =
        LOAD(&b->page_free) + LOAD(&b->page_ready) + LOAD(&b->extent_warm);

    used -= MIN(idle, used);
    return used < limit ? limit - used : 0;
}

/* Giving all that is idle back for a charge that does not fit even then would
 * only make the next ones dear. */
static bool
could_fit(const struct budget *b, size_t bytes)
{
    return bytes <= headroom(b);
}

bool
budget_charge(struct slab *s, size_t bytes)
{
    while (!try_charge(&s->budget, bytes)) {
        if (!could_fit(&s->budget, bytes))
            return false;
        if (reserve_give_back(s, bytes) == 0 &&
            extent_cool_oldest(s, 0) == 0 && reserve_give_back_ready(s) == 0)
            return false;
    }
    return true;
}

void
budget_charge_anyway(struct slab *s, size_t bytes)
{
    if (!budget_charge(s, bytes))
        atomic_fetch_add_explicit(
            &s->budget.used, bytes, memory_order_relaxed);
}

void
budget_uncharge(struct slab *s, size_t bytes)
{
    size_t before =
        atomic_fetch_sub_explicit(&s->budget.used, bytes, memory_order_relaxed);

    ASSERT(before >= bytes);
}

void
budget_charge_table(struct slab *s, size_t bytes)
{
    atomic_fetch_add_explicit(&s->budget.used, bytes, memory_order_relaxed);
    atomic_fetch_add_explicit(&s->budget.tables, bytes, memory_order_relaxed);
}

bool
slab_try_charge_to(struct slab *s, enum slab_account account, size_t bytes)
{
    CHECK(s, SLAB_MAGIC);
    if (!budget_charge(s, bytes))
        return false;
    atomic_fetch_add_explicit(&s->budget.account[account], bytes,
        memory_order_relaxed);
    return true;
}

bool
slab_charge(struct slab *s, size_t bytes)
{
    return slab_try_charge_to(s, SLAB_OTHER, bytes);
}

void
slab_charge_to(struct slab *s, enum slab_account account, size_t bytes)
{
    CHECK(s, SLAB_MAGIC);
    atomic_fetch_add_explicit(&s->budget.used, bytes, memory_order_relaxed);
    atomic_fetch_add_explicit(&s->budget.account[account], bytes,
        memory_order_relaxed);
}

void
slab_uncharge_from(struct slab *s, enum slab_account account, size_t bytes)
{
    size_t before;

    CHECK(s, SLAB_MAGIC);
    before = atomic_fetch_sub_explicit(&s->budget.account[account], bytes,
        memory_order_relaxed);
    ASSERT(before >= bytes);
    budget_uncharge(s, bytes);
}

void
slab_charge_force(struct slab *s, size_t bytes)
{
    slab_charge_to(s, SLAB_OTHER, bytes);
}

void
slab_uncharge(struct slab *s, size_t bytes)
{
    slab_uncharge_from(s, SLAB_OTHER, bytes);
}

size_t
slab_least_limit(const struct slab *s)
{
    size_t bytes = LOAD(&s->budget.tables) + unit_bytes(s);

    for (unsigned i = 0; i < SLAB_ACCOUNTS; i++)
        bytes += LOAD(&s->budget.account[i]);
    return bytes;
}

size_t
slab_used(const struct slab *s)
{
    return LOAD(&s->budget.used);
}

size_t
slab_limit(const struct slab *s)
{
    return LOAD(&s->budget.limit);
}

size_t
slab_headroom(const struct slab *s)
{
    return headroom(&s->budget);
}

void
slab_set_limit(struct slab *s, size_t bytes)
{
    CHECK(s, SLAB_MAGIC);
    STORE(&s->budget.limit, bytes);
}

/* ---- the machine --------------------------------------------------------- */

/* Read a small file whole, NUL-terminated. False if there is none. */
static bool
read_file(const char *root, const char *path, char *out, size_t cap)
{
    char name[4096];
    size_t len;
    FILE *f;

    if (snprintf(name, sizeof name, "%s%s", root, path) >= (int)sizeof name)
        return false;
    f = fopen(name, "re");
    if (f == NULL)
        return false;
    len = fread(out, 1, cap - 1, f);
    out[len] = '\0';
    fclose(f);
    return len > 0;
}

/* The number in a limit file; SIZE_MAX for "max", or when there is none. */
static size_t
read_limit(const char *root, const char *path)
{
    char text[64], *end;
    unsigned long long v;

    if (!read_file(root, path, text, sizeof text))
        return SIZE_MAX;
    errno = 0;
    v = strtoull(text, &end, 10);
    return end == text || errno != 0 ? SIZE_MAX : (size_t)v;
}

/* The least limit of a group and all groups above it. In a container the path
 * of the group is often not visible below the mount; the walk up then ends at
 * the mount itself, which is the container's own group. */
static size_t
group_limit(
    const char *root, const char *mount, const char *group, const char *file)
{
    size_t least = SIZE_MAX, limit;
    char path[2048], dir[1024];
    char *slash;

    if (snprintf(dir, sizeof dir, "%s", group) >= (int)sizeof dir)
        dir[0] = '\0';
    for (;;) {
        /* the group of the root ends in a slash, others do not */
        if (dir[0] != '\0' && dir[strlen(dir) - 1] == '/')
            dir[strlen(dir) - 1] = '\0';
        snprintf(path, sizeof path, "%s%s/%s", mount, dir, file);
        limit = read_limit(root, path);
        least = MIN(least, limit);
        slash = strrchr(dir, '/');
        if (slash == NULL)
            return least;
        *slash = '\0';
    }
}

/* One line of /proc/self/cgroup: "ID:controllers:path". */
static size_t
line_limit(const char *root, char *line)
{
    char *controllers = strchr(line, ':'), *path;
    size_t hybrid, unified;

    if (controllers == NULL || (path = strchr(controllers + 1, ':')) == NULL)
        return SIZE_MAX;
    *path++ = '\0';
    controllers++;
    if (*controllers == '\0') {
        unified = group_limit(root, "/sys/fs/cgroup", path, "memory.max");
        hybrid =
            group_limit(root, "/sys/fs/cgroup/unified", path, "memory.max");
        return MIN(unified, hybrid);
    }
    if (strstr(controllers, "memory") != NULL)
        return group_limit(
            root, "/sys/fs/cgroup/memory", path, "memory.limit_in_bytes");
    return SIZE_MAX;
}

static size_t
cgroup_limit(const char *root)
{
    char text[8192], *line, *save = NULL;
    size_t least = SIZE_MAX, limit;

    if (!read_file(root, "/proc/self/cgroup", text, sizeof text))
        return SIZE_MAX;
    for (line = strtok_r(text, "\n", &save); line != NULL;
         line = strtok_r(NULL, "\n", &save)) {
        limit = line_limit(root, line);
        least = MIN(least, limit);
    }
    return least;
}

static size_t
ram_bytes(const char *root)
{
    char text[512], *at;

    if (!read_file(root, "/proc/meminfo", text, sizeof text) ||
        (at = strstr(text, "MemTotal:")) == NULL)
        return SIZE_MAX;
    return (size_t)strtoull(at + strlen("MemTotal:"), NULL, 10) * KIB;
}

size_t
machine_bytes(const char *root)
{
    size_t ram = ram_bytes(root), group = cgroup_limit(root);
    size_t least = MIN(ram, group);

    return least == SIZE_MAX ? 0 : least;
}

size_t
slab_limit_from_option(int64_t maxmemory)
{
    size_t percent = AUTO_PERCENT, machine;

    if (maxmemory > 0)
        return (size_t)maxmemory;
    if (maxmemory < 0 && maxmemory != OPTION_AUTO)
        percent = (size_t)MIN(-maxmemory, 100);
    machine = machine_bytes("");
    if (machine == 0) {
        log_warn("unknown memory size, limit_bytes=%zu", FALLBACK_BYTES);
        return FALLBACK_BYTES;
    }
    return machine / 100 * percent;
}

size_t
slab_process_rss(void)
{
    char text[128], *resident;

    /* The second number. */
    if (!read_file("", "/proc/self/statm", text, sizeof text) ||
        (resident = strchr(text, ' ')) == NULL)
        return 0;
    return (size_t)strtoull(resident, NULL, 10) * (size_t)sysconf(_SC_PAGESIZE);
}
