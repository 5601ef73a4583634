#include <stdint.h>
#include <string.h>

#include "harness.h"
#include "plan/units.h"

T_TEST(units, sizes_are_read_with_and_without_a_unit)
{
    static const struct {
        const char *text;
        uint64_t bytes;
    } good[] = {
        {"0", 0},
        {"256", 256},
        {"256B", 256},
        {"4KiB", 4096},
        {"4 KiB", 4096},
        {"1MiB", 1048576},
        {"2GiB", 2147483648u},
        {"1TiB", 1099511627776u},
        {"3kB", 3000},
        {"10MB", 10000000},
        {"1GB", 1000000000},
        {"18446744073709551615", UINT64_MAX},
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        uint64_t bytes = 1234567;
        CU_ASSERT_PTR_NULL(sb_parse_size(good[i].text, &bytes));
        CU_ASSERT_EQUAL(bytes, good[i].bytes);
    }
}

T_TEST(units, what_is_no_size_is_refused_and_leaves_the_result_alone)
{
    static const char *const bad[] = {
        "",
        "KiB",
        "4k",
        "4K",
        "4Kib",
        "4KiB ",
        " 4KiB",
        "-1",
        "+1",
        "1.5GiB",
        "0x10",
        "1 ",
        "4  KiB",
        "4KiBx",
        "1e3",
        "18446744073709551616",
        "18446744073709551615KiB",
        "16777216TiB",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        uint64_t bytes = 4711;
        CU_ASSERT_PTR_NOT_NULL(sb_parse_size(bad[i], &bytes));
        CU_ASSERT_EQUAL(bytes, 4711);
    }
}

T_TEST(units, durations_need_their_unit)
{
    static const struct {
        const char *text;
        int64_t ns;
    } good[] = {
        {"5s", 5000000000},  {"250ms", 250000000},  {"10us", 10000}, {"100ns", 100},
        {"1m", 60000000000}, {"1h", 3600000000000}, {"0s", 0},       {"2 ms", 2000000},
    };
    static const char *const bad[] = {
        "", "5", "5sec", "s", "-5s", "1d", "1.5s", "9999999999999h", "9223372036854775808ns"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        int64_t ns = -1;
        CU_ASSERT_PTR_NULL(sb_parse_duration(good[i].text, &ns));
        CU_ASSERT_EQUAL(ns, good[i].ns);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        int64_t ns = 4711;
        CU_ASSERT_PTR_NOT_NULL(sb_parse_duration(bad[i], &ns));
        CU_ASSERT_EQUAL(ns, 4711);
    }
}

T_TEST(units, counts_are_plain_decimal_numbers)
{
    uint64_t n = 4711;
    CU_ASSERT_PTR_NOT_NULL(sb_parse_count("", &n));
    CU_ASSERT_PTR_NOT_NULL(sb_parse_count("12KiB", &n));
    CU_ASSERT_PTR_NOT_NULL(sb_parse_count("-1", &n));
    CU_ASSERT_PTR_NOT_NULL(sb_parse_count("18446744073709551616", &n));
    CU_ASSERT_EQUAL(n, 4711);
    CU_ASSERT_PTR_NULL(sb_parse_count("0123", &n));
    CU_ASSERT_EQUAL(n, 123);
}

T_TEST(units, the_distance_of_words_counts_slips_of_the_finger)
{
    CU_ASSERT_EQUAL(sb_word_distance("depth", "depth"), 0);
    CU_ASSERT_EQUAL(sb_word_distance("", "depth"), 5);
    CU_ASSERT_EQUAL(sb_word_distance("depth", ""), 5);
    CU_ASSERT_EQUAL(sb_word_distance("detph", "depth"), 1);
    CU_ASSERT_EQUAL(sb_word_distance("deepth", "depth"), 1);
    CU_ASSERT_EQUAL(sb_word_distance("dpth", "depth"), 1);
    CU_ASSERT_EQUAL(sb_word_distance("kitten", "sitting"), 3);
    CU_ASSERT_EQUAL(sb_word_distance("abc", "xyz"), sb_word_distance("xyz", "abc"));

    char longer[60];
    memset(longer, 'a', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    CU_ASSERT_EQUAL(sb_word_distance(longer, "a"), SIZE_MAX);
}

T_TEST(units, the_nearest_word_is_the_closest_one_or_none)
{
    static const char *const words[] = {"kind", "depth", "bytes", "max_deliveries"};
    CU_ASSERT_STRING_EQUAL(sb_nearest_word("detph", words, 4), "depth");
    CU_ASSERT_STRING_EQUAL(sb_nearest_word("byte", words, 4), "bytes");
    CU_ASSERT_STRING_EQUAL(sb_nearest_word("max_delivery", words, 4), "max_deliveries");
    CU_ASSERT_STRING_EQUAL(sb_nearest_word("kind", words, 4), "kind");
    CU_ASSERT_PTR_NULL(sb_nearest_word("colour", words, 4));
    CU_ASSERT_PTR_NULL(sb_nearest_word("x", words, 4));
    CU_ASSERT_PTR_NULL(sb_nearest_word("kind", words, 0));
}
