#ifndef TINCTURE_KERNELS_H
#define TINCTURE_KERNELS_H
#include <stddef.h>
#include <stdint.h>
#endif
