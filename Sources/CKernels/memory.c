// Whole pages from the system, and what becomes of freed memory, where the C library is GNU's; elsewhere nothing.
#include "CTinctureKernels.h"

#include <stdlib.h>
#include <sys/mman.h>

void *tincture_take_pages(size_t bytes) {
  void *pages = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON, -1, 0);
  if (pages == MAP_FAILED) return NULL;
#ifdef MADV_HUGEPAGE
  madvise(pages, bytes, MADV_HUGEPAGE);
#endif
  return pages;
}

void tincture_give_pages_back(void *pages, size_t bytes) { munmap(pages, bytes); }

#ifdef __GLIBC__
#include <limits.h>
#include <malloc.h>

void tincture_use_one_arena(void) { mallopt(M_ARENA_MAX, 1); }

int tincture_keep_freed(void) {
  if (mallopt(M_MMAP_THRESHOLD, 256 << 20) != 1) return 0;
  mallopt(M_TRIM_THRESHOLD, INT_MAX);
  mallopt(M_TOP_PAD, 64 << 20);
  return 1;
}

void tincture_release_freed(void) { malloc_trim(0); }

size_t tincture_held_memory(void) {
#if __GLIBC_PREREQ(2, 33)
  struct mallinfo2 found = mallinfo2();
  return found.arena + found.hblkhd;
#else
  return 0;
#endif
}

#else

void tincture_use_one_arena(void) {}

int tincture_keep_freed(void) { return 0; }

void tincture_release_freed(void) {}

size_t tincture_held_memory(void) { return 0; }

#endif
