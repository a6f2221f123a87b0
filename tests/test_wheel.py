"""The wheel is the whole product: installed alone, outside the checkout, it runs a network to a receipt."""

from __future__ import annotations

import json
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from tests.conftest import StartDevnet

ROOT = Path(__file__).resolve().parent.parent
RECIPIENT = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"

pytestmark = pytest.mark.long


def run(*command: object, cwd: Path) -> str:
    """Standard output of a command that must succeed."""
    done = subprocess.run([str(part) for part in command], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "maturin", "build", "--release", "--locked", "--out", place, cwd=ROOT)
    [built] = place.iterdir()
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin directory of a clean environment that holds the wheel and what it asks for, at the locked versions."""
    place = tmp_path_factory.mktemp("installed")
    venv.create(place / "env", with_pip=True)
    pins = [line.rstrip(" \\") for line in (ROOT / "requirements.lock").read_text().splitlines() if line[:1] != " "]
    (place / "constraints.txt").write_text("\n".join(pins))
    binaries = place / "env" / "bin"
    pip = (binaries / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    run(*pip, "--constraint", place / "constraints.txt", wheel, cwd=place)
    return binaries


def test_the_wheel_holds_the_core_the_contracts_and_the_chain_files(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names} == {"zg_node", "zg_node-0.1.0.dist-info"}
    for wanted in (
        "_core.abi3.so",
        "py.typed",
        "genesis_data/chains/devnet.toml",
        "genesis_data/artifacts/Counter.json",
    ):
        assert f"zg_node/{wanted}" in names
    assert not [name for name in names if name.endswith((".pyc", ".rs")) or "node_modules" in name]


def test_the_installed_program_is_not_the_checkout(installed: Path, tmp_path: Path) -> None:
    found = run(installed / "python", "-c", "import zg_node; print(zg_node.__file__)", cwd=tmp_path)
    assert found.startswith(str(installed.parent))


def test_the_installed_program_runs_a_network_to_a_receipt(
    installed: Path, tmp_path: Path, devnet: StartDevnet
) -> None:
    program = installed / "zg-node"
    node = devnet(program=(str(program),))
    send = ("tx", "send", RECIPIENT, "--value", "1", "--dev", "0", "--rpc", node.url, "--json")
    assert json.loads(run(program, *send, cwd=tmp_path))["status"] == "success"
    assert node.stop() == 0
