/* SPDX-License-Identifier: MIT */
/*
 * The public header by itself: in C99, C11 and C++11, without _GNU_SOURCE, without a warning. Takes
 * the address of every function (test/abi.sh sees to it that none is missing) and uses every macro.
 */
#include <shmbus/shmbus.h>

#include <stdio.h>

typedef void (*any_function)(void);
/* clang-format off */
#define F(name) {#name, (any_function)(name)}
/* clang-format on */

static const struct {
    const char *name;
    any_function function;
} functions[] = {
    F(shmbus_strerror),
    F(shmbus_strerrorname),
    F(shmbus_error_is_retryable),
    F(shmbus_error_is_fatal),
    F(shmbus_detail),
    F(shmbus_plan_new),
    F(shmbus_plan_load),
    F(shmbus_plan_parse),
    F(shmbus_plan_set),
    F(shmbus_plan_get),
    F(shmbus_plan_add_channel),
    F(shmbus_plan_set_channel),
    F(shmbus_plan_get_channel),
    F(shmbus_plan_add_region),
    F(shmbus_plan_get_region),
    F(shmbus_plan_add_blocks),
    F(shmbus_plan_get_blocks),
    F(shmbus_plan_clear_blocks),
    F(shmbus_plan_check),
    F(shmbus_plan_compare),
    F(shmbus_plan_block_stat),
    F(shmbus_plan_free),
    F(shmbus_create),
    F(shmbus_attach),
    F(shmbus_detach),
    F(shmbus_unlink),
    F(shmbus_unlink_if_unused),
    F(shmbus_slot),
    F(shmbus_heartbeat),
    F(shmbus_shutdown),
    F(shmbus_interrupt),
    F(shmbus_interrupt_clear),
    F(shmbus_stop_new),
    F(shmbus_stop_free),
    F(shmbus_stop_ask),
    F(shmbus_stop_asked),
    F(shmbus_stop_left_ns),
    F(shmbus_stop_recv),
    F(shmbus_stop_give_back),
    F(shmbus_stop_sleep),
    F(shmbus_stop_drain),
    F(shmbus_stop_signals),
    F(shmbus_reclaim),
    F(shmbus_channel_open),
    F(shmbus_channel_close),
    F(shmbus_type_name),
    F(shmbus_kind_name),
    F(shmbus_on_full_name),
    F(shmbus_order_name),
    F(shmbus_life_name),
    F(shmbus_severity_name),
    F(shmbus_send),
    F(shmbus_send_with),
    F(shmbus_send_batch),
    F(shmbus_recv),
    F(shmbus_recv_batch),
    F(shmbus_recv_copy),
    F(shmbus_release),
    F(shmbus_release_batch),
    F(shmbus_requeue),
    F(shmbus_give_back),
    F(shmbus_reserve),
    F(shmbus_commit),
    F(shmbus_forward),
    F(shmbus_abort),
    F(shmbus_channel_fd),
    F(shmbus_channel_size_max),
    F(shmbus_channel_name),
    F(shmbus_channel_bus),
    F(shmbus_region_open),
    F(shmbus_region_close),
    F(shmbus_region_bytes),
    F(shmbus_region_write),
    F(shmbus_region_read),
    F(shmbus_counter_name),
    F(shmbus_counter_unit),
    F(shmbus_counter_text),
    F(shmbus_bus_stat),
    F(shmbus_channel_stat),
    F(shmbus_process_stat),
    F(shmbus_block_stat),
    F(shmbus_region_stat),
    F(shmbus_channel_counters),
    F(shmbus_peek),
    F(shmbus_check),
    F(shmbus_check_with),
    F(shmbus_list),
    F(shmbus_version),
};

#define ERROR_SUM(name, number, text, kind) +SHMBUS_ERR_##name
#define COUNTER_SUM(name, unit, text) +SHMBUS_COUNT_##name

int main(void)
{
    struct shmbus_attach_opts opts = SHMBUS_ATTACH_OPTS_INIT;
    struct shmbus_plan_opts plan_opts = SHMBUS_PLAN_OPTS_INIT;
    struct shmbus_channel_opts channel_opts = SHMBUS_CHANNEL_OPTS_INIT;
    struct shmbus_region_opts region_opts = SHMBUS_REGION_OPTS_INIT;
    struct shmbus_block_opts block_opts = SHMBUS_BLOCK_OPTS_INIT;
    struct shmbus_create_opts create_opts = SHMBUS_CREATE_OPTS_INIT;
    struct shmbus_open_opts open_opts = SHMBUS_OPEN_OPTS_INIT;
    struct shmbus_send_opts send_opts = SHMBUS_SEND_OPTS_INIT;
    struct shmbus_signals_opts signals_opts = SHMBUS_SIGNALS_OPTS_INIT;
    char name[SHMBUS_NAME_BYTES] = SHMBUS_DIR_DEFAULT;
    int64_t forever = SHMBUS_WAIT_FOREVER;
    long errors = SHMBUS_ERRORS(ERROR_SUM), counters = SHMBUS_COUNTERS(COUNTER_SUM);
    long limits = SHMBUS_BLOCK_CLASSES_MAX + SHMBUS_PROCESSES_MAX + SHMBUS_CHANNELS_MAX +
                  SHMBUS_REGIONS_MAX + SHMBUS_PATH_BYTES + SHMBUS_DELIVERIES_MAX +
                  SHMBUS_COUNTERS_MAX + SHMBUS_VERSION_MAJOR + SHMBUS_VERSION_MINOR +
                  SHMBUS_VERSION_PATCH;
    size_t i;

    for (i = 0; i < sizeof functions / sizeof functions[0]; i++) {
        if (functions[i].function == NULL || functions[i].name[0] != 's')
            return 1;
    }
    if (opts.struct_bytes != sizeof opts || opts.spin_ns != 0 || name[0] != '/' || forever != -1 ||
        SHMBUS_SPIN_NONE != -1)
        return 1;
    if (plan_opts.struct_bytes != sizeof plan_opts ||
        channel_opts.struct_bytes != sizeof channel_opts ||
        region_opts.struct_bytes != sizeof region_opts ||
        block_opts.struct_bytes != sizeof block_opts || SHMBUS_SPARE_NONE == 0 ||
        SHMBUS_GROUP_ROOT == 0)
        return 1;
    if (create_opts.struct_bytes != sizeof create_opts ||
        open_opts.struct_bytes != sizeof open_opts || send_opts.struct_bytes != sizeof send_opts ||
        signals_opts.struct_bytes != sizeof signals_opts || signals_opts.reread != NULL)
        return 1;
    if (errors < 5000 || counters < 1 || limits < 1 || SHMBUS_TYPE_USER != 64)
        return 1;
    return shmbus_version()[0] == SHMBUS_VERSION[0] ? 0 : 1;
}
