"""A cgroup of its own for a box, in each hierarchy that this machine has mounted."""

import os
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = "/sys/fs/cgroup"
PREFIX = "chatd-box"
# a new group in cpuset takes no process before it is told which processors it has
PASSED_BY = ("cpuset",)
GONE_S = 5.0


@dataclass(frozen=True)
class Hierarchy:
    """One mounted hierarchy: its options as mount(8) takes them, empty for version 2."""

    mount: Path
    options: str
    ours: Path  # the group that this process is in

    @property
    def is_whole(self) -> bool:
        """Say whether this is all there is: version 2 and nothing else."""
        return str(self.mount) == ROOT


def hierarchies() -> list[Hierarchy]:
    """Return what is mounted and may be written to; empty where no box can be had."""
    groups = {}
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        groups[controllers] = path
    found = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields, _, rest = line.partition(" - ")
        kind, _, options = rest.split()[:3]
        mount = Path(fields.split()[4])
        if kind == "cgroup2":
            controllers = ""
        elif kind == "cgroup":
            controllers = next((each for each in groups if each and each in options), "cpuset")
        else:
            continue
        ours = mount / groups.get(controllers, "/").lstrip("/")
        if controllers not in PASSED_BY and os.access(ours, os.W_OK):
            named = f"none,{controllers}" if controllers.startswith("name=") else controllers
            found.append(Hierarchy(mount, named, ours))
    return found


def remove(groups: list[Path], timeout_s: float = GONE_S) -> None:
    """Remove these groups and those inside, once their processes are gone."""
    end = time.monotonic() + timeout_s
    for group in groups:
        while group.exists():
            inside = [Path(path) for path, _, _ in os.walk(group, topdown=False)]
            try:
                for each in inside:
                    each.rmdir()
            except OSError:
                assert time.monotonic() < end, f"{group} is still in use"
                time.sleep(0.01)


def left_over() -> list[Path]:
    """Return the groups of boxes whose maker was killed."""
    return [
        group
        for hierarchy in hierarchies()
        for group in hierarchy.ours.glob(f"{PREFIX}-*-*")
        if not Path("/proc", group.name.split("-")[2]).exists()
    ]
