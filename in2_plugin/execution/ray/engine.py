"""The engine of a Ray cluster: every stage is a Ray Data pipeline of its shards over a pool of actors.

Ray places actors, moves what they give to the driver, holds them back when the driver is slow, and does again what was
lost with a worker or a node. Invariants: the driver alone writes the dataset folder, so that a worker which is cut off
and lives on can do no harm; nothing is reported to Ray's makers by a cluster that is started here.
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
from in2_plugin.execution.ray.object_store import publish, withdraw
from in2_plugin.execution.ray.relocatable_pickle import dumps
from in2_plugin.execution.ray.settings import explained, on_this_node, quiet_and_ordered
from in2_plugin.execution.ray.shard_receiver import Receiving
from in2_plugin.execution.ray.worker import BLOB, ERROR, TOKEN, Errand, Starts, Worker
from in2_plugin.io.atomic import write_text_atomic

LEAST_ITEMS = 2
"""A single shard is made by the driver: to start an actor takes seconds."""
CONNECT_SECONDS = 10.0


class RayEngine:
    """An `Engine`; a context manager that is connected to the cluster."""

    is_ray = True

    def __init__(self, config: RayConfig, folder: Path, workers: int | None, say: Callable[[str], None]) -> None:
        """`workers`: at most so many actors; as many as the cluster has CPUs when None.

        Raises:
            MissingExtra: Ray is not installed.
        """
        if importlib.util.find_spec("ray") is None:
            raise MissingExtra("`--engine ray`", "ray")
        self._config, self._most, self._say = config, workers, say
        self._given, self._folder = folder, Path(os.path.abspath(folder))  # noqa: PTH100 - links stay links
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

        # Ray reports its use unless told not to; what a running cluster does is decided where it was started
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        before = signal.getsignal(signal.SIGTERM)
        try:
            _require_answer(self._config.address or os.environ.get("RAY_ADDRESS") or "")
            ray.init(
                address=self._config.address,
                runtime_env=dict(self._config.runtime_env) or None,
                logging_level=logging.WARNING,
                log_to_driver=False,
            )
        except Exception as failure:  # Ray raises what it likes here, plain `Exception` among it
            reason = one_line(failure)
            where = self._config.address or os.environ.get("RAY_ADDRESS") or "this machine"
            raise ConfigError(
                f"the Ray cluster at {where} cannot be used ({reason}); start it with `ray start --head`, or correct "
                "`--address` (`auto` on a machine of the cluster also finds the cluster's token)"
            ) from None
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)  # Ray takes it, and ends the process with a status of its own
        self._connected = True

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if kind is None:
            if self._config.storage:
                withdraw(self._config.storage, self._token)
            (self._folder / TOKEN).unlink(missing_ok=True)
            with suppress(OSError):  # the build has removed it, or something is in it
                (self._folder / TOKEN).parent.rmdir()
        if self._connected:
            import ray

            ray.shutdown()

    @property
    def workers(self) -> int:
        """Actors at a time, at most."""
        return self._most or max(1, int(_cpus()))

    def stream(
        self, function: Callable[[Item], Result], items: Sequence[Item], needs: Sequence[Path] = ()
    ) -> Iterator[Result]:
        """See `Engine`."""
        if len(items) < LEAST_ITEMS:
            yield from map(function, items)
            return
        for _, kind, blob in self._rows(function, items, needs, gives_blobs=False):
            if kind == BLOB:
                yield pickle.loads(blob)

    def make(
        self, function: ShardFunction[Item], items: Sequence[Item], paths: Sequence[Path], needs: Sequence[Path] = ()
    ) -> Iterator[int]:
        """See `Engine`."""
        if len(items) < LEAST_ITEMS:
            yield from LocalEngine(1).make(function, items, paths)
            return
        with Receiving(paths) as receiving:
            for number, kind, blob in self._rows(function, items, needs, gives_blobs=True):
                if kind == BLOB:
                    receiving.add(number, blob)
                else:
                    receiving.commit(number)
                    yield number

    def _rows(
        self, function: Callable[[Any], Any], items: Sequence[Any], needs: Sequence[Path], *, gives_blobs: bool
    ) -> Iterator[tuple[int, str, bytes]]:
        import ray

        published = None
        if self._config.storage:
            files = [self._folder / path.relative_to(self._given) for path in needs]
            published = publish(self._config.storage, self._token, self._folder, files)
        rows = [{"number": i, "item": dumps(item, self._folder)} for i, item in enumerate(items)]
        with quiet_and_ordered(), explained():
            counting: Any = ray.remote(num_cpus=0, scheduling_strategy=on_this_node())(Starts)
            starts = counting.remote()  # ends with its last handle
            errand = Errand(dumps(function, self._folder), self._folder, self._token, published, gives_blobs, starts)
            shards = ray.data.from_items(rows, override_num_blocks=len(rows))
            done = shards.flat_map(
                Worker,
                fn_constructor_args=(ray.put(errand),),
                compute=ray.data.ActorPoolStrategy(min_size=1, max_size=min(self.workers, len(rows))),
                num_cpus=1,
            )
            for row in done.iter_rows():
                if row["kind"] == ERROR:
                    raise pickle.loads(row["blob"])
                yield row["number"], row["kind"], row["blob"]

    def _read_token(self) -> str:
        """The content of the file that tells nodes whether they see this folder; made once a folder."""
        path = self._folder / TOKEN
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            write_text_atomic(path, secrets.token_hex(16))
        return path.read_text()


def _require_answer(address: str) -> None:
    """Raise OSError where nobody answers at `host:port`: Ray itself tries for minutes."""
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
