/* SPDX-License-Identifier: MIT */
/*
 * bench-peer: shmbus_counters
 * about: this library: the counters of a program's own handle, shmbus_channel_counters()
 * kind: shmbus
 * packages: -
 * workloads: snapshot
 * sizes: 64-64
 * scope: processes
 * crash-safe: yes
 * total-order: yes
 * bounded: yes
 * copies: 1
 */
#define SHMBUS_NAME "shmbus_counters"
#define SHMBUS_ORDER SHMBUS_ORDER_TOTAL
#define SHMBUS_SNAPSHOT_OWN 1
#include "shmbus.c"
