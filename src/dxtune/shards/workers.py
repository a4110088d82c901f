"""One function called with many arguments: in this process, in several, or as Ray tasks. The values are the same."""

import itertools
import multiprocessing
import os
import pickle
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from dxtune.errors import DataError, DxtuneError, ParamsError, unexpected

Job = tuple[int, tuple[Any, ...]]
"""A job's number, and the arguments of its call."""
IN_FLIGHT = 2
"""Jobs for each worker that wait or run: enough that none is idle, and memory stays bounded."""


def call_all(fn: Callable[..., Any], jobs: Iterable[Job], workers: int) -> Iterator[tuple[int, Any]]:
    """The number and the value of each call, as they are done. fn and arguments must be picklable if workers > 1.

    A DxtuneError of a call is raised here, of several that of the first job, and nothing more is started; in the place of
    another exception that a process raised, one that says where. Raises DataError where a process was killed.
    """
    jobs = iter(jobs)
    first = list(itertools.islice(jobs, 2))
    if workers == 1 or len(first) < 2:  # a process takes a second to start
        for number, arguments in itertools.chain(first, jobs):
            yield number, fn(*arguments)
        return
    sent, waiting = pickle.dumps(fn), dict[Future[Any], int]()
    pool, well = _pools.pop(workers, None) or _new_pool(workers), False
    try:
        for number, arguments in itertools.chain(first, jobs):
            waiting[pool.submit(_call, sent, arguments)] = number
            if len(waiting) >= IN_FLIGHT * workers:
                yield from _finished(waiting)
        while waiting:
            yield from _finished(waiting)
        well = True
    except BrokenProcessPool:
        raise DataError(
            f"expected {workers} worker processes to stay alive, but one was killed, mostly for want of memory: lower "
            "data.workers and run again; what is finished is kept"
        ) from None
    finally:
        if well:
            _pools[workers] = pool
        else:
            pool.shutdown(cancel_futures=True)


_pools: dict[int, ProcessPoolExecutor] = {}
"""Idle ones by the number of workers: those of the next call need not start again."""


def _new_pool(workers: int) -> ProcessPoolExecutor:
    os.environ["POLARS_MAX_THREADS"] = "1"  # of each worker: this process has read it long ago
    # spawn: a fork of a process whose libraries hold threads can hang
    return ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _start)


def _finished(waiting: dict[Future[Any], int]) -> Iterator[tuple[int, Any]]:
    done = wait(waiting, return_when=FIRST_COMPLETED).done
    if any(future.exception() for future in done):
        for future in waiting:  # as they were sent: whichever process is faster, the message is the same
            future.result()
    for future in done:
        yield waiting.pop(future), future.result()


_function: tuple[bytes, Callable[..., Any]] = (b"", print)
"""The last one that this worker was sent, and what it is: loaded once, it keeps what it has made for itself."""


def _start() -> None:
    threading.Thread(target=_leave_with_parent, daemon=True).start()


def _leave_with_parent() -> None:
    """A worker whose parent was killed would wait for jobs for ever."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _call(sent: bytes, arguments: tuple[Any, ...]) -> Any:
    global _function  # noqa: PLW0603
    if sent != _function[0]:
        _function = sent, pickle.loads(sent)  # noqa: S301 (this program's own)
    return _call_with(_function[1], arguments)


def call_all_on_ray(
    fn: Callable[..., Any], jobs: Iterable[Job], workers: int, address: str | None
) -> Iterator[tuple[int, Any]]:
    """As `call_all`, as tasks of a Ray cluster; with no address one is started here for the run, with `workers` processors.

    A task whose worker or node died is run again, three times at the most. Raises ParamsError where Ray is not installed or the
    cluster does not answer.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # Ray reports home unless told not to
    try:
        import ray
    except ImportError:
        raise ParamsError(
            "data.engine is ray: expected the package ray, found none: pip install 'dxtune[ray]', or set data.engine to local"
        ) from None
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    try:
        if address is None:
            ray.init(address="local", num_cpus=workers, include_dashboard=False, **quiet)
        else:
            if ":" in address:  # Ray itself would try for minutes
                host, _, port = address.removeprefix("ray://").rpartition(":")
                socket.create_connection((host, int(port)), timeout=10).close()
            ray.init(address=address, **quiet)
    except (OSError, ValueError, RuntimeError) as error:
        raise ParamsError(
            f"data.ray_address = {address!r}: expected a Ray cluster that answers, found none ({type(error).__name__}): start "
            "it with `ray start --head`, or set data.ray_address to null"
        ) from None
    try:
        task = ray.remote(max_retries=3)(_call_with)
        function = ray.put(fn)
        running = workers if address is None else max(int(ray.cluster_resources().get("CPU", workers)), 1)  # type: ignore[no-untyped-call, unused-ignore]
        waiting: dict[Any, int] = {}
        for number, arguments in jobs:
            waiting[task.remote(function, arguments)] = number
            if len(waiting) >= IN_FLIGHT * running:
                yield from _finished_on_ray(waiting)
        while waiting:
            yield from _finished_on_ray(waiting)
    finally:
        ray.shutdown()


def _finished_on_ray(waiting: dict[Any, int]) -> Iterator[tuple[int, Any]]:
    import ray

    done, _ = ray.wait(list(waiting))
    for reference in done:
        number = waiting.pop(reference)
        try:
            yield number, ray.get(reference)
        except ray.exceptions.RayTaskError as error:
            raise error.cause from None  # its own text is a traceback
        except ray.exceptions.RayError as error:
            raise DataError(
                f"expected Ray to finish every shard, but a task was lost four times ({type(error).__name__}), mostly for want "
                "of memory: give the nodes more, or fewer processors; what is finished is kept"
            ) from None


def _call_with(fn: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    """The value of a call. Of what it raises without purpose only the place goes on: Ray and pools may log the message."""
    try:
        return fn(*arguments)
    except DxtuneError:
        raise
    except Exception as error:
        raise DxtuneError(unexpected(error)) from None
