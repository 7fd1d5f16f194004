#include "CTinctureKernels.h"
