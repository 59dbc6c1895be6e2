"""How much memory that was freed the C library keeps, for those who want some next."""

from __future__ import annotations

import ctypes

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # as malloc.h numbers them
KEPT_BYTES = 1 << 24
MAPPED_BYTES = 1 << 22


def keep_freed_memory() -> None:
    """Let malloc keep up to KEPT_BYTES for each thread that asks, and map by itself only what takes MAPPED_BYTES.

    Decoders make arrays of about a megabyte, over and over, which malloc would take from the system and give back each
    time: the first write to a page costs more time than what is decoded into it. A data set in memory is larger than
    MAPPED_BYTES, so that it still grows without a copy and goes back to the system when it is freed.
    """
    set_option = getattr(ctypes.CDLL(None), "mallopt", None)  # of a C library other than glibc there may be none
    if set_option is not None:
        set_option(_TRIM_THRESHOLD, KEPT_BYTES)
        set_option(_MMAP_THRESHOLD, MAPPED_BYTES)
