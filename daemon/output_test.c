/* SPDX-License-Identifier: BSD-3-Clause */
/* output_test.c - runs of replies through a socket pair. */
#include "daemon/internal.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define VALUE_BYTES (3 * MIB)

static struct slab *slab;
static int near_fd, far_fd;
static struct buf sent_text, received;

static void
setup(void)
{
    struct slab_config cfg = {.limit_bytes = 256 * MIB};
    struct buf err = {0};
    int fds[2];

    slab = slab_new(&cfg, &err);
    ck_assert_msg(slab != NULL, "%.*s", (int)err.len, err.p);
    ck_assert_int_eq(
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    near_fd = fds[0];
    far_fd = fds[1];
}

static void
teardown(void)
{
    close(near_fd);
    close(far_fd);
    buf_free(&sent_text);
    buf_free(&received);
    slab_free(slab);
}

/* An extent full of a pattern. */
static uint32_t
new_value(size_t len, unsigned salt)
{
    uint32_t id = extent_new(slab, len);

    ck_assert_uint_ne(id, 0);
    ck_assert(extent_commit(slab, id, len));
    for (size_t i = 0; i < len; i++)
        extent_ptr(slab, id)[i] = (char)(i * 31 + salt);
    return id;
}

/* What the peer takes now. */
static void
receive_some(void)
{
    ssize_t n;

    do {
        char *to = buf_reserve(&received, 64 * KIB);

        n = recv(far_fd, to, 64 * KIB, 0);
        if (n > 0)
            received.len += (size_t)n;
    } while (n > 0);
}

/* A run "head" value "middle" value "tail"; sent_text gets what must arrive. */
struct run {
    struct buf bytes;
    struct reply_ref refs[2];
    uint32_t ids[2];
    struct outgoing o;
};

static void
make_run(struct run *r, size_t value_bytes)
{
    const char *words[] = {"head", "middle", "tail"};

    memset(r, 0, sizeof(*r));
    for (int i = 0; i < 3; i++) {
        buf_append(&r->bytes, words[i], strlen(words[i]));
        buf_append(&sent_text, words[i], strlen(words[i]));
        if (i == 2)
            break;
        r->ids[i] = new_value(value_bytes, (unsigned)i + 1);
        r->refs[i] = (struct reply_ref){
            r->bytes.len, extent_ptr(slab, r->ids[i]), value_bytes, r->ids[i]};
        buf_append(&sent_text, r->refs[i].p, value_bytes);
    }
    r->o = (struct outgoing){
        r->bytes.p, 0, r->bytes.len, r->refs, 0, 2, SEND_DONE};
}

static void
assert_all_arrived(void)
{
    receive_some();
    ck_assert_uint_eq(received.len, sent_text.len);
    ck_assert_int_eq(memcmp(received.p, sent_text.p, received.len), 0);
}

START_TEST(bytes_and_references_arrive_in_order)
{
    struct run r;
    size_t sent = 0;
    unsigned calls = 0;

    make_run(&r, 10000);
    ck_assert_int_eq(
        outgoing_send(&r.o, near_fd, slab, &sent, &calls), SEND_DONE);
    ck_assert_uint_eq(calls, 1);
    ck_assert_uint_eq(sent, sent_text.len);
    assert_all_arrived();
    buf_free(&r.bytes);
}
END_TEST

START_TEST(a_reference_is_dropped_when_its_last_byte_is_sent)
{
    struct run r;
    size_t sent = 0;
    unsigned calls = 0;

    make_run(&r, 10000);
    outgoing_send(&r.o, near_fd, slab, &sent, &calls);
    ck_assert_uint_eq(extent_live_bytes(slab), 0);
    buf_free(&r.bytes);
}
END_TEST

START_TEST(a_blocked_run_goes_on_where_it_stopped)
{
    struct run r;
    struct output out = {0};
    enum send_status status;
    size_t sent = 0;
    unsigned calls = 0;

    make_run(&r, VALUE_BYTES);
    ck_assert_int_eq(
        outgoing_send(&r.o, near_fd, slab, &sent, &calls), SEND_BLOCKED);
    ck_assert_uint_eq(outgoing_left(&r.o), sent_text.len - sent);
    output_append(&out, &r.o);
    buf_free(&r.bytes);
    memset(&r, 0xee, sizeof(r));
    do {
        receive_some();
        status = outgoing_send(&out.rest, near_fd, slab, &sent, &calls);
    } while (status == SEND_BLOCKED);
    ck_assert_int_eq(status, SEND_DONE);
    assert_all_arrived();
    ck_assert_uint_eq(extent_live_bytes(slab), 0);
    output_free(&out, slab);
}
END_TEST

START_TEST(bytes_alone_wait_as_well)
{
    static char block[256 * KIB];
    struct output out = {0};
    size_t sent = 0;
    unsigned calls = 0;

    for (int i = 0; i < 40; i++) {
        struct outgoing o = {.bytes = block, .end = sizeof(block)};

        memset(block, 'a' + i % 26, sizeof(block));
        buf_append(&sent_text, block, sizeof(block));
        output_append(&out, &o);
        outgoing_send(&out.rest, near_fd, slab, &sent, &calls);
        receive_some();
    }
    while (outgoing_send(&out.rest, near_fd, slab, &sent, &calls) != SEND_DONE)
        receive_some();
    assert_all_arrived();
    output_free(&out, slab);
}
END_TEST

/* Sent bytes are forgotten meanwhile, so that offsets must move. */
START_TEST(runs_that_wait_are_sent_in_the_order_they_came)
{
    struct output out = {0};
    struct run r;
    size_t sent = 0;
    unsigned calls = 0;

    for (int i = 0; i < 30; i++) {
        struct buf filler = {0};
        struct outgoing o = {.end = 100 * KIB};

        memset(buf_reserve(&filler, o.end), 'a' + i % 26, o.end);
        o.bytes = filler.p;
        buf_append(&sent_text, filler.p, o.end);
        output_append(&out, &o);
        buf_free(&filler);

        make_run(&r, 20000);
        output_append(&out, &r.o);
        buf_free(&r.bytes);

        outgoing_send(&out.rest, near_fd, slab, &sent, &calls);
        receive_some();
    }
    while (outgoing_send(&out.rest, near_fd, slab, &sent, &calls) != SEND_DONE)
        receive_some();
    assert_all_arrived();
    ck_assert_uint_lt(out.touched, sent_text.len / 2);
    output_free(&out, slab);
}
END_TEST

START_TEST(a_taken_buffer_is_sent_without_a_copy)
{
    struct output out = {0};
    struct run r;
    size_t sent = 0;
    unsigned calls = 0;
    char *was;

    make_run(&r, 10000);
    was = r.bytes.p;
    output_steal(&out, &r.bytes, &r.o);
    ck_assert_ptr_null(r.bytes.p);
    ck_assert_ptr_eq(out.bytes.p, was);
    ck_assert_int_eq(
        outgoing_send(&out.rest, near_fd, slab, &sent, &calls), SEND_DONE);
    assert_all_arrived();
    output_free(&out, slab);
}
END_TEST

START_TEST(what_is_dropped_holds_no_reference)
{
    struct output out = {0};
    struct run r;

    make_run(&r, 10000);
    output_append(&out, &r.o);
    buf_free(&r.bytes);
    ck_assert_uint_gt(extent_live_bytes(slab), 0);
    output_free(&out, slab);
    ck_assert_uint_eq(extent_live_bytes(slab), 0);
}
END_TEST

/* Takes a few bytes at a time, from wherever pieces meet. */
static ssize_t
take_a_few(void *to, const struct iovec *iov, size_t n_iov)
{
    size_t left = 7000, taken = 0;
    unsigned *calls = to;

    if (++*calls % 3 == 0) {
        errno = EAGAIN;
        return -1;
    }
    for (size_t i = 0; i < n_iov && left > 0; i++) {
        size_t n = MIN(iov[i].iov_len, left);

        buf_append(&received, iov[i].iov_base, n);
        left -= n;
        taken += n;
    }
    return (ssize_t)taken;
}

START_TEST(a_run_can_be_sent_by_another_function)
{
    struct run r;
    size_t sent = 0;
    unsigned calls = 0, own_calls = 0;
    enum send_status status = SEND_BLOCKED;

    make_run(&r, 10000);
    for (int i = 0; i < 20 && status == SEND_BLOCKED; i++)
        status =
            outgoing_send_by(&r.o, take_a_few, &own_calls, slab, &sent, &calls);
    ck_assert_int_eq(status, SEND_DONE);
    ck_assert_uint_eq(calls, own_calls);
    ck_assert_uint_eq(sent, sent_text.len);
    assert_all_arrived();
    ck_assert_uint_eq(extent_live_bytes(slab), 0);
    buf_free(&r.bytes);
}
END_TEST

START_TEST(a_closed_peer_is_a_failure_and_no_signal)
{
    struct run r;
    size_t sent = 0;
    unsigned calls = 0;

    make_run(&r, 10000);
    shutdown(far_fd, SHUT_RDWR);
    ck_assert_int_eq(
        outgoing_send(&r.o, near_fd, slab, &sent, &calls), SEND_FAILED);
    outgoing_drop(&r.o, slab);
    buf_free(&r.bytes);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("output");
    TCase *t = tcase_create("output");
    SRunner *sr = srunner_create(s);
    int failed;

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, bytes_and_references_arrive_in_order);
    tcase_add_test(t, a_reference_is_dropped_when_its_last_byte_is_sent);
    tcase_add_test(t, a_blocked_run_goes_on_where_it_stopped);
    tcase_add_test(t, bytes_alone_wait_as_well);
    tcase_add_test(t, runs_that_wait_are_sent_in_the_order_they_came);
    tcase_add_test(t, a_taken_buffer_is_sent_without_a_copy);
    tcase_add_test(t, what_is_dropped_holds_no_reference);
    tcase_add_test(t, a_closed_peer_is_a_failure_and_no_signal);
    tcase_add_test(t, a_run_can_be_sent_by_another_function);
    suite_add_tcase(s, t);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
