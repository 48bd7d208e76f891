"""What this process may use of the machine: memory and processors, as the system limits them."""

import math
import mmap
import os
from contextlib import suppress
from pathlib import Path

try:
    import resource
except ImportError:  # not a system with such limits
    resource = None  # type: ignore[assignment]

ROOT = Path("/")


def available_memory(root: Path = ROOT) -> int | None:
    """Bytes that can be had without swapping, as Linux and its control groups say; else None."""
    found: list[int] = []
    with suppress(OSError, ValueError, IndexError):
        for line in (root / "proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                found.append(int(line.split()[1]) << 10)
    for group in _control_groups("memory", root):
        with suppress(OSError, ValueError):
            found.append(_memory_left(group))
    room = address_room(root)
    return min(found if room is None else [*found, room], default=None)


def address_room(root: Path = ROOT) -> int | None:
    """Bytes of addresses that this process may still take (`ulimit -v`); None without a limit."""
    if resource is None:
        return None
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit == resource.RLIM_INFINITY:
        return None
    try:
        taken = int((root / "proc/self/statm").read_text().split()[0]) * mmap.PAGESIZE
    except (OSError, ValueError, IndexError):
        return None
    return max(0, int(limit) - taken)


def available_processors(root: Path = ROOT) -> int:
    """Processors that this process may run on, at most as many as its control groups pay for."""
    if hasattr(os, "sched_getaffinity"):
        found = [len(os.sched_getaffinity(0))]
    else:
        found = [os.cpu_count() or 1]
    for group in _control_groups("cpu", root):
        with suppress(OSError, ValueError):
            found.append(_processors_of(group))
    return max(1, min(found))


def _control_groups(controller: str, root: Path) -> list[Path]:
    """The folders whose limits hold for this process: its group and all above it."""
    folders: list[Path] = []
    with suppress(OSError, ValueError):
        for line in (root / "proc/self/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            base = root / "sys/fs/cgroup"
            if controller in controllers.split(","):
                base = base / controller  # version 1: a tree for each controller
            elif controllers:
                continue
            group = base / path.lstrip("/")
            folders += [group, *(p for p in group.parents if p.is_relative_to(base))]
    return folders


def _memory_left(group: Path) -> int:
    """What a control group may still use; its file cache can be taken back."""
    names = ("memory.max", "memory.current")
    if not (group / names[0]).exists():
        names = ("memory.limit_in_bytes", "memory.usage_in_bytes")
    limit, used = (int((group / name).read_text()) for name in names)  # "max" raises ValueError
    with suppress(OSError):
        for line in (group / "memory.stat").read_text().splitlines():
            if line.startswith("inactive_file "):
                used -= int(line.split()[1])
    return max(0, limit - used)


def _processors_of(group: Path) -> int:
    """Quota over period, rounded up."""
    if (group / "cpu.max").exists():
        quota, period = (group / "cpu.max").read_text().split()
    else:
        quota = (group / "cpu.cfs_quota_us").read_text()
        period = (group / "cpu.cfs_period_us").read_text()
    if int(quota) <= 0:
        raise ValueError("no quota")
    return math.ceil(int(quota) / int(period))
