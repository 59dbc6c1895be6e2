"""How a job joins the other hosts of its resourceconfig.json, and how it ends with them."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import threading
import zlib
from collections.abc import Callable, Iterator
from typing import NoReturn

from linear_learner.environment import Environment
from linear_learner.errors import ClientError, LinearLearnerError
from linear_learner.hyperparameters import HyperParameters
from linear_learner.training.cluster.interface import Alone, Cluster
from linear_learner.training.cluster.several import Settings, Several

logger = logging.getLogger(__name__)


@contextlib.contextmanager
def joined(
    env: Environment,
    hp: HyperParameters,
    should_stop: Callable[[], bool],
    conclude: Callable[[Environment, BaseException], int],
) -> Iterator[Cluster]:
    """The hosts of the job, together for as long as the ``with`` lasts: each host leaves it when all have come to its
    end. The first one is the first of their sorted names.

    With several hosts, an error inside ends the process here and now, with the exit code that ``conclude`` gives once
    it has told of the error; and so does the loss or the failure of another host, wherever this one is. There may be
    threads and a main thread by then that wait for that host and always will.
    """
    host, hosts = env.hosts()
    if len(hosts) == 1:
        yield Alone(host)
        return
    names = sorted(hosts)
    settings = Settings(
        names,
        names.index(host),
        interface=env.network_interface(),
        job=[env.job_name or ""],
        kind=hp._kvstore,
        servers=hp._num_kv_servers,
    )
    ending = threading.Lock()

    def end(error: BaseException) -> NoReturn:
        if not ending.acquire(blocking=False):
            threading.Event().wait()  # another thread is about to end the process
        code = conclude(env, error)
        cluster.abort(code, error)
        sys.stdout.flush()
        os._exit(code)

    cluster = Several(settings, end)
    try:
        logger.info("Host %d of %d: %s. The first one is %s.", names.index(host) + 1, len(names), host, names[0])
        cluster.join(should_stop)
        check_hyperparameters(hp, cluster)
        yield cluster
        cluster.close()
    except (Exception, KeyboardInterrupt) as error:
        if isinstance(error, LinearLearnerError):
            error.where = f"host '{host}'" + (f", {error.where}" if error.where else "")
        end(error)


def check_hyperparameters(hp: HyperParameters, cluster: Cluster) -> None:
    """ClientError unless all hosts have the same."""
    own = zlib.crc32(repr(sorted(hp.as_dict().items())).encode())
    for name, other in zip(cluster.names, cluster.gather(own), strict=True):
        if other != own:
            raise ClientError(
                f"Hosts '{cluster.names[cluster.rank]}' and '{name}' have different hyperparameters",
                where="hyperparameters.json",
                fix="give all hosts of a job the same",
            )
