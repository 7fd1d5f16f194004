#!/usr/bin/env python3
"""Read what a merge reads and write what it writes, and do nothing else: the speed to aim at.

Every input is read by positional reads into a buffer of one mebibyte, at the same offset in one
input after the other as a merge does it, and the bytes of the last input are written at that
offset of the output. Threads share the blocks; each has its own buffer. Prints the seconds it
took, without the start of the interpreter.
"""

import itertools
import os
import sys
import threading
import time

BLOCK = 1 << 20


def copy(inputs, output, workers):
    """Copy; every element of `inputs` is a list of the files of one model, as is `output`.

    Models have the same files, so the blocks of the first stand for all.
    """
    handles = [[os.open(path, os.O_RDONLY) for path in model] for model in inputs]
    sizes = [os.fstat(handle).st_size for handle in handles[-1]]
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    targets = [os.open(path, flags, 0o644) for path in output]
    for target, size in zip(targets, sizes, strict=True):
        os.truncate(target, size)
    blocks = [(file, at) for file, size in enumerate(sizes) for at in range(0, size, BLOCK)]
    counter = itertools.count()  # its next() is atomic

    def work():
        buffer = bytearray(BLOCK)
        view = memoryview(buffer)
        while (index := next(counter)) < len(blocks):
            file, at = blocks[index]
            count = 0
            for model in handles:
                count = os.preadv(model[file], [buffer], at)
            written = 0
            while written < count:
                written += os.pwrite(targets[file], view[written:count], at + written)

    threads = [threading.Thread(target=work) for _ in range(workers - 1)]
    for thread in threads:
        thread.start()
    work()
    for thread in threads:
        thread.join()


def main(arguments):
    """Run `copy_bytes.py WORKERS OUTPUT_FOLDER MODEL_FOLDER …`."""
    workers, output, *models = arguments
    names = sorted(name for name in os.listdir(models[0]) if name.endswith(".safetensors"))  # noqa: PTH208
    os.makedirs(output)  # noqa: PTH103
    start = time.perf_counter()
    copy(
        [[f"{model}/{name}" for name in names] for model in models],
        [f"{output}/{name}" for name in names],
        int(workers),
    )
    print(f"{time.perf_counter() - start:.6f}")


if __name__ == "__main__":
    main(sys.argv[1:])
