/* SPDX-License-Identifier: MIT */
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
        {"4K", 4096},
        {"4Ki", 4096},
        {"64M", 64 << 20},
        {"64Mi", 64 << 20},
        {"1.5GiB", 3ull << 29},
        {"0.5KiB", 512},
        {"0x10", 16},
        {"0o20", 16},
        {"67_108_864", 67108864},
        {"64000000.0", 64000000},
        {"6.4e7", 64000000},
        {"6.7108864e+07", 67108864}, /* as Helm writes it */
        {"1e3", 1000},
        {"1TB", 1000000000000},
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
        "4kib",
        "64mb",
        "64m",
        "4Kib",
        "4KiB ",
        " 4KiB",
        "-1",
        "+1",
        "1.5",
        "0.3KiB",
        ".5GiB",
        "1.GiB",
        "0x",
        "0o8",
        "0b1",
        "010",
        "_1",
        "1_",
        "1__0",
        "1e",
        "1e99",
        "1e61KiB",
        "1.0000000000000000000001",
        "1 ",
        "4  KiB",
        "4KiBx",
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

T_TEST(units, durations_are_read_with_their_units_or_as_seconds)
{
    static const struct {
        const char *text;
        int64_t ns;
    } good[] = {
        {"5s", 5000000000},
        {"250ms", 250000000},
        {"10us", 10000},
        {"100ns", 100},
        {"1m", 60000000000},
        {"1min", 60000000000},
        {"1h", 3600000000000},
        {"1d", 86400000000000},
        {"5sec", 5000000000},
        {"5", 5000000000},
        {"0.25", 250000000},
        {"1.5s", 1500000000},
        {"1m30s", 90000000000},
        {"1h1m1s1ms1us1ns", 3661001001001},
        {"0s", 0},
        {"0", 0},
        {"2 ms", 2000000},
        {"9223372036854775807ns", INT64_MAX},
    };
    static const char *const bad[] = {
        "",
        "s",
        "-5s",
        "PT5S",
        "1w",
        "1s1m",
        "1s1s",
        "1m30",
        "30 1m",
        "1.5ns",
        "5S",
        "5 s ",
        "9999999999999h",
        "9223372036854775808ns",
        "1m 30s",
        "05s",
        "1d99999999999999h",
    };
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

T_TEST(units, counts_are_whole_numbers_in_any_notation_of_yaml)
{
    uint64_t n = 4711;
    static const char *const bad[] = {"",     "12KiB", "-1", "18446744073709551616", "1.5", "0123",
                                      "1e-1", "1 2",   "+1"};
    static const char *const hundred[] = {"100", "1_00",  "0x64",   "0o144",
                                          "1e2", "100.0", "1000e-1"};

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        CU_ASSERT_PTR_NOT_NULL(sb_parse_count(bad[i], &n));
        CU_ASSERT_EQUAL(n, 4711);
    }
    for (size_t i = 0; i < sizeof hundred / sizeof hundred[0]; i++) {
        CU_ASSERT_PTR_NULL(sb_parse_count(hundred[i], &n));
        CU_ASSERT_EQUAL(n, 100);
    }
    CU_ASSERT_PTR_NULL(sb_parse_count("0", &n));
    CU_ASSERT_EQUAL(n, 0);
    CU_ASSERT_PTR_NULL(sb_parse_count("18446744073709551615", &n));
    CU_ASSERT_EQUAL(n, UINT64_MAX);
    CU_ASSERT_PTR_NOT_NULL(strstr(sb_parse_count("064", &n), "leading 0"));
}

T_TEST(units, truth_is_written_in_the_ways_of_yaml_1_1)
{
    static const char *const yes[] = {"true", "True", "TRUE", "yes", "Yes", "YES",
                                      "on",   "On",   "ON",   "y",   "Y"};
    static const char *const no[] = {"false", "False", "FALSE", "no", "No", "NO",
                                     "off",   "Off",   "OFF",   "n",  "N"};
    static const char *const bad[] = {"", "tRUE", "TRue", "TruE", "1", "0", "ja", "yesno", "oN"};
    bool value = false;

    for (size_t i = 0; i < sizeof yes / sizeof yes[0]; i++) {
        value = false;
        CU_ASSERT_PTR_NULL(sb_parse_bool(yes[i], &value));
        CU_ASSERT_TRUE(value);
        CU_ASSERT_PTR_NULL(sb_parse_bool(no[i], &value));
        CU_ASSERT_FALSE(value);
    }
    value = true;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        CU_ASSERT_PTR_NOT_NULL(sb_parse_bool(bad[i], &value));
        CU_ASSERT_TRUE(value);
    }
}
