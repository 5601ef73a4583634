/* SPDX-License-Identifier: MIT */
/*
 * Mutations for inputs of records: mostly whole records, sometimes what libFuzzer thinks of, which
 * knows the values that the library compares with.
 */
#include "target.h"

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed)
{
    uint64_t state = (uint64_t)seed * 0x9e3779b97f4a7c15ull + 1u;
    uint64_t times = 1u + fuzz_random(&state) % 4u;

    if (fuzz_random(&state) % 4u == 0) {
        return LLVMFuzzerMutate(data, size, max);
    }
    while (times-- > 0) {
        size = fuzz_mutate(data, size, max, &state);
    }
    return size;
}
