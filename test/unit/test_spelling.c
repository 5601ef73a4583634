/* SPDX-License-Identifier: MIT */
#include <stdint.h>
#include <string.h>

#include "harness.h"
#include "plan/spelling.h"

T_TEST(spelling, the_distance_of_words_counts_slips_of_the_finger)
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

T_TEST(spelling, the_nearest_word_is_the_closest_one_or_none)
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

T_TEST(spelling, the_beginning_of_a_word_is_a_good_guess)
{
    static const char *const words[] = {"supervise", "start", "stop", "status"};
    CU_ASSERT_STRING_EQUAL(sb_nearest_word("super", words, 4), "supervise");
    CU_ASSERT_STRING_EQUAL(sb_nearest_word("sto", words, 4), "stop");
    CU_ASSERT_PTR_NULL(sb_nearest_word("s", words, 4));
}
