/* SPDX-License-Identifier: MIT */
/*
 * What libFuzzer calls.
 */
#ifndef FUZZ_TARGET_H
#define FUZZ_TARGET_H

#include "fuzz.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed);
/* libFuzzer's own. */
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);

#endif
