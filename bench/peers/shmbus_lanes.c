/* SPDX-License-Identifier: MIT */
/*
 * bench-peer: shmbus_lanes
 * about: this library: queue channel with order per producer (`order: producer`)
 * kind: shmbus
 * packages: -
 * workloads: queue pushpop_queue
 * batches: queue 8 32
 * sizes: 8-65536
 * scope: processes
 * crash-safe: yes
 * total-order: no: of each producer
 * bounded: yes
 * copies: 1
 */
#define SHMBUS_NAME "shmbus_lanes"
#define SHMBUS_ORDER SHMBUS_ORDER_PRODUCER
#include "shmbus.c"
