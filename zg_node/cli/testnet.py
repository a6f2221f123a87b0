"""`zg-node testnet`: a network of real processes on this machine."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import sys
import time
from asyncio.subprocess import Process
from collections.abc import Sequence
from pathlib import Path

import click

from zg_node.cli.client import RpcClient
from zg_node.cli.init import GENESIS
from zg_node.cli.options import TESTNET_HOME, HomePath
from zg_node.cli.testnet_homes import HOST, Member, Ports, Size, begin
from zg_node.config import SHARDS_MAX
from zg_node.errors import InvalidConfig, Unavailable, ZgError

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 20.0
VALIDATORS_MAX = 32
HOLDERS_MAX = 64


@click.command()
@click.option("--validators", type=click.IntRange(1, VALIDATORS_MAX), default=4, show_default=True, help="How many.")
@click.option(
    "--holders",
    type=click.IntRange(0, HOLDERS_MAX),
    default=0,
    show_default=True,
    help="How many more nodes, which hold data and follow the chain without validating.",
)
@click.option(
    "--shards", type=click.IntRange(1, SHARDS_MAX), default=2, show_default=True, help="How many shards they run."
)
@click.option(
    "--datadir",
    type=HomePath(),
    default=TESTNET_HOME,
    show_default=True,
    help="Where the nodes are kept; a second start goes on where the first stopped.",
)
@click.option(
    "--http-port", type=click.IntRange(1, 65000), default=8545, show_default=True, help="Node i takes the i-th from it."
)
@click.option("--metrics-port", type=click.IntRange(1, 65000), default=9545, show_default=True, help="Likewise.")
@click.option("--p2p-port", type=click.IntRange(1, 65000), default=26656, show_default=True, help="Likewise.")
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON once all nodes answer.")
def testnet(
    validators: int,
    holders: int,
    shards: int,
    datadir: Path,
    http_port: int,
    metrics_port: int,
    p2p_port: int,
    as_json: bool,
) -> None:
    """Run a network of validators on this machine, in the foreground.

    The validators hold data too.

    Each is a process of its own with its own data directory and log file. Ctrl-C or SIGTERM stops them all; a node
    that ends on its own is reported, and the others go on.
    """
    size = Size(validators, shards, holders)
    members = begin(datadir, size, Ports(http_port, metrics_port, p2p_port))
    _check_ports(members)
    asyncio.run(_run(members, size, datadir, as_json))


def _check_ports(members: Sequence[Member]) -> None:
    """Raise InvalidConfig when somebody listens where a node should: what answers there would be taken for ours."""
    for member in members:
        for port in member.ports:
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind((HOST, port))
                except OSError as error:
                    raise InvalidConfig(
                        f"port {port}, which {member.home.name} needs, cannot be used ({error.strerror}): stop what "
                        "listens there, or begin a network with other ports in another --datadir"
                    ) from error


async def _run(members: Sequence[Member], size: Size, datadir: Path, as_json: bool) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    processes: list[Process] = []
    stopping = asyncio.create_task(stop.wait())
    try:
        processes.extend([await _start(member) for member in members])
        answering = asyncio.create_task(_answering(members, processes, quiet=as_json))
        await asyncio.wait({answering, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not stop.is_set():
            await answering
            _announce(members, processes, size, datadir, as_json)
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
            *(sys.executable, "-m", "zg_node", "start", "--home", str(member.home)),
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


def _announce(
    members: Sequence[Member], processes: Sequence[Process], size: Size, datadir: Path, as_json: bool
) -> None:
    nodes = [
        {"pid": process.pid, "rpc": member.rpc, "home": str(member.home)}
        for member, process in zip(members, processes, strict=True)
    ]
    if as_json:
        facts = {"nodes": nodes, "genesis": str(datadir / GENESIS), "bootstrap": members[0].address}
        click.echo(json.dumps(facts))
        return
    for first, last, what in ((0, size.validators, "validators"), (size.validators, size.nodes, "holders of data")):
        if first < last:
            click.secho(f"{last - first} {what}", bold=True)
        for node in nodes[first:last]:
            click.echo(f"  pid {node['pid']:<8}  {node['rpc']}  {node['home']}")
    click.echo()
    another = datadir / "another"
    click.echo("To join with one more node:")
    click.echo(f"  zg-node init another --home {another} --genesis {datadir / GENESIS}")
    click.echo(f"  zg-node start --home {another} --bootstrap {members[0].address}")
    click.echo()
    click.echo("Ctrl-C stops them all. What the nodes say is in log.txt of each directory.")


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
