/* SPDX-License-Identifier: BSD-3-Clause */
/* Built with ASHLAR_DEBUG_ALLOC whatever the configuration says. */
#include "slab/test.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef ASHLAR_DEBUG_ALLOC
#error "the test of the debug allocator needs it"
#endif

static char log_path[64];

/* The log of what follows goes into a file. */
static void
open_log(void)
{
    int fd;

    snprintf(log_path, sizeof log_path, "/tmp/ashlar-debug-XXXXXX");
    fd = mkstemp(log_path);
    ck_assert_int_ge(fd, 0);
    close(fd);
    ck_assert_int_eq(log_open(LOG_LEVEL_WARN, log_path), 0);
}

/* The log so far; removes the file. */
static const char *
take_log(void)
{
    static char text[65536];
    FILE *f = fopen(log_path, "r");
    size_t n;

    ck_assert_ptr_nonnull(f);
    n = fread(text, 1, sizeof text - 1, f);
    text[n] = '\0';
    fclose(f);
    unlink(log_path);
    return text;
}

/* Run in a child; it must abort with this in its log. */
static void
expect_report(
    void (*wrong)(struct slab *, struct slab_thread *), const char *text)
{
    pid_t child;
    int status;

    open_log();
    child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        struct slab *s = test_slab(64 * MIB, SLAB_MEMFD);

        /* Sanitizers would turn the abort into a report of their own. */
        signal(SIGABRT, SIG_DFL);
        wrong(s, slab_thread_new(s));
        _exit(0);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT,
        "the child ended with status %d", status);
    ck_assert_ptr_nonnull(strstr(take_log(), text));
}

static void
free_twice(struct slab *s, struct slab_thread *t)
{
    uint32_t h = slab_alloc(t, 100);

    (void)s;
    slab_release(t, h);
    slab_release(t, h);
}

static void
free_twice_to_page(struct slab *s, struct slab_thread *t)
{
    uint32_t h = slab_alloc(t, 100);

    (void)s;
    (void)slab_alloc(t, 100); /* so that the page stays */
    slab_release_to_page(t, h);
    slab_release_to_page(t, h);
}

static void
free_unknown(struct slab *s, struct slab_thread *t)
{
    uint32_t h = slab_alloc(t, 100);

    slab_release(t, h + 3 * (uint32_t)slab_chunk_bytes(s, h) / 8);
}

static void
free_inside(struct slab *s, struct slab_thread *t)
{
    (void)s;
    slab_release(t, slab_alloc(t, 100) + 4);
}

static void
write_beyond(struct slab *s, struct slab_thread *t)
{
    uint32_t h = slab_alloc(t, 96); /* a multiple of 8 */

    memset(slab_ptr(s, h), 1, 97);
    slab_release(t, h);
}

static void
write_after_free(struct slab *s, struct slab_thread *t)
{
    uint32_t h = slab_alloc(t, 100);

    slab_release(t, h);
    ((char *)slab_ptr(s, h))[60] = 1;
    (void)slab_alloc(t, 100);
}

static void
write_head_after_free(struct slab *s, struct slab_thread *t)
{
    uint32_t h = slab_alloc(t, 100);

    slab_release(t, h);
    ((char *)slab_ptr(s, h))[1] = 1;
    (void)slab_alloc(t, 100);
}

static void
put_object_twice(struct slab *s, struct slab_thread *t)
{
    struct pool *p = pool_new(NULL, "things", 64);
    void *a = pool_get(p);

    (void)s;
    (void)t;
    (void)pool_get(p);
    (void)pool_get(p);
    pool_put(p, a);
    debug_show(a, 64);
    pool_put(p, a);
}

static void
write_object_after_put(struct slab *s, struct slab_thread *t)
{
    struct pool *p = pool_new(NULL, "things", 64);
    char *a = pool_get(p);

    (void)s;
    (void)t;
    (void)pool_get(p);
    pool_put(p, a);
    debug_show(a, 64);
    a[40] = 1;
    (void)pool_get(p);
}

START_TEST(a_double_release_is_reported)
{
    expect_report(free_twice, "is released twice");
    expect_report(free_twice_to_page, "is released twice");
}
END_TEST

START_TEST(a_release_of_what_was_never_allocated_is_reported)
{
    expect_report(free_unknown, "never allocated");
    expect_report(free_inside, "never allocated");
}
END_TEST

START_TEST(a_write_beyond_the_end_is_reported)
{
    expect_report(write_beyond, "beyond its 96 bytes");
}
END_TEST

#if !(defined(SLAB_ASAN) && defined(ASHLAR_SEQLOCK_LOCKED))
START_TEST(a_write_after_the_release_is_reported)
{
    expect_report(write_after_free, "after its release, at offset 60");
    expect_report(write_head_after_free, "after its release, at offset 0");
}
END_TEST
#else
/* There AddressSanitizer sees it, at the write. */
START_TEST(a_write_after_the_release_is_reported)
{
    ck_assert_ptr_nonnull((void *)write_after_free);
    expect_report(write_head_after_free, "after its release, at offset 0");
}
END_TEST
#endif

START_TEST(misuse_of_a_pool_is_reported)
{
    expect_report(put_object_twice, "things is put back twice");
    expect_report(write_object_after_put, "things was written after");
}
END_TEST

START_TEST(leaks_are_listed_by_class)
{
    struct slab *s;
    struct slab_thread *t;
    const char *text;
    char line[100];
    uint32_t id;
    int i;

    open_log();
    s = test_slab(64 * MIB, SLAB_MEMFD);
    t = slab_thread_new(s);
    for (i = 0; i < 5; i++)
        (void)slab_alloc(t, 100);
    slab_release(t, slab_alloc(t, 200));
    snprintf(line, sizeof line, "class=%u chunk_bytes=104 chunks=5",
        slab_class_of(s, 100));
    id = extent_new(s, 100000);
    ck_assert(extent_commit(s, id, 65536));
    slab_thread_free(t);
    slab_free(s);
    ck_assert_int_eq(log_open(LOG_LEVEL_WARN, NULL), 0);
    text = take_log();
    ck_assert_ptr_nonnull(strstr(text, line));
    ck_assert_ptr_nonnull(strstr(text, "leak extents=1 bytes=65536"));
}
END_TEST

START_TEST(a_slab_without_leaks_says_nothing)
{
    struct slab *s;
    struct slab_thread *t;
    uint32_t h[500];
    size_t i;

    open_log();
    s = test_slab(64 * MIB, SLAB_MEMFD);
    t = slab_thread_new(s);
    for (i = 0; i < ARRAY_LEN(h); i++)
        h[i] = slab_alloc(t, 1 + 30 * i);
    for (i = 0; i < ARRAY_LEN(h); i++)
        slab_release(t, h[i]);
    extent_unpin(s, extent_new(s, 100000));
    slab_thread_free(t);
    slab_free(s);
    ck_assert_int_eq(log_open(LOG_LEVEL_WARN, NULL), 0);
    ck_assert_ptr_null(strstr(take_log(), "leak"));
}
END_TEST

START_TEST(a_page_in_its_next_life_is_not_suspected)
{
    struct slab *s = test_slab(4 * MIB, SLAB_MEMFD);
    struct slab_thread *t = slab_thread_new(s);
    static uint32_t h[300000];
    size_t bytes, n, i;

    for (bytes = 16; bytes < 4000; bytes = bytes * 5 / 3) {
        n = 0;
        while ((h[n] = slab_alloc(t, bytes)) != 0)
            n++;
        ck_assert_uint_gt(n, 500);
        for (i = 0; i < n; i++)
            slab_release(t, h[i]);
        slab_thread_flush(t);
    }
    slab_thread_free(t);
    slab_free(s);
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {
        a_double_release_is_reported,
        a_release_of_what_was_never_allocated_is_reported,
        a_write_beyond_the_end_is_reported,
        a_write_after_the_release_is_reported,
        misuse_of_a_pool_is_reported,
        leaks_are_listed_by_class,
        a_slab_without_leaks_says_nothing,
        a_page_in_its_next_life_is_not_suspected,
    };

    return test_run("slab/debug", tests, ARRAY_LEN(tests));
}
