/* SPDX-License-Identifier: BSD-3-Clause */
/* rank_test.c - what the ranks of an octave learn from its own events, and from
 * those of the others.
 */
#include "keyspace/density.h"
#include "keyspace/testing.h"

#define HIT_AGE 16
#define END_AGE 160

static struct fixture f;

static void
open_ks(void)
{
    fixture_open(&f, 8 * MIB);
}

static void
close_ks(void)
{
    fixture_close(&f);
}

/* As if this thread had met so many. */
static void
happen(unsigned cls, unsigned hits, unsigned evictions)
{
    _Atomic uint32_t *hit = &f.t->histogram.hits[cls][age_bucket(HIT_AGE)];
    _Atomic uint32_t *end = &f.t->histogram.evictions[cls][age_bucket(END_AGE)];

    STORE(hit, LOAD(hit) + hits);
    STORE(end, LOAD(end) + evictions);
}

static unsigned
class_of(unsigned octave_number, uint8_t reuse_state)
{
    return rank_class((size_t)48 << octave_number, reuse_state);
}

static double
worth(unsigned cls)
{
    return (double)density(f.ks, cls, age_bucket(HIT_AGE));
}

START_TEST(an_octave_without_events_has_the_ranks_of_the_others)
{
    unsigned seen = class_of(1, 2), unseen = class_of(6, 2);

    happen(seen, 1000, 1000);
    rank_update(f.ks);
    ck_assert_double_gt(worth(seen), 1e-3);
    ck_assert_double_eq_tol(worth(unseen), worth(seen), worth(seen) / 1000);
}
END_TEST

START_TEST(few_events_weigh_little)
{
    unsigned seen = class_of(1, 0), few = class_of(4, 0);

    happen(seen, 1000, 1000);
    happen(few, 0, 2);
    rank_update(f.ks);
    ck_assert_double_lt(worth(few), worth(seen));
    ck_assert_double_gt(worth(few), worth(seen) * 0.9);
}
END_TEST

START_TEST(what_an_octave_knows_itself_stands)
{
    unsigned good = class_of(1, 0), bad = class_of(4, 0);

    happen(good, 10000, 100);
    happen(bad, 100, 10000);
    rank_update(f.ks);
    ck_assert_double_lt(worth(bad), worth(good) / 50);
}
END_TEST

START_TEST(other_reuse_states_are_no_help)
{
    happen(class_of(1, 1), 1000, 1000);
    rank_update(f.ks);
    ck_assert_double_lt(worth(class_of(1, 0)), 1e-3);
    ck_assert_double_lt(worth(class_of(1, 4)), 1e-3);
}
END_TEST

START_TEST(what_is_borrowed_is_not_kept)
{
    unsigned seen = class_of(1, 0), unseen = class_of(6, 0);

    happen(seen, 1000, 1000);
    for (int i = 0; i < 10; i++)
        rank_update(f.ks);
    for (unsigned b = 0; b < AGE_BUCKETS; b++) {
        ck_assert(f.ks->ranks.hits[unseen][b] <= 0);
        ck_assert(f.ks->ranks.evictions[unseen][b] <= 0);
    }
    /* and what was learnt is forgotten: 0.9 to the tenth */
    ck_assert_double_eq_tol(
        (double)f.ks->ranks.hits[seen][age_bucket(HIT_AGE)], 349, 1);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("rank");
    TCase *c = tcase_create("rank");

    tcase_add_checked_fixture(c, open_ks, close_ks);
    tcase_add_test(c, an_octave_without_events_has_the_ranks_of_the_others);
    tcase_add_test(c, few_events_weigh_little);
    tcase_add_test(c, what_an_octave_knows_itself_stands);
    tcase_add_test(c, other_reuse_states_are_no_help);
    tcase_add_test(c, what_is_borrowed_is_not_kept);
    suite_add_tcase(s, c);
    return run_suite(s);
}
