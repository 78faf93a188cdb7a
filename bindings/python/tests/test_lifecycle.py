"""Opening and closing: directories, threads, signals, forks, interpreter exit."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
import warnings
from pathlib import Path

import aspen
import pytest


def program(text: str, *arguments: object) -> subprocess.Popen[str]:
    """Runs a program with this interpreter and the installed package."""
    command = [sys.executable, "-X", "faulthandler", "-W", "always::ResourceWarning", "-c", textwrap.dedent(text)]
    return subprocess.Popen(
        command + [str(argument) for argument in arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd="/",
        # In the background of a shell script this process ignores Ctrl-C, and its children would.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


def finish(process: subprocess.Popen[str], seconds: float = 60) -> tuple[int, str, str]:
    try:
        out, err = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        raise AssertionError(f"still running after {seconds} s\n{out}\n{err}") from None
    return process.returncode, out, err


def test_reopening_finds_everything(tmp_path: Path) -> None:
    with aspen.open(tmp_path / "n") as node:
        id = node.id
        revision = node.kv.put("k", "v")
    with aspen.open(str(tmp_path / "n")) as node:
        assert node.id == id
        entry = node.kv.get("k")
        assert entry is not None and (entry.value, entry.mod_revision) == (b"v", revision)
        assert node.kv.put("k", "w") > revision


def test_a_directory_in_use(tmp_path: Path) -> None:
    with aspen.open(tmp_path / "n") as node:
        with pytest.raises(aspen.InUse) as caught:
            aspen.open(tmp_path / "n")
        assert str(tmp_path / "n") in caught.value.message
        node.kv.put("k", "still works")


def test_a_directory_in_use_by_another_process(tmp_path: Path) -> None:
    holder = program(
        """
        import aspen, sys
        with aspen.open(sys.argv[1]) as node:
            print("open", flush=True)
            sys.stdin.read()
        """,
        tmp_path / "n",
    )
    assert holder.stdout is not None
    try:
        assert holder.stdout.readline() == "open\n"
        with pytest.raises(aspen.InUse):
            aspen.open(tmp_path / "n")
    finally:
        holder.kill()
        holder.communicate()
    aspen.open(tmp_path / "n").close()


def test_a_directory_of_another_kind(tmp_path: Path) -> None:
    with aspen.found(tmp_path / "a", "127.0.0.1:0") as first:
        aspen.join(tmp_path / "b", "127.0.0.1:0", first.ticket()).close()
    with pytest.raises(aspen.WrongNode) as caught:
        aspen.open(tmp_path / "b")
    assert str(tmp_path / "b") in caught.value.message


def test_a_directory_of_something_else(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").write_text("meow")
    with pytest.raises(aspen.WrongNode) as caught:
        aspen.open(tmp_path / "photos")
    assert "cat.jpg" in caught.value.message
    assert [path.name for path in (tmp_path / "photos").iterdir()] == ["cat.jpg"]


def test_a_lone_store_can_found_a_network_and_be_alone_again(tmp_path: Path) -> None:
    with aspen.open(tmp_path / "n") as alone:
        id = alone.id
        alone.kv.put("k", "v")
    with aspen.found(tmp_path / "n", "127.0.0.1:0") as member:
        assert member.id == id and member.ticket()
        assert [entry.value for entry in member.kv.range()] == [b"v"]
    with aspen.open(tmp_path / "n") as alone:
        assert alone.id == id and alone.address == ""
        assert [entry.value for entry in alone.kv.range()] == [b"v"]


def test_a_directory_without_a_parent(tmp_path: Path) -> None:
    with pytest.raises(aspen.AspenError) as caught:
        aspen.open(tmp_path / "missing" / "n")
    assert "missing" in caught.value.message
    assert not (tmp_path / "missing").exists()


def test_a_file_is_no_directory(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not aspen's")
    with pytest.raises(aspen.AspenError):
        aspen.open(tmp_path / "file")
    assert (tmp_path / "file").read_text() == "not aspen's"


def test_after_close_everything_is_shutdown(tmp_path: Path) -> None:
    node = aspen.open(tmp_path / "n")
    assert not node.closed
    node.close()
    node.close()
    assert node.closed and "closed" in repr(node)
    for call in (lambda: node.kv.put("k", "v"), lambda: node.kv.get("k"), node.status, lambda: list(node.kv.range())):
        with pytest.raises(aspen.Shutdown):
            call()
    assert len(node.id) == 52


def test_close_ends_what_is_in_flight(tmp_path: Path) -> None:
    node = aspen.open(tmp_path / "n")
    running = threading.Barrier(9)
    ends: list[BaseException] = []

    def write(worker: int) -> None:
        running.wait()
        try:
            for i in range(1_000_000):
                node.kv.put(f"{worker}/{i}", "v")
        except aspen.AspenError as error:
            ends.append(error)

    threads = [threading.Thread(target=write, args=(worker,)) for worker in range(8)]
    for thread in threads:
        thread.start()
    running.wait()
    time.sleep(0.1)
    node.close()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()
    assert len(ends) == 8 and all(isinstance(end, aspen.Shutdown) for end in ends)


def test_many_threads(embedded: aspen.Node) -> None:
    wrong: list[object] = []

    def work(worker: int) -> None:
        for i in range(100):
            embedded.kv.put(f"{worker}/{i}", f"{worker}-{i}")
            entry = embedded.kv.get(f"{worker}/{i}")
            if entry is None or entry.value != f"{worker}-{i}".encode():
                wrong.append(entry)

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert wrong == []
    assert sum(1 for _ in embedded.kv.range(keys_only=True)) == 800


def test_other_threads_run_while_one_waits(tmp_path: Path) -> None:
    ticks = 0
    stop = threading.Event()

    def tick() -> None:
        nonlocal ticks
        while not stop.wait(0.001):
            ticks += 1

    ticker = threading.Thread(target=tick)
    ticker.start()
    with pytest.raises(aspen.AspenError):  # nobody answers there
        aspen.connect(unanswered_ticket(tmp_path), timeout=0.5)
    stop.set()
    ticker.join()
    assert ticks > 50


def unanswered_ticket(tmp_path: Path) -> str:
    with aspen.found(tmp_path / "gone", "127.0.0.1:0") as node:
        return node.ticket()


def test_only_the_store_of_a_node_is_kept(tmp_path: Path) -> None:
    def opened() -> aspen.KeyValue:
        return aspen.open(tmp_path / "n").kv

    kv = opened()
    gc.collect()
    kv.put("k", "v")
    assert [entry.key for entry in kv.range()] == [b"k"]
    kv._node.close()


def test_a_forgotten_node_warns_and_closes(tmp_path: Path) -> None:
    node = aspen.open(tmp_path / "n")
    node.kv.put("k", "v")
    with pytest.warns(ResourceWarning, match="was not closed"):
        del node
        gc.collect()
    with warnings.catch_warnings():
        warnings.simplefilter("error", ResourceWarning)
        with aspen.open(tmp_path / "n") as again:
            assert again.kv.get("k") is not None
        del again
        gc.collect()


@pytest.mark.parametrize("where", ["global", "cycle", "daemon thread", "sys.exit in thread pool"])
def test_interpreter_exit_closes_nodes(tmp_path: Path, where: str) -> None:
    returned, out, err = finish(
        program(
            """
            import aspen, sys, threading, time
            from concurrent.futures import ThreadPoolExecutor
            node = aspen.open(sys.argv[1])
            node.kv.put("k", "v")
            def write(count):
                for i in range(count):
                    node.kv.put("x", "y")
            if sys.argv[2] == "cycle":
                cycle = [node]
                cycle.append(cycle)
                del cycle
            elif sys.argv[2] == "daemon thread":
                threading.Thread(target=write, args=(10**9,), daemon=True).start()
                time.sleep(0.1)
            elif sys.argv[2] == "sys.exit in thread pool":
                ThreadPoolExecutor().submit(write, 100)
                sys.exit(0)
            print("end", flush=True)
            """,
            tmp_path / "n",
            where,
        )
    )
    assert returned == 0, err
    assert "was not closed" in err
    assert "Fatal" not in err
    with aspen.open(tmp_path / "n") as node:
        assert node.kv.get("k") is not None


def test_threads_that_wait_while_the_interpreter_ends(tmp_path: Path) -> None:
    """Taking the GIL back then would abort the process (before Python 3.14)."""
    returned, out, err = finish(
        program(
            """
            import aspen, sys, threading, time
            class Slow:
                def __del__(self, sleep=time.sleep):
                    sleep(0.5)  # gives up the GIL in the middle of the interpreter's end
            slow = Slow()
            sys.slow = slow
            for i in range(4):
                threading.Thread(target=aspen.connect, args=(sys.argv[1],), daemon=True).start()
            time.sleep(0.2)
            print("end", flush=True)
            """,
            unanswered_ticket(tmp_path),
        )
    )
    assert (returned, out, err) == (0, "end\n", "")


WRITER = """
    import aspen, signal, sys, time
    mode, directory = sys.argv[1:]
    node = aspen.open(directory)
    print("ready", flush=True)
    started = time.monotonic()
    try:
        if mode == "blocking":
            while time.monotonic() - started < 60:
                node.kv.put("k", "v")
        else:
            import asyncio
            from aspen import aio
            async def main():
                async with await aio.open(directory + "2") as other:
                    while time.monotonic() - started < 60:
                        await asyncio.gather(*(other.kv.put(f"k{i}", "v") for i in range(50)))
            asyncio.run(main())
    except KeyboardInterrupt:
        node.kv.put("after", "ctrl-c")
        node.close()
        print("interrupted", flush=True)
"""


@pytest.mark.parametrize("mode", ["blocking", "asyncio"])
def test_ctrl_c_while_writing(tmp_path: Path, mode: str) -> None:
    writer = program(WRITER, mode, tmp_path / "n")
    assert writer.stdout is not None and writer.stdout.readline() == "ready\n"
    time.sleep(0.3)
    writer.send_signal(signal.SIGINT)
    returned, out, err = finish(writer, 20)
    assert (returned, out) == (0, "interrupted\n"), err
    assert "Traceback" not in err and "was not closed" not in err
    with aspen.open(tmp_path / "n") as node:
        assert node.kv.get("after") is not None


def test_ctrl_c_ends_a_long_wait(tmp_path: Path) -> None:
    waiter = program(
        """
        import aspen, sys, time
        print("ready", flush=True)
        started = time.monotonic()
        try:
            aspen.connect(sys.argv[1], timeout=60)
        except KeyboardInterrupt:
            print("interrupted", flush=True)
        """,
        unanswered_ticket(tmp_path),
    )
    assert waiter.stdout is not None and waiter.stdout.readline() == "ready\n"
    time.sleep(0.5)
    sent = time.monotonic()
    waiter.send_signal(signal.SIGINT)
    returned, out, err = finish(waiter, 20)
    assert (returned, out) == (0, "interrupted\n"), err
    assert time.monotonic() - sent < 5


def test_a_signal_handler_runs_and_the_wait_goes_on(tmp_path: Path) -> None:
    rang: list[int] = []
    before = signal.signal(signal.SIGALRM, lambda number, frame: rang.append(number))
    ticket = unanswered_ticket(tmp_path)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        started = time.monotonic()
        with pytest.raises(aspen.AspenError):
            aspen.connect(ticket, timeout=1)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert rang == [signal.SIGALRM]
    assert time.monotonic() - started > 0.3


def test_a_forked_child_cannot_use_the_parents_node(embedded: aspen.Node) -> None:
    embedded.kv.put("k", "parent")
    kept = embedded.kv.batch().put("a", "1")
    child = os.fork()
    if child == 0:
        code = 1
        try:
            for call in (lambda: embedded.kv.get("k"), kept.apply, lambda: aspen.open("/nonexistent/n")):
                try:
                    call()
                    os._exit(2)
                except RuntimeError as error:
                    if "fork" not in str(error):
                        os._exit(3)
            embedded.close()
            del kept
            gc.collect()
            code = 0
        finally:
            os._exit(code)
    deadline = time.monotonic() + 20
    while (ended := os.waitpid(child, os.WNOHANG))[0] == 0 and time.monotonic() < deadline:
        time.sleep(0.02)
    if ended[0] == 0:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        pytest.fail("the child hangs")
    assert os.waitstatus_to_exitcode(ended[1]) == 0
    entry = embedded.kv.get("k")
    assert entry is not None and entry.value == b"parent"


def test_a_forked_child_exits_cleanly_and_opens_its_own(tmp_path: Path) -> None:
    returned, out, err = finish(
        program(
            """
            import aspen, multiprocessing, sys
            def child(directory):
                with aspen.open(directory) as node:
                    node.kv.put("k", "child")
            if __name__ == "__main__":
                process = multiprocessing.get_context("fork").Process(target=child, args=(sys.argv[1],))
                process.start()
                process.join(20)
                print(process.exitcode)
                with aspen.open(sys.argv[1]) as node:
                    print(node.kv.get("k").value)
            """,
            tmp_path / "n",
        )
    )
    assert (returned, out) == (0, "0\nb'child'\n"), err


def test_the_engine_is_silent_until_asked(tmp_path: Path) -> None:
    text = """
        import aspen, os, sys
        read, write = os.pipe()
        os.dup2(write, 2)
        os.close(write)
        if sys.argv[2] != "silent":
            aspen.log_to_stderr(sys.argv[2])
        with aspen.found(sys.argv[1] + "/a", "127.0.0.1:0") as first:
            ticket = first.ticket()
            with aspen.join(sys.argv[1] + "/b", "127.0.0.1:0", ticket):
                pass
        aspen.log_to_stderr("off")
        try:
            aspen.log_to_stderr("loud")
        except ValueError:
            os.close(2)
            print(os.read(read, 1 << 16).decode())
    """
    assert finish(program(text, tmp_path, "silent"))[:2] == (0, "\n")
    returned, out, err = finish(program(text, tmp_path, "debug"))
    assert returned == 0 and len(out.splitlines()) > 1
