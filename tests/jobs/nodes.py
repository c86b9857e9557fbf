"""A cluster of several nodes on this machine, for the tests of losing them."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from pathlib import Path

MEGABYTE = 1 << 20

#: Losses are noticed within seconds, also where the machine is busy with other tests.
_HEALTH = {"initial_delay_ms": 500, "period_ms": 500, "timeout_ms": 5000, "failure_threshold": 4}


class Nodes:
    """A cluster of processes on this machine; its head runs no tasks, so that every node may be lost."""

    def __init__(self):
        self.place = tempfile.mkdtemp(prefix="r-")  # short: Ray's sockets lie below it
        self.mask = os.umask(0o077)
        os.environ["RAY_AUTH_MODE"] = "token"  # Ray reads it once, when it is imported
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
        from ray.cluster_utils import Cluster

        os.environ["RAY_TMPDIR"] = self.place
        (Path(self.place) / "ray").mkdir()
        options = {
            "num_cpus": 0,
            "include_dashboard": False,
            "_system_config": {f"health_check_{name}": value for name, value in _HEALTH.items()},
        }
        self.cluster = Cluster(initialize_head=True, head_node_args=options)
        self.address = self.cluster.address

    def fill(self, number):
        """Add nodes until ``number`` of them run tasks."""
        for node in list(self.cluster.worker_nodes):
            if not node.any_processes_alive() or node.dead_processes():
                self.cluster.remove_node(node, allow_graceful=False)
        while len(self.cluster.worker_nodes) < number:
            self.cluster.add_node(num_cpus=1, memory=400 * MEGABYTE)

    def remove(self, number=1):
        """Lose nodes at once, without a word."""
        for node in list(self.cluster.worker_nodes)[:number]:
            self.cluster.remove_node(node, allow_graceful=False)

    def close(self):
        self.cluster.shutdown()
        del os.environ["RAY_TMPDIR"]
        os.umask(self.mask)
        shutil.rmtree(self.place, ignore_errors=True)
