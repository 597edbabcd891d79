/* SPDX-License-Identifier: BSD-3-Clause */
/* rank_test.c - what the ranks of an octave learn from its own events, and from
 * those of the others.
 */
#include "keyspace/density.h"
#include "keyspace/testing.h"

#include <math.h>

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

static float
at_bucket(unsigned cls, unsigned bucket)
{
    return density(f.ks, cls, bucket);
}

/* The older it is, the less it is worth, from an age on. */
static void
assert_falls(unsigned cls, unsigned from_age)
{
    for (unsigned b = age_bucket(from_age) + 1; b < AGE_BUCKETS; b++)
        ck_assert_float_lt(at_bucket(cls, b), at_bucket(cls, b - 1));
}

/* Else the oldest, once none of them happened to go, would never go: of items
 * that stay nothing is learnt. */
START_TEST(what_is_older_than_any_that_went_goes_first)
{
    unsigned seen = class_of(1, 0), unseen = class_of(6, 0);

    happen(seen, 0, 1000); /* nobody was hit */
    rank_update(f.ks);
    assert_falls(seen, 1);
    assert_falls(unseen, 1);
    happen(seen, 1000, 1000);
    rank_update(f.ks);
    assert_falls(seen, END_AGE);
    assert_falls(unseen, END_AGE);
    for (int i = 0; i < 300; i++) { /* and for long nobody has been */
        happen(seen, 0, 1000);
        rank_update(f.ks);
    }
    assert_falls(seen, 1);
}
END_TEST

START_TEST(what_is_older_than_any_that_was_hit_may_stay_longer)
{
    unsigned hit = class_of(1, 3), gone = class_of(1, 0);

    happen(hit, 10, 0);
    happen(gone, 0, 10);
    rank_update(f.ks);
    assert_falls(hit, HIT_AGE);
    ck_assert_float_gt(
        at_bucket(hit, AGE_BUCKETS - 1), at_bucket(gone, age_bucket(END_AGE)));
}
END_TEST

/* While only what was hit often is read, the others meet nothing. */
START_TEST(what_was_learnt_long_ago_leaves_ranks_that_can_be_compared)
{
    happen(class_of(1, 0), 1000, 1000);
    happen(class_of(6, 0), 1, 0);
    for (int i = 0; i < 15; i++) {
        for (int n = 0; n < 100; n++)
            rank_update(f.ks);
        for (unsigned c = 0; c < RANK_CLASSES; c++)
            for (unsigned b = 0; b < AGE_BUCKETS; b++)
                must(at_bucket(c, b) > 0 && isfinite(at_bucket(c, b)));
    }
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("rank");
    TCase *c = tcase_create("rank");

    tcase_add_checked_fixture(c, open_ks, close_ks);
    tcase_set_timeout(c, 300);
    tcase_add_test(c, an_octave_without_events_has_the_ranks_of_the_others);
    tcase_add_test(c, few_events_weigh_little);
    tcase_add_test(c, what_an_octave_knows_itself_stands);
    tcase_add_test(c, other_reuse_states_are_no_help);
    tcase_add_test(c, what_is_borrowed_is_not_kept);
    tcase_add_test(c, what_is_older_than_any_that_went_goes_first);
    tcase_add_test(c, what_is_older_than_any_that_was_hit_may_stay_longer);
    tcase_add_test(
        c, what_was_learnt_long_ago_leaves_ranks_that_can_be_compared);
    suite_add_tcase(s, c);
    return run_suite(s);
}
