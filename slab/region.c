/* SPDX-License-Identifier: BSD-3-Clause */
/* region.c - the reserved address range behind the chunks.
 *
 * One mapping, made at start and never moved or unmapped until the end: a
 * reader that follows a stale handle always finds memory. Behind it is a
 * memory file, which another process or a second mapping can open, or
 * anonymous memory. Beyond the last page stays one super-page of slack, so that
 * even a reader that believes a wrong length at the very end does not fault.
 *
 * Memory becomes resident when it is touched; region_give_back() is the only
 * way back. The two backings need different calls for that: MADV_DONTNEED in a
 * shared mapping of a file frees nothing, and a hole cannot be punched into
 * anonymous memory.
 */
#include "slab/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#define DEFAULT_REGION_BYTES ((size_t)32 * GIB)
#define LEAST_REGION_BYTES ((size_t)1 * GIB)
#define SLACK_BYTES SUPER_MAX_BYTES

void *
map_lazily(size_t bytes, size_t align)
{
    size_t len = bytes + align, skip;
    char *p = mmap(NULL, len, PROT_READ | PROT_WRITE,
        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (p == MAP_FAILED)
        return NULL;
    skip = (align - (uintptr_t)p % align) % align;
    if (skip > 0)
        munmap(p, skip);
    munmap(p + skip + bytes, len - skip - bytes);
    return p + skip;
}

void *
map_table(size_t bytes)
{
    void *p = map_lazily(ROUND_UP(bytes, 4 * KIB), 4 * KIB);

    if (p == NULL) {
        log_error(
            "cannot reserve a table bytes=%zu err=%s", bytes, strerror(errno));
        abort();
    }
    return p;
}

/* A memory file of the size, sparse. -1 with errno set when refused. */
static int
open_memfd(size_t bytes)
{
    struct rlimit limit;
    int fd, saved;

    /* ftruncate() beyond the limit would raise SIGXFSZ. */
    if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur < bytes) {
        errno = EFBIG;
        return -1;
    }
    fd = memfd_create("ashlar", MFD_CLOEXEC);
    if (fd < 0)
        return -1;
    if (ftruncate(fd, (off_t)bytes) == 0)
        return fd;
    saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

/* Put the memory file in the place of the anonymous range. */
static bool
map_memfd(struct region *r, size_t bytes)
{
    r->fd = open_memfd(bytes);
    if (r->fd < 0)
        return false;
    if (mmap(r->base, bytes, PROT_READ | PROT_WRITE,
            MAP_SHARED | MAP_NORESERVE | MAP_FIXED, r->fd, 0) != MAP_FAILED)
        return true;
    close(r->fd);
    r->fd = -1;
    return false;
}

/* From this limit on, super-pages that are only partly used do not matter. */
#define HUGE_PAGES_FROM ((size_t)512 * MIB)

static bool
wants_huge(const struct slab_config *cfg)
{
    if (cfg->huge_pages == SLAB_HUGE_AUTO)
        return cfg->limit_bytes >= HUGE_PAGES_FROM;
    return cfg->huge_pages == SLAB_HUGE;
}

/* Whether memory files get the huge pages that they ask for. */
static bool
memfd_gets_huge(void)
{
    static const char path[] =
        "/sys/kernel/mm/transparent_hugepage/shmem_enabled";
    char line[128] = "";
    FILE *f = fopen(path, "re");

    if (f == NULL)
        return false;
    if (fgets(line, sizeof(line), f) == NULL)
        line[0] = '\0';
    fclose(f);
    return line[0] != '\0' && strstr(line, "[never]") == NULL &&
        strstr(line, "[deny]") == NULL;
}

/* A limit of file sizes or a filter of system calls may forbid it. */
static bool
allows_memfd(void)
{
    int fd = open_memfd(LEAST_REGION_BYTES + SLACK_BYTES);

    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

static enum slab_backing
choose_backing(const struct slab_config *cfg)
{
    if (cfg->backing != SLAB_AUTO)
        return cfg->backing;
    if (wants_huge(cfg) && !memfd_gets_huge())
        return SLAB_ANONYMOUS;
    return allows_memfd() ? SLAB_MEMFD : SLAB_ANONYMOUS;
}

static bool
try_reserve(struct region *r, size_t bytes, enum slab_backing backing)
{
    int saved;

    r->fd = -1;
    r->bytes = bytes;
    r->base = map_lazily(bytes + SLACK_BYTES, SUPER_MAX_BYTES);
    if (r->base == NULL)
        return false;
    if (backing == SLAB_ANONYMOUS || map_memfd(r, bytes + SLACK_BYTES))
        return true;
    saved = errno;
    munmap(r->base, bytes + SLACK_BYTES);
    r->base = NULL;
    errno = saved;
    return false;
}

/* Advice only: where it is refused things work as well. Without the explicit
 * refusal of huge pages, a machine that hands them out unasked would make 2 MiB
 * resident for the first byte of a 64 KiB page. Where they are wanted,
 * region_populate() asks for them bit by bit. */
static void
advise(const struct region *r)
{
    (void)madvise(r->base, r->bytes + SLACK_BYTES, MADV_DONTDUMP);
    (void)madvise(r->base, r->bytes, MADV_NOHUGEPAGE);
}

bool
region_open(struct region *r, const struct slab_config *cfg, struct buf *err)
{
    size_t asked =
        cfg->region_bytes != 0 ? cfg->region_bytes : DEFAULT_REGION_BYTES;
    enum slab_backing backing = choose_backing(cfg);
    size_t bytes;

    asked = ROUND_UP(MIN(asked, MAX_REGION_BYTES), SUPER_MAX_BYTES);
    bytes = asked;
    while (!try_reserve(r, bytes, backing)) {
        if (bytes / 2 < LEAST_REGION_BYTES) {
            buf_printf(err, "cannot reserve %zu MiB of address space: %s",
                bytes / MIB, strerror(errno));
            return false;
        }
        bytes = ROUND_UP(bytes / 2, SUPER_MAX_BYTES);
    }
    if (bytes < asked)
        log_warn("smaller address range for items asked_mib=%zu mib=%zu",
            asked / MIB, bytes / MIB);
    r->wants_huge = wants_huge(cfg);
    r->huge = r->wants_huge && (backing == SLAB_ANONYMOUS ||
        cfg->huge_pages == SLAB_HUGE || memfd_gets_huge());
    advise(r);
    return true;
}

bool
slab_wants_huge(const struct slab *s)
{
    return s->region.wants_huge;
}

void
region_close(struct region *r)
{
    if (r->base != NULL)
        munmap(r->base, r->bytes + SLACK_BYTES);
    if (r->fd >= 0)
        close(r->fd);
    r->base = NULL;
    r->fd = -1;
}

/* Ask for huge pages from the last such place on, so that the range is divided
 * in two at most. */
static void
ask_for_huge(struct region *r, size_t upto)
{
    static _Atomic uint64_t complained;
    size_t from = LOAD(&r->huge_upto);

    if (!r->huge || upto <= from)
        return;
    if (madvise(r->base + from, upto - from, MADV_HUGEPAGE) != 0 &&
        log_ratelimit(&complained))
        log_warn("no huge pages for items err=%s", strerror(errno));
    STORE(&r->huge_upto, upto);
}

void
region_populate(struct region *r, size_t offset, size_t bytes)
{
    ask_for_huge(r, offset + bytes);
#ifdef MADV_POPULATE_WRITE
    /* Advice only: else the first to write there does it. */
    (void)madvise(r->base + offset, bytes, MADV_POPULATE_WRITE);
#endif
}

bool
region_give_back(const struct region *r, size_t offset, size_t bytes)
{
    static _Atomic uint64_t complained;
    int rc;

    do {
        rc = r->fd >= 0
            ? fallocate(r->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                  (off_t)offset, (off_t)bytes)
            : madvise(r->base + offset, bytes, MADV_DONTNEED);
    } while (rc != 0 && errno == EINTR);
    if (rc != 0 && log_ratelimit(&complained))
        log_warn(
            "cannot give memory back bytes=%zu err=%s", bytes, strerror(errno));
    return rc == 0;
}
