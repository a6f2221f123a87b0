"""Makes the trace: a node under the shim, two lives long, with a client that marks what it was told."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.devnet import Devnet
from tests.faults.load import Load
from tests.faults.power_cut.recording import ACKNOWLEDGED, STARTED, Marks, Op, read_trace
from tests.transfers import batches

HERE = Path(__file__).parent
BATCH = 5
SENDERS = 3
PER_SENDER = 400
BLOCKS_MIN = 15
"""A life lasts until the client saw so many blocks, however slow the machine is."""
LIFE_MAX_S = 60.0
CONFIG = """
[state]
cache_mb = 8
flush_mb = 1
flush_interval_s = 1
"""


@dataclass(frozen=True, slots=True)
class Recording:
    """A trace and where it was made; `root` is the watched directory, the data directory is `root`/home."""

    file: Path
    root: Path

    def ops(self) -> list[Op]:
        return read_trace(self.file, self.root)


def build_shim(directory: Path) -> Path:
    """Compile shim.c. Raises subprocess.CalledProcessError."""
    library = directory / "shim.so"
    command = ["gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o", str(library)]
    subprocess.run([*command, str(HERE / "shim.c"), "-ldl"], check=True)
    return library


def record(directory: Path, life_s: float) -> Recording:
    """Run a new node for at least `life_s` under load and kill it; start it again, load it as long, stop it cleanly."""
    root, file, config = directory / "root", directory / "trace", directory / "small.toml"
    root.mkdir()
    config.write_text(CONFIG)
    environment = {
        "LD_PRELOAD": str(build_shim(directory)),
        "ZG_TRACE_DIR": str(root),
        "ZG_TRACE_FILE": str(file),
        "PYTHONPATH": str(HERE.parents[2]),
    }
    program = (sys.executable, "-P", str(HERE / "traced_node.py"))
    node = Devnet(root / "home", ["--config", str(config)], environment=environment, program=program)
    marks = Marks(file)
    try:
        for kill in (True, False):
            marks.add(STARTED)
            node.start()
            load = _load(node, marks, life_s)
            if kill:
                node.kill()
            else:
                assert node.stop() == 0, node.errors
            load.join()
    finally:
        node.close()
        marks.close()
    return Recording(file, root)


def _load(node: Devnet, marks: Marks, life_s: float) -> Load:
    """Small batches, so that there are many small blocks; the client marks every block whose receipts it holds."""

    def told(number: int, receipts: list[dict[str, Any]]) -> None:
        if receipts:
            marks.add(ACKNOWLEDGED, number.to_bytes(8, "big") + bytes.fromhex(receipts[0]["blockHash"][2:]))

    with node.client() as client:
        nonces = client.batch(
            "eth_getTransactionCount", [[account["address"], "pending"] for account in node.ready["accounts"]]
        )
    work = [list(batches(sender, int(nonces[sender], 16), PER_SENDER, BATCH)) for sender in range(SENDERS)]
    load = Load(node.url, work, told)
    load.start()
    born = time.monotonic()
    while len(load.receipts) < BLOCKS_MIN or time.monotonic() - born < life_s:
        assert time.monotonic() - born < LIFE_MAX_S, f"{len(load.receipts)} blocks in {LIFE_MAX_S} s"
        time.sleep(0.01)
    return load
