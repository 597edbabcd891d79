/* SPDX-License-Identifier: BSD-3-Clause */
/* region_test.c - the address range: mappings, the superblock, memory given
 * back, ranges that are refused. */
#include "slab/test.h"

#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>

#define N_CHUNKS 20000

struct chunk {
    uint32_t handle, bytes;
};

static struct chunk chunks[N_CHUNKS];

static struct slab_thread *
fill_slab(struct slab *s)
{
    struct slab_thread *t = slab_thread_new(s);
    uint64_t random = 7;
    uint32_t i;

    for (i = 0; i < N_CHUNKS; i++) {
        struct chunk *c = &chunks[i];

        c->bytes = 1 + (uint32_t)(test_random(&random) % 3000);
        c->handle = slab_alloc(t, c->bytes);
        must(c->handle != 0);
        test_fill(slab_ptr(s, c->handle), c->bytes, i);
        STORE(slab_mark(s, c->handle).stamp, (uint16_t)i);
        STORE(slab_mark(s, c->handle).state, (uint8_t)(i % 7));
    }
    return t;
}

static void
release_all(struct slab_thread *t)
{
    uint32_t i;

    for (i = 0; i < N_CHUNKS; i++)
        slab_release(t, chunks[i].handle);
    slab_thread_free(t);
}

/* The memory file once more, at an address of the kernel's choice. */
static char *
map_again(const struct slab *s)
{
    char *p = mmap(NULL, slab_region_bytes(s), PROT_READ, MAP_SHARED,
        slab_region_fd(s), 0);

    ck_assert_ptr_ne(p, MAP_FAILED);
    ck_assert_ptr_ne(p, s->view.base);
    return p;
}

START_TEST(every_chunk_reads_the_same_through_a_second_mapping)
{
    struct slab *s = test_slab(256 * MIB, SLAB_MEMFD);
    struct slab_thread *t = fill_slab(s);
    struct slab_view second = {.base = map_again(s)};
    uint32_t i;

    for (i = 0; i < N_CHUNKS; i++) {
        const char *p = slab_ptr((struct slab *)&second, chunks[i].handle);

        must(p != slab_ptr(s, chunks[i].handle));
        must(test_filled(p, chunks[i].bytes, i));
    }
    munmap(second.base, slab_region_bytes(s));
    release_all(t);
    slab_free(s);
}
END_TEST

START_TEST(marks_read_the_same_through_a_second_mapping)
{
    struct slab *s = test_slab(256 * MIB, SLAB_MEMFD);
    struct slab_thread *t = fill_slab(s);
    char *second = map_again(s);
    uint32_t i;

    for (i = 0; i < N_CHUNKS; i++) {
        struct slab_mark m = slab_mark(s, chunks[i].handle);
        ptrdiff_t stamp = (char *)m.stamp - s->view.base;
        ptrdiff_t state = (char *)m.state - s->view.base;

        must(*(uint16_t *)(void *)(second + stamp) == (uint16_t)i);
        must(*(uint8_t *)(second + state) == i % 7);
    }
    munmap(second, slab_region_bytes(s));
    release_all(t);
    slab_free(s);
}
END_TEST

START_TEST(the_superblock_tells_the_geometry)
{
    struct slab *s = test_slab(256 * MIB, SLAB_MEMFD);
    char *second = map_again(s);
    const struct superblock *sb = (const void *)second;
    unsigned i;

    ck_assert_mem_eq(sb->magic, SUPERBLOCK_MAGIC, sizeof sb->magic);
    ck_assert_uint_eq(sb->version, SUPERBLOCK_VERSION);
    ck_assert_uint_eq(sb->bytes, sizeof *sb);
    ck_assert_uint_eq(sb->region_bytes, slab_region_bytes(s));
    ck_assert_uint_eq(sb->n_classes, slab_n_classes(s));
    for (i = 0; i < sb->n_classes; i++)
        ck_assert_uint_eq(sb->classes[i].chunk_bytes, slab_class_bytes(s, i));
    munmap(second, slab_region_bytes(s));
    slab_free(s);
}
END_TEST

START_TEST(no_chunk_lies_in_the_page_of_the_superblock)
{
    struct slab *s = test_slab(256 * MIB, SLAB_MEMFD);
    struct slab_thread *t = fill_slab(s);
    uint32_t i;

    for (i = 0; i < N_CHUNKS; i++)
        must(handle_offset(chunks[i].handle) >= unit_bytes(s));
    release_all(t);
    slab_free(s);
}
END_TEST

START_TEST(an_anonymous_region_has_no_file)
{
    struct slab *s = test_slab(256 * MIB, SLAB_ANONYMOUS);
    struct slab_thread *t = fill_slab(s);

    ck_assert_int_eq(slab_region_fd(s), -1);
    release_all(t);
    slab_free(s);
}
END_TEST

static size_t
file_bytes(const struct slab *s)
{
    struct stat st;

    ck_assert_int_eq(fstat(slab_region_fd(s), &st), 0);
    return (size_t)st.st_blocks * 512;
}

START_TEST(given_back_memory_leaves_the_file)
{
    struct slab *s = test_slab(256 * MIB, SLAB_MEMFD);
    size_t before = file_bytes(s), filled;
    struct slab_thread *t = fill_slab(s);

    filled = file_bytes(s);
    ck_assert_uint_gt(filled, before + 20 * MIB);
    release_all(t);
    while (slab_trim(s, 0, 0) > 0)
        continue;
    /* the class's depots may still hold a few pages */
    ck_assert_uint_lt(file_bytes(s), before + filled / 4);
    slab_free(s);
}
END_TEST

START_TEST(memory_given_back_reads_as_zeros)
{
    static const enum slab_backing backings[] = {SLAB_MEMFD, SLAB_ANONYMOUS};
    size_t i, j;

    for (i = 0; i < ARRAY_LEN(backings); i++) {
        struct slab *s = test_slab(64 * MIB, backings[i]);
        char *p = s->region.base + 100 * MIB;

        memset(p, 0xff, 3 * unit_bytes(s));
        ck_assert(
            region_give_back(
                &s->region, 100 * MIB + unit_bytes(s), unit_bytes(s)));
        for (j = 0; j < 3 * unit_bytes(s); j++)
            must(p[j] == (j / unit_bytes(s) == 1 ? 0 : -1));
        slab_free(s);
    }
}
END_TEST

START_TEST(the_slack_beyond_the_last_handle_is_mapped)
{
    static const enum slab_backing backings[] = {SLAB_MEMFD, SLAB_ANONYMOUS};
    size_t i;

    for (i = 0; i < ARRAY_LEN(backings); i++) {
        struct slab *s = test_slab(64 * MIB, backings[i]);
        const volatile char *p = slab_ptr(s, s->view.max_handle);

        ck_assert_int_eq(p[0], 0);
        ck_assert_int_eq(p[SLAB_MAX_CHUNK], 0);
        ck_assert_int_eq(p[SUPER_MAX_BYTES - 1], 0);
        slab_free(s);
    }
}
END_TEST

START_TEST(a_refused_range_is_halved_until_it_is_granted)
{
    struct slab_config cfg = {
        .limit_bytes = 64 * MIB,
        .region_bytes = 16 * GIB,
        .extent_region_bytes = 1 * GIB,
    };
    struct rlimit limit = {6 * GIB, 6 * GIB};
    struct buf err = {0};
    struct slab *s;

#if defined(SLAB_ASAN) || defined(__SANITIZE_THREAD__)
    return; /* they need more address space than that */
#endif
    ck_assert_int_eq(setrlimit(RLIMIT_AS, &limit), 0);
    s = slab_new(&cfg, &err);
    ck_assert_ptr_nonnull(s);
    ck_assert_uint_ge(slab_region_bytes(s), 1 * GIB);
    ck_assert_uint_le(slab_region_bytes(s), 4 * GIB);
    slab_free(s);
}
END_TEST

START_TEST(a_range_that_is_refused_for_good_gives_a_sentence)
{
    struct slab_config cfg = {.limit_bytes = 64 * MIB};
    struct rlimit limit = {1 * GIB, 1 * GIB};
    struct buf err = {0};

#if defined(SLAB_ASAN) || defined(__SANITIZE_THREAD__)
    return;
#endif
    ck_assert_int_eq(setrlimit(RLIMIT_AS, &limit), 0);
    ck_assert_ptr_null(slab_new(&cfg, &err));
    buf_append(&err, "", 1);
    ck_assert_ptr_nonnull(strstr(err.p, "cannot reserve 1024 MiB"));
    buf_free(&err);
}
END_TEST

START_TEST(a_file_size_limit_is_not_a_signal)
{
    struct slab_config cfg = {.limit_bytes = 64 * MIB, .backing = SLAB_MEMFD};
    struct rlimit limit = {1 * MIB, 1 * MIB};
    struct buf err = {0};

    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    ck_assert_ptr_null(slab_new(&cfg, &err));
    ck_assert_uint_gt(err.len, 0);
    buf_free(&err);
}
END_TEST

START_TEST(where_no_memory_file_is_allowed_memory_is_anonymous)
{
    struct slab_config cfg = {.limit_bytes = 64 * MIB};
    struct rlimit limit = {1 * MIB, 1 * MIB};
    struct buf err = {0};
    struct slab *s;

    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    s = slab_new(&cfg, &err);
    ck_assert_msg(s != NULL, "%.*s", (int)err.len, err.p);
    ck_assert_int_lt(s->region.fd, 0);
    slab_free(s);
}
END_TEST

/* What a default configuration does with this limit. */
static struct slab *
default_slab(size_t limit_bytes)
{
    struct slab_config cfg = {.limit_bytes = limit_bytes,
        .region_bytes = 2 * GIB, .extent_region_bytes = 4 * GIB};
    struct buf err = {0};
    struct slab *s = slab_new(&cfg, &err);

    ck_assert_msg(s != NULL, "%.*s", (int)err.len, err.p);
    return s;
}

START_TEST(a_small_limit_takes_a_memory_file_of_small_pages)
{
    struct slab *s = default_slab(511 * MIB);

    ck_assert(!slab_wants_huge(s));
    ck_assert(!s->region.huge);
    ck_assert_int_ge(s->region.fd, 0);
    slab_free(s);
}
END_TEST

START_TEST(a_large_limit_takes_memory_that_gets_huge_pages)
{
    char line[128] = "[never]";
    FILE *f = fopen("/sys/kernel/mm/transparent_hugepage/shmem_enabled", "re");
    struct slab *s = default_slab(512 * MIB);
    bool file_gets_none;

    if (f != NULL) {
        ck_assert_ptr_nonnull(fgets(line, sizeof(line), f));
        fclose(f);
    }
    file_gets_none = strstr(line, "[never]") || strstr(line, "[deny]");
    ck_assert(slab_wants_huge(s));
    ck_assert(s->region.huge);
    ck_assert_int_eq(s->region.fd < 0, file_gets_none);
    slab_free(s);
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {
        every_chunk_reads_the_same_through_a_second_mapping,
        marks_read_the_same_through_a_second_mapping,
        the_superblock_tells_the_geometry,
        no_chunk_lies_in_the_page_of_the_superblock,
        an_anonymous_region_has_no_file,
        given_back_memory_leaves_the_file,
        memory_given_back_reads_as_zeros,
        the_slack_beyond_the_last_handle_is_mapped,
        a_refused_range_is_halved_until_it_is_granted,
        a_range_that_is_refused_for_good_gives_a_sentence,
        a_file_size_limit_is_not_a_signal,
        where_no_memory_file_is_allowed_memory_is_anonymous,
        a_small_limit_takes_a_memory_file_of_small_pages,
        a_large_limit_takes_memory_that_gets_huge_pages,
    };

    return test_run("slab/region", tests, ARRAY_LEN(tests));
}
