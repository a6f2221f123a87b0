"""The native core. Every call that works on a block or a batch releases the GIL.

Hashes are 32 bytes, addresses 20. `at` names a state: a block hash (finalised and kept in memory, or an unfinalised
overlay) or a finalised block's number. JSON in and out is UTF-8 bytes in Ethereum's JSON-RPC encoding.
Errors are the classes of `zg_node.errors`.
"""

from collections.abc import Sequence
from typing import Protocol, TypeAlias, final

At: TypeAlias = bytes | int
SystemCall: TypeAlias = tuple[bytes, bytes]
"""(contract, call data)."""

class Attributes(Protocol):
    """What a proposer decides about a block; `zg_node.types.block.Attributes` is one."""

    @property
    def number(self) -> int: ...
    @property
    def timestamp(self) -> int: ...  # seconds
    @property
    def coinbase(self) -> bytes: ...
    @property
    def gas_limit(self) -> int: ...
    @property
    def base_fee(self) -> int: ...
    @property
    def prev_randao(self) -> bytes: ...
    @property
    def extra_data(self) -> bytes: ...
    @property
    def parent_beacon_root(self) -> bytes: ...

@final
class State:
    """The state database of one shard: one LevelDB directory, overlays in memory."""

    def __init__(self, path: str, cache_bytes: int, history_blocks: int | None) -> None:
        """Open or create. `history_blocks` None keeps everything. Raises Corrupt, Unavailable (locked), InvalidConfig."""
    def is_empty(self) -> bool: ...
    def head(self) -> tuple[int, bytes, bytes]:
        """Finalised (number, block hash, state root)."""
    def flushed(self) -> tuple[int, bytes]:
        """(number, block hash) that the directory holds durably: the log from the next block on must be replayed."""
    def apply(self, parent: bytes, block_hash: bytes, diff: bytes) -> bytes:
        """Make `block_hash` an overlay on `parent`; returns its state root. Raises InvalidBlock when `before` values differ."""
    def finalise(self, block_hash: bytes) -> None:
        """Merge the overlay, a child of the head, into the head; its siblings and their descendants are dropped."""
    def flush(self) -> tuple[int, bytes]:
        """Write all finalised blocks to disk and sync; returns what `flushed` will. Safe beside readers and `apply`."""
    def pending_bytes(self) -> int:
        """Approximate size of what `flush` would write."""
    def has(self, at: At) -> bool: ...
    def account(self, at: At, address: bytes) -> tuple[int, int, bytes] | None:
        """(nonce, balance in wei, code hash), or None. Raises Unavailable ("missing trie node") when `at` is pruned."""
    def storage(self, at: At, address: bytes, slot: int) -> int: ...
    def code(self, at: At, code_hash: bytes) -> bytes:
        """Code that some account has at `at`, by its keccak hash."""
    def proof_json(self, at: At, address: bytes, slots: Sequence[int]) -> bytes:
        """eth_getProof's result."""
    def snapshot(self, number: int, chunk_bytes: int) -> Snapshot:
        """The state after a finalised block, flushed first if need be. Raises Unavailable when it is not kept, or too
        much changed since."""
    def verify(self) -> tuple[int, int, bytes]:
        """Walk the whole flushed state and recompute its root: (accounts, slots, root). Raises Corrupt."""
    def compact(self) -> None: ...
    def stats(self) -> dict[str, int]: ...
    def close(self) -> None: ...

@final
class Snapshot:
    """One block's state, held until `close`, in chunks that are the same whenever and wherever they are cut.

    A chunk is complete with the first record that brings it to `chunk_bytes`; the next one begins after its end."""

    def block(self) -> tuple[int, bytes, bytes]:
        """(number, block hash, state root)."""
    def chunk(self, after: bytes | None = None) -> tuple[bytes, bytes | None]:
        """The chunk after the end of another one, None for the first, and its own end: None when it is the last."""
    def chunk_hash(self, after: bytes | None = None) -> tuple[bytes, bytes | None]:
        """The keccak of the same chunk, and its end."""
    def close(self) -> None: ...

@final
class SnapshotImport:
    """A directory that becomes a state, chunk by chunk. Until `finish` no State opens it."""

    def __init__(self, path: str, cache_bytes: int, number: int, block_hash: bytes, root: bytes) -> None:
        """Begin, or go on after the last chunk that was added. `root` must be certified. Raises InvalidBlock when the
        directory was begun with another block, Corrupt when it is a state already or damaged."""
    def next_chunk(self) -> int:
        """The index of the chunk that is due."""
    def counts(self) -> tuple[int, int]:
        """(accounts, slots) so far."""
    def add(self, index: int, chunk: bytes) -> None:
        """Add the next chunk, durably. Raises InvalidMessage, and nothing has changed then."""
    def finish(self) -> None:
        """Make the directory a state. Raises InvalidBlock when the root is another: begin anew in an empty one."""
    def close(self) -> None: ...

@final
class Pool:
    """The mempool of one shard."""

    def __init__(
        self,
        chain_id: int,
        *,
        max_transactions: int,
        max_bytes: int,
        max_per_sender: int,
        max_queued_per_sender: int,
        max_queued: int,
        lifetime_ms: int,
        price_bump_percent: int,
        min_tip: int,
        allow_unprotected: bool,
    ) -> None: ...
    def add(
        self,
        state: State,
        at: At,
        base_fee: int,
        block_gas_limit: int,
        raws: Sequence[str | bytes],
        now_ms: int,
    ) -> list[bytes | tuple[int, str]]:
        """Decode, recover (in parallel), validate and insert a batch, in order; hex strings or bytes.

        The state is that of the last `commit`, `at` until there was one. Each answer is the transaction hash, or
        (JSON-RPC error code, geth's message)."""
    def commit(self, state: State, at: At, executed: Executed, base_fee: int, now_ms: int) -> None:
        """Forget what a finalised block included and refresh its senders' nonces and balances."""
    def release(self) -> None:
        """Let go of the state that `commit` remembered, so that its directory can be opened again."""
    def expire(self, now_ms: int) -> int: ...
    def len(self) -> tuple[int, int]:
        """(executable, queued)."""
    def ready(self, base_fee: int) -> bool:
        """Whether anything executable pays this base fee."""
    def nonce(self, state: State, at: At, address: bytes) -> int:
        """The next nonce with the pool's executable transactions counted: eth_getTransactionCount "pending"."""
    def balance(self, state: State, at: At, base_fee: int, address: bytes) -> int:
        """Wei at `at`, less what the pool's executable transactions of this account would cost: eth_getBalance "pending"."""
    def contains(self, tx_hash: bytes) -> bool: ...
    def raw(self, tx_hash: bytes) -> bytes | None: ...
    def transaction_json(self, tx_hash: bytes) -> bytes | None:
        """A pending transaction: block fields null."""
    def candidates(self, state: State, at: At, base_fee: int, max_count: int) -> list[bytes]:
        """Raw executable transactions, best first, nonces in order."""
    def content_json(self, address: bytes | None = None) -> bytes:
        """txpool_content's result; with an address, txpool_contentFrom's."""
    def inspect_json(self) -> bytes:
        """txpool_inspect's result."""
    def take_new(self) -> list[bytes]:
        """Hashes accepted since the last call (bounded; the oldest are dropped)."""
    def take_journal(self) -> bytes:
        """Newly accepted transactions since the last call: RLP byte strings one after the other."""
    def dump_journal(self) -> bytes:
        """All transactions in the same form."""
    def stats(self) -> dict[str, int]: ...
    def stages(self) -> dict[str, float]:
        """CPU seconds by stage since the start."""

@final
class Executed:
    """A block with the results of executing it. The state overlay stays in `State` under `hash`."""

    hash: bytes
    header: bytes  # RLP
    body: bytes  # RLP list of EIP-2718 byte strings (legacy transactions as byte strings too)
    receipts: bytes  # RLP list of [status, cumulative gas, [log …]]
    senders: bytes  # 20 · n
    tx_hashes: bytes  # 32 · n
    diff: bytes
    tx_count: int
    gas_used: int
    number: int
    parent_hash: bytes
    state_root: bytes

@final
class Engine:
    """revm behind the execution Protocol."""

    def __init__(self, chain_id: int, fork: str = "osaka") -> None: ...
    def stages(self) -> dict[str, float]:
        """CPU seconds by stage since the start."""
    def genesis(self, state: State, attributes: Attributes, diff: bytes) -> Executed:
        """Block 0 over the allocation `diff`; writes its state durably when `state` is empty, else checks it."""
    def initialise(self, attributes: Attributes, diff: bytes, calls: Sequence[SystemCall]) -> bytes:
        """What `calls` make of the allocation `diff`, as an allocation. Raises InvalidBlock when one fails."""
    def build(
        self,
        state: State,
        parent: bytes,
        attributes: Attributes,
        pool: Pool,
        gas_budget: int,
        max_body_bytes: int,
        calls: Sequence[SystemCall] = (),
    ) -> Executed:
        """Fill a block from the pool on top of `parent`, close it with `calls`, and leave its overlay in `state`.

        `calls` are made in order from the system address after the last transaction, each with 200 million gas beside
        the block's; their logs are dropped. Raises InvalidBlock when one fails."""
    def seal(
        self,
        state: State,
        parent: bytes,
        attributes: Attributes,
        pool: Pool,
        raws: Sequence[bytes],
        receipts: bytes,
        diff: bytes,
    ) -> Executed:
        """Another engine's results made into a block: roots computed here, overlay left in `state`.

        Raises InvalidBlock when the diff does not fit the parent."""
    def execute(
        self,
        state: State,
        parent: bytes,
        header: bytes,
        body: bytes,
        pool: Pool,
        calls: Sequence[SystemCall] = (),
    ) -> Executed:
        """Execute a proposed block, close it with `calls` (see `build`), and check every header field that follows;
        senders known to `pool` are not recovered again. Raises InvalidBlock."""
    def replay(
        self, state: State, parent: bytes, header: bytes, body: bytes, receipts: bytes, senders: bytes, diff: bytes
    ) -> Executed:
        """A block from our own log: apply its diff, check the root, execute nothing."""
    def call(self, state: State, at: At, header: bytes, calls: Sequence[CallRequest]) -> list[bytes | CallError]:
        """eth_call in the context of `header`, many at once: output bytes each."""
    def estimate_gas(self, state: State, at: At, header: bytes, call: CallRequest) -> int:
        """Raises Reverted, InvalidTransaction, InvalidRequest."""
    def access_list_json(self, state: State, at: At, header: bytes, call: CallRequest) -> bytes:
        """eth_createAccessList's result."""

@final
class CallRequest:
    def __init__(self, tx_json: bytes, overrides_json: bytes | None, gas_cap: int, timeout_ms: int) -> None:
        """A transaction object, and geth's state overrides {address: {balance, nonce, code, state, stateDiff, movePrecompileToAddress}}. Raises InvalidRequest."""

@final
class CallError:
    code: int
    message: str
    data: bytes | None

def body_hashes(body: bytes) -> bytes:
    """32 bytes a transaction."""

def draft_header(parent_hash: bytes, attributes: Attributes) -> bytes:
    """RLP of a header with empty roots: the environment of a block that does not exist yet."""

def check_block(header: bytes, body: bytes, senders: bytes, receipts: bytes) -> None:
    """Recompute a stored block's roots, bloom, gas and senders. Raises Corrupt."""

def check_body(header: bytes, body: bytes) -> None:
    """Raises InvalidBlock unless `body` has the header's transactions root."""

def bls_key_from_seed(seed: bytes) -> bytes:
    """A BLS12-381 secret, 32 bytes, from at least 32 random ones. Raises ValueError."""

def bls_public_key(secret: bytes) -> bytes:
    """48 bytes, compressed. Raises ValueError."""

def bls_possession_proof(secret: bytes, message: bytes) -> bytes:
    """What the staking contract asks of whoever brings a BLS key: the public key's y coordinate and the signature of
    `message` (a point of G2) under the tag of possession proofs, in EIP-2537's encoding, 320 bytes. Raises ValueError."""

def bls_is_public_key(pubkey: bytes) -> bool:
    """Whether these are 48 bytes of a compressed point of G1's subgroup, and not infinity."""

def vrf_prove(secret: bytes, message: bytes) -> bytes:
    """What shows the output of `message` by a secp256k1 secret of 32 bytes: ECVRF of RFC 9381, SHA-256, try-and-increment,
    suite string 0xFE; 81 bytes, gamma (a compressed point) ‖ c (16 bytes) ‖ s. Raises ValueError."""

def vrf_verify(pubkey: bytes, message: bytes, proof: bytes) -> bytes | None:
    """The output, 32 bytes, when the holder of this compressed public key (33 bytes) proved it of `message`."""

def vrf_output(proof: bytes) -> bytes | None:
    """The output of a proof that is not checked here; None when its parts are no point and no number below the order."""

def recover_addresses(signed: Sequence[tuple[bytes, bytes]]) -> list[bytes | None]:
    """Of each (digest, 32 bytes; signature, 65 bytes: r ‖ s ‖ recovery id 0 or 1) the 20-byte address of the secp256k1
    key that made it; None for none, and for an s above half the order."""

Shape: TypeAlias = tuple[int, int, int]
"""(data rows K, parity rows N, bytes of a row)."""
Row: TypeAlias = tuple[int, bytes, bytes]
"""(index, bytes, path): parity rows follow the data rows; a path is 32-byte digests in a row, lowest first."""
Cell: TypeAlias = tuple[int, int, bytes, bytes]
"""(index of the row, index in the row, at most 1024 bytes, path)."""
BundleEntry: TypeAlias = tuple[bytes, bytes, int, int]
"""(namespace, 29 bytes; SHA-256 of the blob; its offset in the bundle; its length)."""

def erasure_shape(length: int) -> Shape:
    """The shape in which a blob of `length` bytes is dispersed. Raises ValueError outside 1 byte to 128 MiB."""

def rsema1d_commitment(shape: Shape, data: bytes) -> bytes:
    """Celestia's commitment to data rows. Raises ValueError."""

@final
class Encoding:
    """A blob with its rows, their tree and checksums: 4 times its size. The header is 81 bytes, see `zg_node.da.encoding`."""

    def __init__(self, blob: bytes, shape: Shape | None = None, threads: int = 1) -> None:
        """Encode and commit, in the shape of the blob's length when none is given. Raises ValueError."""
    @staticmethod
    def recover(header: bytes, rows: Sequence[tuple[int, bytes]], threads: int = 1) -> Encoding:
        """From any K different rows (index, bytes), encoded again and compared with the header.

        Raises Unavailable with fewer; InvalidMessage when a row cannot be, or the rows are not those of the header:
        with rows that `RowVerifier` accepted, whoever made the commitment lied, and every reader gets this answer."""
    def header(self) -> bytes: ...
    def checksums(self) -> bytes:
        """16 bytes a data row: what `RowVerifier` takes."""
    def blob(self) -> bytes: ...
    def rows(self, indices: Sequence[int]) -> list[Row]:
        """Raises InvalidMessage for an index that is not."""
    def rows_answer(self, indices: Sequence[int], checksums: bool) -> bytes:
        """What `zg_node.da.messages.Rows` of these rows encodes to, with the checksums or without. Raises InvalidMessage for
        an index that is not."""
    def cells(self, places: Sequence[tuple[int, int]]) -> list[Cell]:
        """Of (row, cell). Raises InvalidMessage for a place that is not."""

@final
class RowVerifier:
    """Knows the checksum of every row of one commitment, and checks rows against it. Takes some ms to make and 128 times a
    row's length in memory: one serves all rows of a blob. It takes any shape; `BlobHeader.parse` says which one is due."""

    def __init__(self, header: bytes, checksums: bytes, threads: int = 1) -> None:
        """Raises InvalidMessage when the header does not parse, or does not commit to the checksums."""
    def refused(self, rows: Sequence[Row], threads: int = 1) -> list[tuple[int, str]]:
        """(place in `rows`, why) of those that are not the committed row of their index, not of the code, or not zero
        after the blob's end. Empty when all are well."""

def refused_cells(header: bytes, cells: Sequence[Cell]) -> list[tuple[int, str]]:
    """(place in `cells`, why) of those that are not the committed ones. Raises InvalidMessage for the header."""

def row_cells(header: bytes, row: Row, cells: Sequence[int]) -> list[Cell]:
    """Cells of a row that its holder verified, with paths. Raises InvalidMessage for a cell that is not."""

def bundle_blobs(blobs: Sequence[tuple[bytes, bytes]]) -> bytes:
    """One blob of many (namespace, blob), sorted by namespace with an index before them. Raises ValueError."""

@final
class BundleIndex:
    def __init__(self, start: bytes, length: int) -> None:
        """From the start of a bundle of `length` bytes. Raises InvalidMessage unless the whole index is there and sound."""
    def entries(self, namespace: bytes | None = None) -> list[BundleEntry]:
        """All, or a namespace's, in the order of submission within a namespace."""
    def prove(self, namespace: bytes) -> bytes:
        """For `check_namespace`."""

def check_namespace(bundle_start: bytes, namespace: bytes, proof: bytes) -> list[BundleEntry]:
    """All blobs of a namespace in a bundle of which `bundle_start` is the first 40 bytes or more; perhaps none. Raises
    InvalidMessage when the proof does not show that."""

def keccak256(data: bytes) -> bytes: ...
def sign_transaction_json(tx_json: bytes, key: bytes) -> bytes:
    """A complete transaction object (type, chainId, nonce, gas, fees, to, value, data, accessList, authorizationList) → signed EIP-2718 bytes."""

def decode_transaction_json(raw: bytes) -> bytes:
    """A signed transaction as JSON with its sender; block fields null. Raises InvalidTransaction."""

def header_json(header: bytes, size: int | None = None) -> bytes: ...
def block_json(header: bytes, body: bytes, senders: bytes, full: bool) -> bytes: ...
def transaction_json(header: bytes, body: bytes, senders: bytes, index: int) -> bytes: ...
def receipts_json(header: bytes, body: bytes, senders: bytes, receipts: bytes) -> bytes:
    """A JSON array, one receipt a transaction."""

def receipt_json(header: bytes, body: bytes, senders: bytes, receipts: bytes, index: int) -> bytes: ...

@final
class LogFilter:
    def __init__(self, addresses: Sequence[bytes], topics: Sequence[Sequence[bytes] | None]) -> None: ...
    def may_match(self, bloom: bytes) -> bool: ...
    def matching_blooms(self, blooms: bytes) -> list[int]:
        """Indices of the 256-byte blooms that may match."""
    def logs_json(self, header: bytes, body: bytes, receipts: bytes, limit: int) -> tuple[bytes, int]:
        """(comma-separated JSON objects without brackets, count); stops after `limit` + 1."""

def fee_history(
    headers: Sequence[bytes], blocks: Sequence[tuple[bytes, bytes]], percentiles: Sequence[float]
) -> list[list[int]]:
    """Rewards: per block (body, receipts), the effective tips at each percentile of gas used."""

def run_state_test(test_json: str, fork: str) -> bytes:
    """Run every case of one execution-spec state-test file on revm; a JSON array of {name, index, pass, error, state_root, expected}."""
