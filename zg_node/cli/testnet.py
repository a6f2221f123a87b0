"""`zg-node testnet`: a network of real processes on this machine."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from asyncio.subprocess import Process
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import click

from zg_node.cli.client import RpcClient
from zg_node.cli.options import TESTNET_HOME, HomePath
from zg_node.cli.port import refusal
from zg_node.cli.signals import stops
from zg_node.cli.testnet_homes import HOST, Member, Ports, Size, begin, found, move
from zg_node.cli.testnet_words import say, say_json
from zg_node.config import SHARDS_MAX
from zg_node.errors import InvalidConfig, Unavailable, ZgError

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 20.0
VALIDATORS_MAX = 32
HOLDERS_MAX = 64
EPOCH_BLOCKS_MAX = 1_000_000
"""As in a chain file."""
FirstPort = click.IntRange(1, 65_000)


@click.command()
@click.option("--validators", type=click.IntRange(1, VALIDATORS_MAX), help="How many. [default: 4]")
@click.option(
    "--holders",
    type=click.IntRange(0, HOLDERS_MAX),
    help="How many more nodes, which hold data and follow the chain without validating. [default: 0]",
)
@click.option("--shards", type=click.IntRange(1, SHARDS_MAX), help="How many shards they run. [default: 2]")
@click.option(
    "--epoch-blocks",
    type=click.IntRange(2, EPOCH_BLOCKS_MAX),
    help="Blocks in an epoch: who becomes a validator waits for up to two of them. [default: 1000]",
)
@click.option(
    "--datadir",
    type=HomePath(),
    default=TESTNET_HOME,
    show_default=True,
    help="Where the nodes are kept; a second start goes on where the first stopped.",
)
@click.option("--http-port", type=FirstPort, help="Of JSON-RPC: node i takes the i-th from it. [default: 8545]")
@click.option("--metrics-port", type=FirstPort, help="Likewise. [default: 9545]")
@click.option("--p2p-port", type=FirstPort, help="Likewise. [default: 26656]")
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON once all nodes answer.")
def testnet(
    validators: int | None,
    holders: int | None,
    shards: int | None,
    epoch_blocks: int | None,
    datadir: Path,
    http_port: int | None,
    metrics_port: int | None,
    p2p_port: int | None,
    as_json: bool,
) -> None:
    """Run a network of validators on this machine, in the foreground.

    The validators hold data too.

    Each is a process of its own with its own data directory and log file. Ctrl-C, SIGTERM, or its terminal being closed
    stops them all, and on Linux so does the end of this command however it comes; a node that ends on its own is
    reported, and the others go on. A network that is in --datadir already goes on as it is, on other ports where these
    are asked for.
    """
    sizes = {"validators": validators, "holders": holders, "shards": shards, "epoch_blocks": epoch_blocks}
    ports = {"http": http_port, "metrics": metrics_port, "p2p": p2p_port}
    asyncio.run(_run(datadir, sizes, ports, as_json))


def prepare(
    datadir: Path, sizes: Mapping[str, int | None], ports: Mapping[str, int | None]
) -> tuple[Size, tuple[Member, ...]]:
    """Make the network, or take up the one that is there and move it where other `ports` are asked for.

    The mappings have the fields of `Size` and `Ports`; None leaves one as it is, or at its default. Raises
    InvalidConfig before anything is written: another size, ports that overlap or are in use, a running node."""
    here = found(datadir)
    size, kept = here or (Size(), Ports())
    size, wanted = replace(size, **_given(sizes)), replace(kept, **_given(ports))
    if here and wanted == kept:
        members = begin(datadir, size, kept)
        _check_free({member.home.name: member.ports for member in members})
        return size, members
    wanted.check(size.nodes)
    _check_free({f"node-{index}": wanted.of(index) for index in range(size.nodes)})
    members = begin(datadir, size, wanted)
    return size, move(members, wanted) if here else members


def _given(options: Mapping[str, int | None]) -> dict[str, int]:
    return {name: value for name, value in options.items() if value is not None}


def _check_free(ports: Mapping[str, Iterable[int]]) -> None:
    """Raise InvalidConfig when somebody listens where a node, by its name, should: what answers there would be taken
    for ours."""
    for name, port in ((name, port) for name, needed in ports.items() for port in needed):
        if reason := refusal(HOST, port):
            raise InvalidConfig(
                f"port {port}, which {name} needs, cannot be used ({reason}): stop what listens there, or take others "
                "with --http-port, --metrics-port or --p2p-port"
            )


async def _run(datadir: Path, sizes: Mapping[str, int | None], ports: Mapping[str, int | None], as_json: bool) -> None:
    stop = asyncio.Event()
    for number in stops():
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    size, members = await asyncio.to_thread(prepare, datadir, sizes, ports)
    if not stop.is_set():
        await _serve(members, size, datadir, as_json, stop)


async def _serve(members: Sequence[Member], size: Size, datadir: Path, as_json: bool, stop: asyncio.Event) -> None:
    """Run the nodes until `stop`; none outlives this call. Raises Unavailable, OSError when one cannot be started."""
    processes: list[Process] = []
    stopping = asyncio.create_task(stop.wait())
    try:
        for member in members:
            processes.append(await _start(member))  # noqa: PERF401 - where one fails, those before it are ended
        answering = asyncio.create_task(_answering(members, processes, quiet=as_json))
        await asyncio.wait({answering, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not stop.is_set():
            await answering
            pids = [process.pid for process in processes]
            if as_json:
                say_json(members, pids, datadir)
            else:
                say(members, pids, size, datadir)
            watchers = [asyncio.create_task(_watch(*pair)) for pair in zip(members, processes, strict=True)]
            await stopping
            for watcher in watchers:
                watcher.cancel()
        answering.cancel()
    finally:
        stopping.cancel()
        await _stop(processes)


async def _start(member: Member) -> Process:
    with (member.home / "log.txt").open("ab") as output:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "zg_node", "start", "--home", str(member.home), "--parent", str(os.getpid())),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )


async def _answering(members: Sequence[Member], processes: Sequence[Process], *, quiet: bool) -> None:
    """Return once every node's JSON-RPC answers. Raises Unavailable when one ends first, or it takes too long."""
    until = time.monotonic() + START_TIMEOUT_S
    with click.progressbar(
        length=len(members), label="starting", file=sys.stderr, hidden=quiet or not sys.stderr.isatty()
    ) as bar:
        for member, process in zip(members, processes, strict=True):
            while not await asyncio.to_thread(_answers, member.rpc):
                if process.returncode is not None:
                    raise Unavailable(f"{member.home.name} did not start: {_last_line(member.home / 'log.txt')}")
                if time.monotonic() > until:
                    raise Unavailable(f"{member.rpc} does not answer: see {member.home / 'log.txt'}")
                await asyncio.sleep(0.1)
            bar.update(1)


def _answers(url: str) -> bool:
    try:
        return bool(RpcClient(url).call("zg_nodeInfo")["ready"])
    except (ZgError, KeyError, TypeError):
        return False


def _last_line(path: Path) -> str:
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    return lines[-1] if lines else f"see {path}"


async def _watch(member: Member, process: Process) -> None:
    code = await process.wait()
    how = f"killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
    click.echo(f"{member.home.name} {how}; start it again with `zg-node start --home {member.home}`", err=True)


async def _stop(processes: Sequence[Process]) -> None:
    running = [process for process in processes if process.returncode is None]
    for process in running:
        process.terminate()
    done = asyncio.gather(*(process.wait() for process in running))
    try:
        await asyncio.wait_for(done, STOP_TIMEOUT_S)
    except TimeoutError:
        for process in running:
            if process.returncode is None:
                process.kill()
                await process.wait()
