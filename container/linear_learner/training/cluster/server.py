"""A parameter server of MXNet, or their scheduler, as a process of its own: run as a script by ``store``.

MXNet's library is called past its Python part, which takes a second to import, and whose server unpickles what it is
sent. This one takes no commands but those of the library itself. It ends with the process that started it, however
that ends.

    server.py PARENT-PROCESS-ID NAME=VALUE...       the variables of ps-lite: DMLC_ROLE and so on
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

from linear_learner.native.mxnet_library import call, strings

_PR_SET_PDEATHSIG = 1


def end_with_parent(parent: int) -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it has ended before we asked
        sys.exit(1)


def serve(variables: dict[str, str]) -> None:
    """Until the job says that it is over."""
    call("MXInitPSEnv", len(variables), strings(variables), strings(variables.values()))
    store = ctypes.c_void_p()
    call("MXKVStoreCreate", b"dist_sync", ctypes.byref(store))
    ignore = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)(lambda head, body, owner: None)
    call("MXKVStoreRunServer", store, ignore, None)


if __name__ == "__main__":
    # The job decides when it is over; a stop by the platform is meant for it.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent(int(sys.argv[1]))
    serve(dict(argument.split("=", 1) for argument in sys.argv[2:]))
    os._exit(0)
