"""One start for all processes of a job on a machine: the first one loads the libraries, the others are its copies.

`python compute/handover.py job.json` is what mpiexec starts on each rank. The first of a machine goes on as `python -m
compute`. The others hand what makes them a rank, their connection to mpiexec, their streams and their environment, to
that one over a socket, and wait. When it has loaded the libraries it makes a copy of itself for each of them, which
goes on as that rank. The libraries so are loaded once, and lie in memory once. Whoever finds nobody to take him, as
under another launcher than MPICH's, starts by himself.

Nothing but the standard library is imported here: these processes are to begin at once.
"""

import array
import contextlib
import gc
import os
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import NoReturn

LISTENER = "HALFMAP_HANDOVER_FD"
"""The variable that names the socket on which the first process of a machine listens."""
OURS = "HALFMAP_OWN_LAUNCHER"
"""The variable that tells a rank that this environment's own mpiexec has started it, whose language is known."""
PATIENCE_S = 2.0
"""So long a process tries to reach the first one, which needs a hundredth of that."""
WORDS = ("-P", "-m", "mpi4py.run", "-m", "compute")
ALONE, TAKEN = b"a", b"t"
ENDED, KILLED = b"e", b"k"
PR_SET_PDEATHSIG = 1
STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
MOST_BYTES = 1 << 22
GOODBYE, UNDERSTOOD = b"cmd=finalize\n", b"cmd=finalize_ack"
"""What MPI's library and MPICH's launcher say to each other when a rank has ended well (PMI-1)."""
PMI_VERSION = "MPIR_CVAR_PMI_VERSION"
"""The variable by which a user makes MPICH speak otherwise."""
_to_waiting: list[socket.socket] = []
_watches: list[threading.Thread] = []


def main(arguments: list[str]) -> NoReturn:
    """Start as a rank, or hand it over and end when it has ended."""
    seat = _seat(os.environ)
    if seat is None:
        _start(arguments)
    os.environ[OURS] = "1"
    if seat[1] == 1:
        _start(arguments)
    if seat[0] == 0:
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            listener.bind(_address())
            listener.listen(seat[1])
        except OSError:
            _start(arguments)
        listener.set_inheritable(True)
        os.environ[LISTENER] = str(listener.fileno())
        _start(arguments)
    taker = _reached()
    if taker is None:
        _start(arguments)
    _hand_over(taker)
    answer = _received(taker)
    if answer == ALONE:
        taker.close()
        _start(arguments)
    if not answer:
        sys.exit(0)  # the first process has ended and says why
    _wait(taker)


def _wait(taker: socket.socket) -> NoReturn:
    """End when, and as, the copy ends that goes on as this rank."""
    for number in STOPS:
        signal.signal(number, signal.SIG_IGN)  # the leader ends the job, and with it this rank
    die_with_parent()
    said = b""
    while more := taker.recv(MOST_BYTES):
        said += more
    words = [(said[k : k + 1], said[k + 1]) for k in range(0, len(said) - 1, 2)]
    for kind, ending in words:
        if kind == KILLED:
            if ending in STOPS:
                signal.signal(ending, signal.SIG_DFL)
            os.kill(os.getpid(), ending)
    os._exit(next((ending for kind, ending in words if kind == ENDED), 1))


def die_with_parent() -> None:
    """Ask the kernel to end this process when its parent ends, so that no rank is left behind."""
    if sys.platform == "linux":
        import ctypes

        parent = os.getppid()
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGKILL)


def _seat(variables: Mapping[str, str]) -> tuple[int, int] | None:
    """Number among the processes on this machine, and how many those are, as MPICH's launcher says; None elsewhere."""
    words = [variables.get(name, "") for name in ("MPI_LOCALRANKID", "MPI_LOCALNRANKS", "PMI_FD")]
    if sys.platform != "linux" or not all(word.isdigit() for word in words):
        return None
    return int(words[0]), int(words[1])


def _start(arguments: list[str]) -> NoReturn:
    """Become the engine."""
    os.execv(sys.executable, [sys.executable, *WORDS, *arguments])


def _address() -> bytes:
    """Where the processes of one launcher on this machine meet: no file, and gone with them."""
    return b"\0halfmap-%d-%d" % (os.getuid(), os.getppid())


def _reached() -> socket.socket | None:
    """A connection to the first process; None where there is none of this user."""
    deadline = time.monotonic() + PATIENCE_S
    taker = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    while True:
        try:
            taker.connect(_address())
            break
        except OSError:
            if time.monotonic() > deadline:
                return None
            time.sleep(0.002)
    return taker if _is_ours(taker) else None


def _is_ours(other: socket.socket) -> bool:
    """Whether the process at the other end is this user's, and was started by the same launcher."""
    told = other.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    process, user = (int.from_bytes(told[k : k + 4], sys.byteorder) for k in (0, 4))
    try:
        with open(f"/proc/{process}/stat", encoding="utf-8", errors="replace") as file:
            parent = int(file.read().rpartition(")")[2].split()[1])
    except (OSError, ValueError, IndexError):
        return False
    return user == os.getuid() and parent == os.getppid()


def _received(other: socket.socket) -> bytes:
    """The next byte from there; none when that end is closed."""
    try:
        return other.recv(1)
    except OSError:
        return b""


def _hand_over(taker: socket.socket) -> None:
    """Send what makes this process a rank."""
    text = b"\0".join(name + b"=" + value for name, value in os.environb.items())
    fds = array.array("i", [0, 1, 2, int(os.environ["PMI_FD"])])
    taker.sendmsg(
        [len(text).to_bytes(4, "big")], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds.tobytes())]
    )
    taker.sendall(text)


# ---- in the first process, and its copies


def branch_off(can_copy: bool, prepare: Callable[[], None]) -> None:
    """Take over the processes that wait here, of which none may have begun with MPI: returns in each of them.

    can_copy: else they are told to start by themselves. The first copy calls `prepare` before the others are made of
    it; the process itself goes on at once.
    """
    waiting = _waiting()
    if not can_copy or threading.active_count() > 1:
        for one in waiting:
            one.sendall(ALONE)
            one.close()
        return
    if not waiting:
        return
    first, others = waiting[0], waiting[1:]
    gc.freeze()  # what is there stays, and need not be looked through by each of them
    copy = os.fork()
    if copy:
        for one in others:
            one.close()
        _watch(copy, first)
        return
    prepare()
    copies = []
    for own in others:
        copy = os.fork()
        if not copy:
            for one in waiting:
                if one is not own:
                    one.close()
            _become(own)
            return
        copies.append((copy, own))
    for copy, own in copies:
        _watch(copy, own)
    _become(first)


def _watch(copy: int, own: socket.socket) -> None:
    """Tell the process whose rank a copy has how the copy has ended, by a thread that waits for it."""

    def wait() -> None:
        _, status = os.waitpid(copy, 0)
        number = os.waitstatus_to_exitcode(status)
        said = KILLED + bytes([-number]) if number < 0 else ENDED + bytes([number])
        with contextlib.suppress(OSError):
            own.sendall(said)
        own.close()

    _watches.append(threading.Thread(target=wait, daemon=True))
    _watches[-1].start()


def _waiting() -> list[socket.socket]:
    """Connections of the processes of this machine that wait to be taken over."""
    seat, word = _seat(os.environ), os.environ.pop(LISTENER, "")
    if seat is None or not word:
        return []
    found = []
    with socket.socket(fileno=int(word)) as listener:
        listener.settimeout(PATIENCE_S)
        for _ in range(seat[1] - 1):
            try:
                one, _address = listener.accept()
            except OSError:
                break
            if _is_ours(one):
                found.append(one)
    return found


def _become(own: socket.socket) -> None:
    """Go on as the rank that waits at the other end; die when it is killed."""
    own.setblocking(True)
    length, ancillary, _flags, _from = own.recvmsg(4, socket.CMSG_SPACE(16))
    fds = array.array("i")
    fds.frombytes(ancillary[0][2][:16])
    text = b""
    while len(text) < int.from_bytes(length, "big"):
        text += own.recv(MOST_BYTES)
    os.close(int(os.environ["PMI_FD"]))
    os.environb.clear()
    for line in text.split(b"\0"):
        name, _, value = line.partition(b"=")
        os.environb[name] = value
    for number, fd in enumerate(fds[:3]):
        os.dup2(fd, number)
        os.close(fd)
    os.environ["PMI_FD"] = str(fds[3])
    os.set_inheritable(fds[3], True)
    own.sendall(TAKEN)
    _to_waiting.append(own)
    threading.Thread(target=_die_with, args=(own,), daemon=True).start()


def _die_with(own: socket.socket) -> None:
    """End this process when the one that handed its rank over is gone."""
    _received(own)
    os._exit(1)


def tell(status: int) -> None:
    """Say with which status this process ends, where another waits for it."""
    for own in _to_waiting:
        own.sendall(ENDED + bytes([status]))


def say_goodbye() -> bool:
    """Tell MPICH's launcher that this rank has ended well, and wait for the copies to end; whether it has understood.

    MPI's library does so only while the C library takes the process apart, for a fifth of a second. To be called after
    MPI's end. The processor time of a copy that has been waited for counts as its family's.
    """
    if _seat(os.environ) is None or OURS not in os.environ or PMI_VERSION in os.environ:
        return False
    descriptor = int(os.environ["PMI_FD"])
    try:
        os.write(descriptor, GOODBYE)
        is_heard = bool(select.select([descriptor], [], [], PATIENCE_S)[0])
        is_understood = is_heard and os.read(descriptor, 256).startswith(UNDERSTOOD)
    except OSError:
        return False
    for watch in _watches:
        watch.join(PATIENCE_S)
    return is_understood


if __name__ == "__main__":
    main(sys.argv[1:])
