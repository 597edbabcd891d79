/* SPDX-License-Identifier: BSD-3-Clause */
/* option_docs_test.c - the sample file, the help text, the man page. */
#include "base/options_fixture.h"

/* ---- documents ----------------------------------------------------------- */

/* Change every value, so that reading the sample has something to undo. */
static void
change_all(void)
{
    ck_assert(read_text("port 1\nbind x\ntimeout 2\nunixsocketperm 1\n"
                        "offset 3\nmaxmemory 4\nthreshold 2kb\n"
                        "maxmemory-policy none\ntidy no\nrequirepass p\npin 5\n"
                        "buffers b\nsave s\nodd o\n"));
}

START_TEST(the_sample_file_reads_back_to_the_defaults)
{
    struct buf sample = {0};

    options_write_sample(o, &sample);
    change_all();
    write_file(sample.p, sample.len);
    ck_assert_msg(options_read_file(o, path, &err), "%s", error_text());
    expect_defaults();
    ck_assert_str_eq(mem.buffers, "normal 0 0 0");
    ck_assert_int_eq(mem.pin, 0);
    /* What has no effect stands as a comment. */
    ck_assert_str_eq(mem.save, "s");
    buf_free(&sample);
}
END_TEST

START_TEST(the_sample_file_has_an_entry_per_directive)
{
    static const char entry[] = "\n# Limit of memory.\n"
                                "# Values: a size such as 512mb or 1gb (0 or "
                                "more), 1% to 100%, or auto. Live.\n"
                                "maxmemory auto\n";
    struct buf out = {0};

    options_write_sample(o, &out);
    buf_append(&out, "", 1);
    ck_assert_ptr_nonnull(strstr(out.p, entry));
    ck_assert_ptr_nonnull(strstr(out.p,
        "\n# Limits per class, in words that take more than one line of the "
        "sample\n# configuration.\n"));
    ck_assert_ptr_nonnull(strstr(out.p, "\n# ---- Network ---"));
    ck_assert_ptr_nonnull(strstr(out.p, "\nrequirepass \"\"\n"));
    ck_assert_ptr_nonnull(strstr(out.p, "\n# save \"\"\n"));
    ck_assert_ptr_nonnull(strstr(out.p, "\nodd \"a  \\\"b'\\\\ #\\x01\"\n"));
    buf_free(&out);
}
END_TEST

START_TEST(what_has_no_effect_and_no_text_is_listed_by_name)
{
    struct buf sample = {0}, man = {0};

    options_write_sample(o, &sample);
    options_write_man(o, &man);
    buf_append(&sample, "", 1);
    buf_append(&man, "", 1);
    ck_assert_ptr_nonnull(strstr(sample.p,
        "\n# Accepted as well, and without effect:\n# tune-one tune-two\n"));
    ck_assert_ptr_null(strstr(sample.p, "tune-one 1"));
    ck_assert_ptr_nonnull(strstr(man.p,
        ".PP\nAccepted as well, and without effect:\ntune\\-one "
        "tune\\-two\n"));
    buf_free(&sample);
    buf_free(&man);
}
END_TEST

START_TEST(other_names_of_rows_are_listed_with_these)
{
    struct buf sample = {0}, man = {0}, help = {0};

    options_write_sample(o, &sample);
    options_write_man(o, &man);
    options_write_help(o, &help);
    buf_append(&sample, "", 1);
    buf_append(&man, "", 1);
    buf_append(&help, "", 1);
    ck_assert_ptr_nonnull(strstr(sample.p,
        "\n# Other names, of redis.conf:\n# tune-once for tune-one, "
        "listen-port for port.\n"));
    ck_assert_ptr_nonnull(strstr(man.p,
        ".PP\nOther names, of redis.conf:\ntune\\-once for tune\\-one, "));
    ck_assert_ptr_null(strstr(help.p, "tune-once"));
    buf_free(&sample);
    buf_free(&man);
    buf_free(&help);
}
END_TEST

static void
expect_narrow_lines(const struct buf *out)
{
    size_t start = 0;

    for (size_t i = 0; i < out->len; i++) {
        if (out->p[i] != '\n')
            continue;
        ck_assert_msg(
            i - start < 80, "long: %.*s", (int)(i - start), out->p + start);
        ck_assert(i == start || out->p[i - 1] != ' ');
        start = i + 1;
    }
    ck_assert_uint_eq(start, out->len);
}

START_TEST(sample_and_help_fit_a_terminal)
{
    struct buf sample = {0};
    struct buf help = {0};

    options_write_sample(o, &sample);
    options_write_help(o, &help);
    expect_narrow_lines(&sample);
    expect_narrow_lines(&help);
    buf_free(&sample);
    buf_free(&help);
}
END_TEST

START_TEST(help_shows_name_kind_text_and_default)
{
    struct buf out = {0};

    options_write_help(o, &out);
    buf_append(&out, "", 1);
    ck_assert_ptr_nonnull(strstr(out.p, "Network:\n  --port N "));
    ck_assert_ptr_nonnull(
        strstr(out.p, "TCP port; 0 listens on none. [6379]\n"));
    ck_assert_ptr_nonnull(
        strstr(out.p, "What goes. One of lru, lfu or none. [lru]"));
    ck_assert_ptr_nonnull(strstr(
        out.p, "without effect:\n  --save --follow --tune-one --tune-two\n"));
    ck_assert_ptr_null(strstr(out.p, "--save TEXT"));
    buf_free(&out);
}
END_TEST

START_TEST(the_man_page_escapes_what_troff_would_interpret)
{
    struct buf out = {0};

    options_write_man(o, &out);
    buf_append(&out, "", 1);
    ck_assert_ptr_nonnull(strstr(out.p, ".TH ASHLAR.CONF 5"));
    ck_assert_ptr_nonnull(strstr(out.p, ".B maxmemory\\-policy \\fRlru\n"));
    ck_assert_ptr_nonnull(
        strstr(out.p, ".B odd \\fR\"a  \\e\"b\\(aq\\e\\e #\\ex01\"\n"));
    buf_free(&out);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("option_docs");
    TCase *t = tcase_create("option_docs");

    suite_add_tcase(s, t);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, the_sample_file_reads_back_to_the_defaults);
    tcase_add_test(t, what_has_no_effect_and_no_text_is_listed_by_name);
    tcase_add_test(t, other_names_of_rows_are_listed_with_these);
    tcase_add_test(t, the_sample_file_has_an_entry_per_directive);
    tcase_add_test(t, sample_and_help_fit_a_terminal);
    tcase_add_test(t, help_shows_name_kind_text_and_default);
    tcase_add_test(t, the_man_page_escapes_what_troff_would_interpret);
    return run_suite(s);
}
