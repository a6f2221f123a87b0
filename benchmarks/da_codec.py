"""The erasure codec on one core, beside KZG cells and proofs.

Expected at 1024 + 3072 rows and 32 MiB: encoding and committing at least 150 MB/s of the blob, which is at least 250
times what ckzg takes (cells and proofs of 128 KiB blobs, 8 bits precomputed); decoding from parity rows alone at least
100 MB/s; checking 148 rows at least 500 MB/s of their bytes. CPU time of one thread. `--sizes` shows what a blob costs
by its length instead.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.resources import files
from random import Random
from statistics import median

import ckzg
import click
from matplotlib.figure import Figure

from benchmarks.figures import print_machine, spread
from zg_node import _core
from zg_node.bench.plot import OURS, THEIRS

MIB = 1024 * 1024
KZG_BLOB_BYTES = 128 * 1024
KZG_PRECOMPUTE = 8
PROVING_ROWS = 148
"""So many rows of rate 1/4 prove an encoding but for 2⁻¹⁰⁰."""
KZG_SETUP = files("eth_account") / "typed_transactions/blob_transactions/kzg_trusted_setup.txt"
SIZES = [1024, 16 * 1024, 64 * 1024, 256 * 1024, MIB, 4 * MIB, 8 * MIB, 32 * MIB, 128 * MIB]


def rates(work: Callable[[], object], size_bytes: int, rounds: int) -> list[float]:
    """MB/s of CPU time, one of each round; tables are made before the first."""
    found = []
    work()
    for _ in range(rounds):
        began = time.process_time()
        result = work()
        found.append(size_bytes / 1e6 / (time.process_time() - began))
        del result
    return found


def kzg_rates(random: Random, rounds: int) -> list[float]:
    """MB/s of ckzg computing the cells and proofs of a blob."""
    setup = ckzg.load_trusted_setup(str(KZG_SETUP), KZG_PRECOMPUTE)
    blob = b"".join(b"\0" + random.randbytes(31) for _ in range(KZG_BLOB_BYTES // 32))
    return rates(partial(ckzg.compute_cells_and_kzg_proofs, blob, setup), KZG_BLOB_BYTES, rounds)


def print_operations(blob: bytes, random: Random, rounds: int) -> None:
    """Each operation on one blob, and the ratio to KZG. Decoding is what recovering from parity rows takes longer than
    recovering from data rows, which is encoding and committing again."""
    encode = rates(partial(_core.Encoding, blob), len(blob), rounds)
    encoding = _core.Encoding(blob)
    header, checksums = encoding.header(), encoding.checksums()
    data_rows, parity_rows, row_bytes = _core.erasure_shape(len(blob))
    data = [(index, row) for index, row, _ in encoding.rows(range(data_rows))]
    parity = [(index, row) for index, row, _ in encoding.rows(range(data_rows, 2 * data_rows))]
    again = rates(partial(_core.Encoding.recover, header, data), len(blob), rounds)
    recover = rates(partial(_core.Encoding.recover, header, parity), len(blob), rounds)
    decode = [1 / (1 / whole - 1 / checked) for whole, checked in zip(sorted(recover), sorted(again), strict=True)]
    kept = encoding.rows(random.sample(range(data_rows + parity_rows), PROVING_ROWS))
    verifier = _core.RowVerifier(header, checksums)
    check = rates(partial(verifier.refused, kept), PROVING_ROWS * row_bytes, rounds)
    made = rates(partial(_core.RowVerifier, header, checksums), len(blob), rounds)
    kzg = kzg_rates(random, rounds)
    ratio = [ours / theirs for ours, theirs in zip(encode, kzg, strict=True)]
    click.echo(f"  encode and commit            {spread(encode, 'MB/s')}")
    click.echo(f"  ckzg, cells and proofs       {spread(kzg, 'MB/s', 2)}")
    click.echo(f"  ratio                        {spread(ratio, '×')}")
    click.echo(f"  decode from parity rows      {spread(decode, 'MB/s')}")
    click.echo(f"  with the commitment checked  {spread(recover, 'MB/s')}")
    click.echo(f"  check {PROVING_ROWS} rows               {spread(check, 'MB/s')}")
    click.echo(f"  make a verifier              {spread([len(blob) / 1e3 / rate for rate in made], 'ms', 1)}")


@dataclass(frozen=True, slots=True)
class Cost:
    """What a blob of one length costs."""

    size_bytes: int
    shape: _core.Shape
    rate: float
    """MB/s of encoding and committing."""
    total_bytes: int
    """All rows with their paths, the checksums and the header."""


def cost(blob: bytes, rounds: int) -> Cost:
    """Encode a blob and add up what there is to send."""
    shape = data_rows, parity_rows, row_bytes = _core.erasure_shape(len(blob))
    encoding = _core.Encoding(blob)
    [(_, _, path)] = encoding.rows([0])
    total = (data_rows + parity_rows) * (row_bytes + len(path)) + len(encoding.checksums()) + len(encoding.header())
    del encoding
    return Cost(len(blob), shape, median(rates(partial(_core.Encoding, blob), len(blob), rounds)), total)


def print_costs(costs: Sequence[Cost], kzg: float) -> None:
    """A line a length."""
    click.echo(f"  ckzg, cells and proofs: {kzg:.2f} MB/s at any length")
    click.echo("         blob     K + N rows          row   encode and commit   rows and proofs")
    for one in costs:
        data_rows, parity_rows, row_bytes = one.shape
        click.echo(
            f"{one.size_bytes:13,}   {data_rows:>4} + {parity_rows:<6} {row_bytes:>8,} B   {one.rate:12.1f} MB/s"
            f"   {one.total_bytes:13,} B  {one.total_bytes / one.size_bytes:5.1f}×"
        )


def write_plot(costs: Sequence[Cost], kzg: float, path: str) -> None:
    """CPU and bytes against the blob's length, as a picture of the kind that the file's name ends with."""
    figure = Figure(figsize=(10, 3.8), layout="constrained")
    cpu, sent = figure.subplots(1, 2)
    sizes = [one.size_bytes for one in costs]
    cpu.plot(sizes, [1e3 * one.size_bytes / 1e6 / one.rate for one in costs], "o-", color=OURS, label="zg_node")
    blobs = [-(-size // KZG_BLOB_BYTES) for size in sizes]
    cpu.plot(sizes, [1e3 * count * KZG_BLOB_BYTES / 1e6 / kzg for count in blobs], "s--", color=THEIRS, label="ckzg")
    cpu.set_title("encode and commit, ms on one core", fontsize=10)
    sent.plot(sizes, [one.total_bytes for one in costs], "o-", color=OURS, label="all rows and proofs")
    sent.plot(sizes, [4 * size for size in sizes], ":", color="grey", label="4 × the blob")
    sent.set_title("bytes", fontsize=10)
    for panel in (cpu, sent):
        panel.set(xscale="log", yscale="log", xlabel="bytes of the blob")
        panel.grid(alpha=0.3)
        panel.legend(fontsize=8)
    figure.savefig(path)


@click.command()
@click.option("--mib", default=32, show_default=True, help="Length of the blob.")
@click.option("--rounds", default=7, show_default=True)
@click.option("--sizes", is_flag=True, help="The cost of a blob by its length.")
@click.option("--plot", type=click.Path(dir_okay=False), help="With --sizes: draw it there as well.")
def main(mib: int, rounds: int, sizes: bool, plot: str | None) -> None:
    """Print the rates on one core, and the ratio to ckzg."""
    random = Random(4)
    if not sizes:
        print_machine(f"erasure codec · {mib} MiB")
        print_operations(random.randbytes(mib * MIB), random, rounds)
        return
    print_machine("erasure codec · by length")
    costs = [cost(random.randbytes(size), rounds) for size in SIZES]
    kzg = median(kzg_rates(random, rounds))
    print_costs(costs, kzg)
    if plot:
        write_plot(costs, kzg, plot)


if __name__ == "__main__":
    main()
