# aspen.h, one function each: its comments are the reference. Times are nanoseconds, 0 the default. `queue` None
# means that the operation is waited for with Op.wait.

MODE_EMBEDDED: int
MODE_FOUND: int
MODE_JOIN: int
MODE_CLIENT: int
IF_ABSENT: int
IF_PRESENT: int
IF_VALUE: int
IF_REVISION: int
TARGET_VALUE: int
TARGET_VERSION: int
TARGET_CREATE_REVISION: int
TARGET_MOD_REVISION: int
TARGET_LEASE: int
TARGET_EXISTS: int
TARGET_UNCHANGED_SINCE: int
READ_LINEARIZABLE: int
READ_STALE: int
READ_LEASE: int
EQUAL: int
NOT_EQUAL: int
LESS: int
GREATER: int
RESULT_CHANGE: int
RESULT_DELETE_RANGE: int
RESULT_GET: int
RESULT_RANGE: int
RESULT_TRANSACTION: int
RESULT_END: int
EVENT_PUT: int
EVENT_DELETE: int
DIRECTORY_OPEN: int
DIRECTORY_CREATE: int
DIRECTORY_OPEN_OR_CREATE: int

class Queue:
    def __init__(self) -> None: ...
    @property
    def fd(self) -> int: ...
    def poll(self) -> list[int]:
        """The tags of all completed operations, oldest first."""

class Op:
    def wait(self, timeout_ns: int = -1) -> bool:
        """Whether it completed within `timeout_ns` (negative: no limit). Runs signal handlers meanwhile."""
    def done(self) -> bool: ...
    def cancel(self) -> None: ...
    def status(self) -> int: ...
    def message(self) -> str: ...
    def applied_maybe(self) -> bool: ...
    def retryable(self) -> bool: ...
    def text(self) -> str: ...
    def take_node(self) -> Node | None: ...
    def take_txn(self) -> Txn | None: ...
    def conflicts(self) -> list[tuple[bytes, bytes]]:
        """(start, end) of each."""
    def take_watch(self) -> Watch | None: ...
    def events(
        self,
    ) -> list[
        tuple[int, int, tuple[bytes, bytes, int, int, int, int], tuple[bytes, bytes, int, int, int, int] | None]
    ]:
        """(kind, revision, entry, previous entry) of each."""
    def leases(self) -> list[tuple[int, int, int, int]]:
        """(lease, ttl_ns, remaining_ns, keys) of each."""
    def quotas(self) -> list[tuple[bytes, int, int, int, int]]:
        """(prefix, bytes_max, keys_max, bytes, keys) of each."""
    def index_values(self) -> list[bytes]:
        """Of a scan: the value, a packed tuple, of each entry."""
    def revision(self) -> int: ...
    def succeeded(self) -> bool: ...
    def failed_condition(self) -> int: ...
    def entries(self) -> list[tuple[bytes, bytes, int, int, int, int]]:
        """(key, value, create_revision, mod_revision, version, lease) of each."""
    def changes(self) -> list[tuple[bool, int]]: ...
    def results(self) -> list[tuple[int, bool, bool, bool, int, int, int, int]]:
        """(kind, existed, succeeded, more, previous_revision, count, entry_begin, entry_end) of each."""
    def more(self) -> bool: ...
    def continuation(self) -> bytes: ...

class Batch:
    def __init__(self) -> None: ...
    def put(self, key: bytes, value: bytes, lease: int, previous: bool, /) -> None: ...
    def delete(self, key: bytes, previous: bool, /) -> None: ...
    def delete_range(self, start: bytes, end: bytes, previous: bool, /) -> None: ...
    def get(self, key: bytes, /) -> None: ...
    def range(
        self,
        prefix: bytes | None,
        start: bytes | None,
        end: bytes | None,
        limit: int,
        reverse: bool,
        keys_only: bool,
        /,
    ) -> None: ...
    def check(self, key: bytes, comparison: int, expected: bytes, revision: int, /) -> None: ...
    def compare(
        self, target: int, relation: int, key: bytes, end: bytes | None, value: bytes, number: int, /
    ) -> None: ...
    def otherwise(self) -> None: ...
    def begin(self) -> None: ...
    def end(self) -> None: ...

class Node:
    @property
    def id(self) -> str: ...
    @property
    def address(self) -> str: ...
    def close(self, queue: Queue | None, tag: int, /) -> Op: ...
    def ticket(self, valid_ns: int, queue: Queue | None, tag: int, /) -> Op: ...
    def status(self, timeout_ns: int, queue: Queue | None, tag: int, /) -> Op: ...
    def get(
        self,
        key: bytes,
        revision: int,
        consistency: int,
        staleness_ns: int,
        timeout_ns: int,
        queue: Queue | None,
        tag: int,
        /,
    ) -> Op: ...
    def put(
        self,
        key: bytes,
        value: bytes,
        lease: int,
        previous: bool,
        timeout_ns: int,
        queue: Queue | None,
        tag: int,
        /,
    ) -> Op: ...
    def delete(self, key: bytes, previous: bool, timeout_ns: int, queue: Queue | None, tag: int, /) -> Op: ...
    def cas(
        self,
        key: bytes,
        comparison: int,
        expected: bytes,
        revision: int,
        value: bytes,
        lease: int,
        timeout_ns: int,
        queue: Queue | None,
        tag: int,
        /,
    ) -> Op: ...
    def range(
        self,
        prefix: bytes | None,
        start: bytes | None,
        end: bytes | None,
        continuation: bytes | None,
        limit: int,
        reverse: bool,
        keys_only: bool,
        revision: int,
        consistency: int,
        staleness_ns: int,
        timeout_ns: int,
        queue: Queue | None,
        tag: int,
        /,
    ) -> Op: ...
    def apply(self, batch: Batch, timeout_ns: int, queue: Queue | None, tag: int, /) -> Op: ...
    def transaction(self) -> Txn: ...
    def branch(
        self, parent: Txn | None, prefix: bytes, timeout_ns: int, queue: Queue | None, tag: int, /
    ) -> Op: ...

    def watch(
        self,
        key: bytes | None,
        prefix: bytes | None,
        start: bytes | None,
        end: bytes | None,
        revision: int,
        previous: bool,
        puts: bool,
        deletes: bool,
        progress_ns: int,
        buffer_bytes: int,
        timeout_ns: int,
        queue: Queue | None,
        tag: int,
        /,
    ) -> Op: ...
    def lease_grant(self, ttl_ns: int, timeout_ns: int, queue: Queue | None, tag: int, /) -> Op: ...
    def lease_revoke(self, lease: int, timeout_ns: int, queue: Queue | None, tag: int, /) -> Op: ...
    def lease_keep_alive(self, lease: int, timeout_ns: int, queue: Queue | None, tag: int, /) -> Op: ...
    def lease_info(
        self, lease: int, continuation: bytes | None, timeout_ns: int, queue: Queue | None, tag: int, /
    ) -> Op: ...
    def lease_list(self, after: int, timeout_ns: int, queue: Queue | None, tag: int, /) -> Op: ...
    def lease_keep(self, lease: int, queue: Queue | None, tag: int, /) -> Op: ...
    def lease_drop_keep(self, lease: int, /) -> None: ...
    def compact(self, revision: int, timeout_ns: int, queue: Queue | None, tag: int, /) -> Op: ...
    def quota_set(
        self,
        prefix: bytes,
        bytes_max: int,
        keys_max: int,
        timeout_ns: int,
        queue: Queue | None,
        tag: int,
        /,
    ) -> Op: ...
    def quota_list(self, timeout_ns: int, queue: Queue | None, tag: int, /) -> Op: ...
    def member_remove(self, node_id: str, timeout_ns: int, queue: Queue | None, tag: int, /) -> Op: ...
    def leader_transfer(self, node_id: str | None, timeout_ns: int, queue: Queue | None, tag: int, /) -> Op: ...
    def backup(
        self,
        dir: str | None,
        stream: int,
        consistency: int,
        timeout_ns: int,
        queue: Queue | None,
        tag: int,
        /,
    ) -> Op: ...
    def index_create(
        self,
        name: str,
        prefix: bytes,
        extractor: str,
        timeout_ns: int,
        queue: Queue | None,
        tag: int,
        /,
    ) -> Op: ...
    def index_drop(self, name: str, timeout_ns: int, queue: Queue | None, tag: int, /) -> Op: ...
    def index_list(self, timeout_ns: int, queue: Queue | None, tag: int, /) -> Op: ...
    def index_scan(
        self,
        name: str,
        value: bytes | None,
        start: bytes | None,
        end: bytes | None,
        continuation: bytes | None,
        limit: int,
        reverse: bool,
        keys_only: bool,
        timeout_ns: int,
        queue: Queue | None,
        tag: int,
        /,
    ) -> Op: ...
    def directory_open(
        self, path: bytes, how: int, layer: bytes, timeout_ns: int, queue: Queue | None, tag: int, /
    ) -> Op: ...
    def directory_list(
        self, path: bytes, after: str | None, timeout_ns: int, queue: Queue | None, tag: int, /
    ) -> Op: ...
    def directory_move(
        self, source: bytes, target: bytes, timeout_ns: int, queue: Queue | None, tag: int, /
    ) -> Op: ...
    def directory_remove(self, path: bytes, timeout_ns: int, queue: Queue | None, tag: int, /) -> Op: ...

class Watch:
    def next(self, queue: Queue | None, tag: int, /) -> Op: ...
    def close(self) -> None: ...

class Txn:
    # Changes give None, or (status, message) when they are refused.
    def reset(self) -> None: ...
    def get(self, key: bytes, timeout_ns: int, queue: Queue | None, tag: int, /) -> Op: ...
    def range(
        self,
        prefix: bytes | None,
        start: bytes | None,
        end: bytes | None,
        continuation: bytes | None,
        limit: int,
        reverse: bool,
        keys_only: bool,
        timeout_ns: int,
        queue: Queue | None,
        tag: int,
        /,
    ) -> Op: ...
    def put(self, key: bytes, value: bytes, lease: int, /) -> tuple[int, str] | None: ...
    def delete(self, key: bytes, /) -> tuple[int, str] | None: ...
    def delete_range(self, start: bytes, end: bytes, /) -> tuple[int, str] | None: ...
    def commit(self, timeout_ns: int, queue: Queue | None, tag: int, /) -> Op: ...

class NodeOptions:
    mode: int
    dir: str | None
    listen: str | None
    advertise: str | None
    ticket: str | None
    restore_from: str | None
    open_timeout_ns: int
    heartbeat_ns: int
    election_ns: int
    history_revisions: int
    history_ns: int
    dead_voter_ns: int
    journal_segment_bytes: int
    clock_drift_ppm_max: int
    lease_reads: bool
    member_reads: bool
    def __init__(self) -> None: ...

def node_open(options: NodeOptions, queue: Queue | None, tag: int, /) -> Op: ...
def verify(dir: str, queue: Queue | None, tag: int, /) -> Op: ...
def ticket_inspect(ticket: str, /) -> Op: ...
def version() -> str: ...
def abi_version() -> int: ...
def limits() -> dict[str, int]: ...
def errors() -> list[tuple[str, int, str, bool, str]]:
    """(name, number, "no" or "maybe", retryable, text) of each, as the library has them."""

def begin_exit() -> None:
    """From an atexit handler: from now on waits of other threads do not return."""

def log_to_fd(fd: int, level: int, /) -> None: ...
def node_id_format(id: bytes, /) -> str: ...
def node_id_parse(text: str, /) -> bytes | None: ...
