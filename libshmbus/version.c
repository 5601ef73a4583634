#include <shmbus/shmbus.h>

const char *shmbus_version(void)
{
    return SHMBUS_VERSION;
}
