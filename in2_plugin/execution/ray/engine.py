"""The engine for a Ray cluster: each stage is a Ray Data pipeline of its shards over a pool of actors.

Ray schedules actors, moves their output to the driver, applies backpressure, and repeats what was lost with a worker or
a node. Invariants: only the driver writes the dataset folder, so that a worker that is cut off and lives on does no
harm; a cluster started here sends no usage statistics.
"""

import importlib.util
import logging
import os
import pickle
import secrets
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from in2_plugin.config import RayConfig
from in2_plugin.errors import ConfigError, MissingExtra, one_line
from in2_plugin.execution.engine import Item, Result, ShardFunction
from in2_plugin.execution.local import LocalEngine
from in2_plugin.execution.ray.object_store import delete_uploads, upload
from in2_plugin.execution.ray.relocatable_pickle import dumps
from in2_plugin.execution.ray.settings import as_worker_died, data_context, driver_affinity
from in2_plugin.execution.ray.shard_receiver import ShardReceiver
from in2_plugin.execution.ray.worker import CHUNK, ERROR, TOKEN, AttemptCounter, ShardWorker, StageTask
from in2_plugin.io.atomic import write_text_atomic

MIN_ITEMS = 2
"""A single shard runs in the driver: starting an actor takes seconds."""
CONNECT_SECONDS = 10.0


class RayEngine:
    """An `Engine`, and a context manager that connects to the cluster."""

    is_ray = True

    def __init__(self, config: RayConfig, folder: Path, workers: int | None, say: Callable[[str], None]) -> None:
        """`workers`: the maximum number of actors; the number of the cluster's CPUs if None.

        Raises:
            MissingExtra: Ray is not installed.
        """
        if importlib.util.find_spec("ray") is None:
            raise MissingExtra("`--engine ray`", "ray")
        self._config, self._max_workers, self._say = config, workers, say
        self._folder_as_given, self._folder = folder, Path(os.path.abspath(folder))  # noqa: PTH100 - keeps links
        self._connected = False

    def __enter__(self) -> Self:
        import ray

        if not ray.is_initialized():
            self._connect()
        self._token = self._read_token()
        nodes = [node for node in ray.nodes() if node["Alive"]]
        self._say(f"Ray: {len(nodes)} {'nodes' if len(nodes) > 1 else 'node'}, {_cpus():g} CPUs{_dashboard()}")
        return self

    def _connect(self) -> None:
        import ray

        # Ray sends usage statistics by default; for a running cluster this is decided where it was started
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        before = signal.getsignal(signal.SIGTERM)
        try:
            _check_reachable(self._config.address or os.environ.get("RAY_ADDRESS") or "")
            ray.init(
                address=self._config.address,
                runtime_env=dict(self._config.runtime_env) or None,
                logging_level=logging.WARNING,
                log_to_driver=False,
            )
        except Exception as failure:  # Ray raises errors of many types here, including plain `Exception`
            where = self._config.address or os.environ.get("RAY_ADDRESS") or "this machine"
            raise ConfigError(
                f"the Ray cluster at {where} cannot be used ({one_line(failure)}); start it with `ray start --head`, "
                "or correct `--address` (`auto` on a machine of the cluster also finds the cluster's token)"
            ) from None
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)  # Ray replaces it, and would exit with its own status
        self._connected = True

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if kind is None:
            if self._config.storage:
                delete_uploads(self._config.storage, self._token)
            (self._folder / TOKEN).unlink(missing_ok=True)
            with suppress(OSError):  # already removed, or not empty
                (self._folder / TOKEN).parent.rmdir()
        if self._connected:
            import ray

            ray.shutdown()

    @property
    def workers(self) -> int:
        """Return the maximum number of actors."""
        return self._max_workers or max(1, int(_cpus()))

    def stream(
        self, function: Callable[[Item], Result], items: Sequence[Item], needs: Sequence[Path] = ()
    ) -> Iterator[Result]:
        """See `Engine`."""
        if len(items) < MIN_ITEMS:
            yield from map(function, items)
            return
        for _, kind, data in self._rows(function, items, needs, yields_chunks=False):
            if kind == CHUNK:
                yield pickle.loads(data)

    def write_shards(
        self, function: ShardFunction[Item], items: Sequence[Item], paths: Sequence[Path], needs: Sequence[Path] = ()
    ) -> Iterator[int]:
        """See `Engine`."""
        if len(items) < MIN_ITEMS:
            yield from LocalEngine(1).write_shards(function, items, paths)
            return
        with ShardReceiver(paths) as receiver:
            for number, kind, data in self._rows(function, items, needs, yields_chunks=True):
                if kind == CHUNK:
                    receiver.append(number, data)
                else:
                    receiver.commit(number)
                    yield number

    def _rows(
        self, function: Callable[[Any], Any], items: Sequence[Any], needs: Sequence[Path], *, yields_chunks: bool
    ) -> Iterator[tuple[int, str, bytes]]:
        import ray

        uploaded = None
        if self._config.storage:
            files = [self._folder / path.relative_to(self._folder_as_given) for path in needs]
            uploaded = upload(self._config.storage, self._token, self._folder, files)
        rows = [{"number": i, "item": dumps(item, self._folder)} for i, item in enumerate(items)]
        with data_context(), as_worker_died():
            counter: Any = ray.remote(num_cpus=0, scheduling_strategy=driver_affinity())(AttemptCounter)
            attempts = counter.remote()  # ends with its last handle
            task = StageTask(
                dumps(function, self._folder), self._folder, self._token, uploaded, yields_chunks, attempts
            )
            shards = ray.data.from_items(rows, override_num_blocks=len(rows))
            outputs = shards.flat_map(
                ShardWorker,
                fn_constructor_args=(ray.put(task),),
                compute=ray.data.ActorPoolStrategy(min_size=1, max_size=min(self.workers, len(rows))),
                num_cpus=1,
            )
            for row in outputs.iter_rows():
                if row["kind"] == ERROR:
                    raise pickle.loads(row["data"])
                yield row["number"], row["kind"], row["data"]

    def _read_token(self) -> str:
        """Return the content of the token file, which shows a node whether it shares this folder; written once."""
        path = self._folder / TOKEN
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            write_text_atomic(path, secrets.token_hex(16))
        return path.read_text()


def _check_reachable(address: str) -> None:
    """Raise OSError if nothing listens at `host:port`: Ray itself would retry for minutes."""
    host, _, port = address.rpartition(":")
    if host and port.isdecimal():
        socket.create_connection((host, int(port)), CONNECT_SECONDS).close()


def _cpus() -> float:
    import ray

    return float(ray.cluster_resources().get("CPU", 0))


def _dashboard() -> str:
    import ray

    url = ray.get_runtime_context().worker.node.webui_url if hasattr(ray.get_runtime_context(), "worker") else ""
    return f", dashboard at http://{url}" if url else ""
