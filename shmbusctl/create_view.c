/* SPDX-License-Identifier: MIT */
/* A plan read out once, for what looks at its parts again and again. */
#include <stdlib.h>

#include "create.h"
#include "ctl.h"

static bool read_channels(struct create_view *view)
{
    struct create_channel channel = {.is = SHMBUS_CHANNEL_OPTS_INIT};
    size_t room = 0;

    for (uint32_t i = 0; shmbus_plan_get_channel(view->plan, i, &channel.name, &channel.is) == 0;
         i++) {
        if (view->channel_count == room) {
            struct create_channel *larger;

            room = room ? 2 * room : 16;
            larger = reallocarray(view->channels, room, sizeof(*larger));
            if (!larger)
                return false;
            view->channels = larger;
        }
        view->channels[view->channel_count++] = channel;
    }
    return true;
}

int create_view_read(const struct shmbus_plan *plan, struct create_view *ret_view)
{
    struct shmbus_block_opts block = SHMBUS_BLOCK_OPTS_INIT;

    *ret_view = (struct create_view){.plan = plan, .is = SHMBUS_PLAN_OPTS_INIT};
    if (shmbus_plan_get(plan, &ret_view->is) < 0 || !read_channels(ret_view)) {
        create_view_free(ret_view);
        return ctl_fail(CTL_FAILED, "out of memory");
    }
    ret_view->spare_channels =
        ret_view->is.spare_channels == SHMBUS_SPARE_NONE ? 0 : ret_view->is.spare_channels;
    while (ret_view->block_count < SHMBUS_BLOCK_CLASSES_MAX &&
           shmbus_plan_get_blocks(plan, (uint32_t)ret_view->block_count, &block) == 0)
        ret_view->blocks[ret_view->block_count++] = block;
    return CTL_DONE;
}

void create_view_free(struct create_view *view)
{
    free(view->channels);
    view->channels = NULL;
    view->channel_count = 0;
}
