/* SPDX-License-Identifier: BSD-3-Clause */
/* sha256_test.c - the vectors of FIPS 180-4 and of NIST, and every length
 * around a block against coreutils.
 */
#include "base/testing.h"
#include "commands/sha256.h"

#include <stdio.h>
#include <unistd.h>

static const char *
hex_of(const void *p, size_t len)
{
    static char hex[2 * SHA256_BYTES + 1];
    uint8_t digest[SHA256_BYTES];

    sha256(p, len, digest);
    for (size_t i = 0; i < sizeof(digest); i++)
        snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    return hex;
}

static const struct {
    const char *text, *hex;
} vectors[] = {
    {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
    {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
    {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
    {"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmno"
     "ijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu",
        "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1"},
};

START_TEST(published_vectors)
{
    ck_assert_str_eq(
        hex_of(vectors[_i].text, strlen(vectors[_i].text)), vectors[_i].hex);
}
END_TEST

START_TEST(a_million_letters)
{
    char *letters = malloc(1000000);

    ck_assert_ptr_nonnull(letters);
    memset(letters, 'a', 1000000);
    ck_assert_str_eq(hex_of(letters, 1000000),
        "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    free(letters);
}
END_TEST

/* What sha256sum says of a file with these bytes. */
static void
expect_as_coreutils(const char *path, const char *bytes, size_t len)
{
    FILE *f = fopen(path, "w"), *sum;
    char command[128], hex[65] = "";

    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(bytes, 1, len, f), len);
    ck_assert_int_eq(fclose(f), 0);
    snprintf(command, sizeof(command), "sha256sum < %s", path);
    sum = popen(command, "r");
    ck_assert_ptr_nonnull(sum);
    ck_assert_int_eq(fscanf(sum, "%64s", hex), 1);
    ck_assert_int_eq(pclose(sum), 0);
    ck_assert_str_eq(hex_of(bytes, len), hex);
}

START_TEST(all_ends_of_a_block_are_as_coreutils_have_them)
{
    static const size_t lengths[] = {
        1, 54, 55, 56, 57, 63, 64, 65, 119, 120, 127, 128, 129, 200};
    char path[] = "/tmp/ashlar-sha256-XXXXXX", bytes[200];
    int fd = mkstemp(path);

    ck_assert_int_ge(fd, 0);
    close(fd);
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (char)(i * 37 + 11);
    for (size_t i = 0; i < ARRAY_LEN(lengths); i++)
        expect_as_coreutils(path, bytes, lengths[i]);
    unlink(path);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("sha256");
    TCase *tc = tcase_create("sha256");

    tcase_add_loop_test(tc, published_vectors, 0, ARRAY_LEN(vectors));
    tcase_add_test(tc, a_million_letters);
    tcase_add_test(tc, all_ends_of_a_block_are_as_coreutils_have_them);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
