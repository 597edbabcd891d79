/* SPDX-License-Identifier: BSD-3-Clause */
/* class_test.c - the class table: sizes, rounding, pages, magazines. */
#include "slab/test.h"

#include <math.h>

static const size_t limits[] = {
    2 * MIB, 16 * MIB, 127 * MIB, 128 * MIB, 255 * MIB, 511 * MIB, 512 * MIB,
    3 * GIB, 24 * GIB};

static struct size_class classes[SLAB_MAX_CLASSES];

/* Chunk that a request of `bytes` gets. */
static size_t
chunk_for(unsigned n, size_t bytes)
{
    unsigned i = 0;

    while (i < n && classes[i].chunk_bytes < bytes)
        i++;
    ck_assert_uint_lt(i, n);
    return classes[i].chunk_bytes;
}

START_TEST(class_numbers_grow_with_the_chunk)
{
    size_t l;
    unsigned i, n;

    for (l = 0; l < ARRAY_LEN(limits); l++) {
        n = class_table_build(classes, limits[l]);
        ck_assert_uint_gt(n, 30);
        ck_assert_uint_lt(n, UINT8_MAX);
        ck_assert_uint_eq(classes[0].chunk_bytes, 16);
        ck_assert_uint_eq(classes[n - 1].chunk_bytes, SLAB_MAX_CHUNK);
        for (i = 1; i < n; i++) {
            ck_assert_uint_gt(
                classes[i].chunk_bytes, classes[i - 1].chunk_bytes);
            ck_assert_uint_ge(classes[i].page_size, classes[i - 1].page_size);
            ck_assert_uint_eq(classes[i].number, i);
            ck_assert_uint_eq(classes[i].chunk_bytes % 8, 0);
        }
    }
}
END_TEST

START_TEST(chunks_up_to_512_bytes_are_exact_to_8_bytes)
{
    unsigned i, n = class_table_build(classes, 1 * GIB);

    for (i = 0; i < 63; i++)
        ck_assert_uint_eq(classes[i].chunk_bytes, 16 + 8 * i);
    ck_assert_uint_gt(n, 63);
}
END_TEST

START_TEST(every_size_maps_to_the_smallest_class_that_fits)
{
    size_t l, bytes;

    for (l = 0; l < ARRAY_LEN(limits); l++) {
        struct slab *s = test_slab(limits[l], SLAB_ANONYMOUS);
        unsigned cls, n = slab_n_classes(s);

        for (bytes = 1; bytes <= SLAB_MAX_CHUNK; bytes++) {
            size_t room = DEBUG_PAD(bytes);

            cls = slab_class_of(s, bytes);
            must(cls < n);
            must(slab_class_bytes(s, cls) >= room);
            must(cls == 0 || slab_class_bytes(s, cls - 1) < room);
        }
        slab_free(s);
    }
}
END_TEST

START_TEST(rounding_loses_little_in_a_large_cache)
{
    unsigned n = class_table_build(classes, 8 * GIB);
    double lost = 0, size = 0;
    size_t bytes;

    /* key of 16, value of 20 to 500 bytes, header of 4: measured 4.4 in the
     * prototype for this mix */
    for (bytes = 40; bytes <= 520; bytes++)
        lost += (double)(chunk_for(n, bytes) - bytes);
    ck_assert_double_lt(lost / 481, 4.5);
    /* 1/16 steps: half a step, 3 %, on average, and never more than a step */
    lost = 0;
    for (bytes = 521; bytes <= SLAB_MAX_CHUNK; bytes++) {
        double l = (double)(chunk_for(n, bytes) - bytes);

        must(l <= (double)bytes / 16);
        lost += l;
        size += (double)bytes;
    }
    ck_assert_double_lt(lost / size, 0.035);
}
END_TEST

START_TEST(a_page_is_used_up_by_its_chunks_and_marks)
{
    size_t l;
    unsigned i, n;

    for (l = 0; l < ARRAY_LEN(limits); l++) {
        n = class_table_build(classes, limits[l]);
        for (i = 0; i < n; i++) {
            const struct size_class *c = &classes[i];
            size_t end = c->data_start + (size_t)c->n_chunks * c->chunk_bytes;
            size_t tail = c->page_bytes - end;

            ck_assert_uint_ge(c->data_start, c->state_start + c->n_chunks);
            ck_assert_uint_ge(c->state_start, 2 * c->n_chunks);
            ck_assert_uint_eq(c->state_start % 16, 0);
            ck_assert_uint_eq(c->data_start % 8, 0);
            ck_assert_uint_le(end, c->page_bytes);
            /* the last chunk must not be wider; it serves few sizes */
            if (c->chunk_bytes == SLAB_MAX_CHUNK)
                continue;
            ck_assert_uint_le(tail, 8 * c->n_chunks + CACHE_LINE);
            ck_assert_uint_lt(tail, c->page_bytes / 50);
        }
    }
}
END_TEST

START_TEST(chunks_of_whole_cache_lines_start_on_one)
{
    unsigned i, n = class_table_build(classes, 1 * GIB);

    for (i = 0; i < n; i++)
        if (classes[i].chunk_bytes % CACHE_LINE == 0)
            ck_assert_uint_eq(classes[i].data_start % CACHE_LINE, 0);
}
END_TEST

START_TEST(few_pages_are_left_half_empty_in_a_small_cache)
{
    /* Half a page of each class, as a share of the limit. */
    static const struct {
        size_t limit;
        double most;
    } cases[] = {{64 * MIB, 0.06}, {128 * MIB, 0.05}, {1 * GIB, 0.015},
        {4 * GIB, 0.0075}};
    size_t i, half;
    unsigned j, n;

    for (i = 0; i < ARRAY_LEN(cases); i++) {
        n = class_table_build(classes, cases[i].limit);
        for (j = 0, half = 0; j < n; j++)
            half += classes[j].page_bytes / 2;
        ck_assert_double_lt(
            (double)half / (double)cases[i].limit, cases[i].most);
    }
}
END_TEST

START_TEST(only_large_caches_have_large_pages)
{
    unsigned i, n;

    n = class_table_build(classes, 4 * GIB - 1);
    for (i = 0; i < n; i++)
        ck_assert_uint_le(classes[i].page_bytes, 256 * KIB);
    n = class_table_build(classes, 4 * GIB);
    for (i = 0; i < n; i++) {
        if (classes[i].chunk_bytes <= 1 * KIB)
            ck_assert_uint_eq(classes[i].page_bytes, 64 * KIB);
        else if (classes[i].chunk_bytes >= 1088 &&
            classes[i].chunk_bytes <= 4 * KIB)
            ck_assert_uint_eq(classes[i].page_bytes, 256 * KIB);
        else if (classes[i].chunk_bytes >= 4352)
            ck_assert_uint_eq(classes[i].page_bytes, 1 * MIB);
    }
}
END_TEST

START_TEST(the_reciprocal_finds_the_chunk_of_each_byte)
{
    size_t l;
    unsigned i, n;
    uint32_t slot;

    for (l = 0; l < ARRAY_LEN(limits); l++) {
        n = class_table_build(classes, limits[l]);
        for (i = 0; i < n; i++) {
            const struct size_class *c = &classes[i];
            size_t at = c->data_start;

            /* first and last byte: those in between follow */
            for (slot = 0; slot < c->n_chunks; slot++) {
                must(chunk_slot(c, at) == slot);
                must(chunk_slot(c, at + c->chunk_bytes - 1) == slot);
                at += c->chunk_bytes;
            }
            ck_assert_uint_eq(chunk_slot(c, 0), 0);
            ck_assert_uint_eq(
                chunk_slot(c, c->page_bytes - 1), c->n_chunks - 1);
            /* a stale handle may be at any place of a larger page */
            ck_assert_uint_eq(
                chunk_slot(c, SUPER_MAX_BYTES - 8), c->n_chunks - 1);
        }
    }
}
END_TEST

START_TEST(magazines_and_depots_are_bounded_by_the_limit)
{
    size_t l;
    unsigned i, n;

    for (l = 0; l < ARRAY_LEN(limits); l++) {
        size_t share = MAX(limits[l] / 131072, 1 * KIB);

        share = MIN(share, 8 * KIB);
        n = class_table_build(classes, limits[l]);
        for (i = 0; i < n; i++) {
            const struct size_class *c = &classes[i];
            size_t bytes = (size_t)c->magazine_max * c->chunk_bytes;

            ck_assert_uint_ge(c->magazine_max, 2);
            ck_assert_uint_le(c->magazine_max, MAGAZINE_MAX);
            if (c->magazine_max > 2)
                ck_assert_uint_le(bytes, share);
            ck_assert_uint_eq(c->exchange, c->magazine_max / 2);
            ck_assert_uint_eq(c->depot_max % c->exchange, 0);
            ck_assert_uint_le(c->depot_max, DEPOT_MAX);
            ck_assert_uint_le((size_t)c->depot_max * c->chunk_bytes, 4 * share);
        }
    }
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {
        class_numbers_grow_with_the_chunk,
        chunks_up_to_512_bytes_are_exact_to_8_bytes,
        every_size_maps_to_the_smallest_class_that_fits,
        rounding_loses_little_in_a_large_cache,
        few_pages_are_left_half_empty_in_a_small_cache,
        a_page_is_used_up_by_its_chunks_and_marks,
        chunks_of_whole_cache_lines_start_on_one,
        only_large_caches_have_large_pages,
        the_reciprocal_finds_the_chunk_of_each_byte,
        magazines_and_depots_are_bounded_by_the_limit,
    };

    return test_run("slab/class", tests, ARRAY_LEN(tests));
}
