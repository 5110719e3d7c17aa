"""Swap: may what lies in RAM get onto a disk as it is?"""

import ctypes
from pathlib import Path

SWAPS = Path("/proc/swaps")


class _SysInfo(ctypes.Structure):
    """struct sysinfo of sysinfo(2)."""

    _fields_ = (
        ("uptime", ctypes.c_long),
        ("loads", ctypes.c_ulong * 3),
        ("totalram", ctypes.c_ulong),
        ("freeram", ctypes.c_ulong),
        ("sharedram", ctypes.c_ulong),
        ("bufferram", ctypes.c_ulong),
        ("totalswap", ctypes.c_ulong),
        ("freeswap", ctypes.c_ulong),
        ("procs", ctypes.c_ushort),
        ("totalhigh", ctypes.c_ulong),
        ("freehigh", ctypes.c_ulong),
        ("mem_unit", ctypes.c_uint),
        ("_pad", ctypes.c_char * 64),
    )


def reaches_disk(swaps: Path = SWAPS) -> bool:
    """Say whether there is swap that is neither compressed RAM (zram) nor encrypted.

    Where the table of swaps is hidden, any swap counts: sysinfo(2) tells of it all the same.
    """
    try:
        devices = [row.split()[0] for row in swaps.read_text("utf-8").splitlines()[1:]]
    except OSError:
        return _swap_bytes() > 0
    return any(not _is_harmless(Path(device)) for device in devices)


def _is_harmless(device: Path) -> bool:
    if device.name.startswith("zram") and device.parent == Path("/dev"):
        return True
    try:  # the device mapper says who made a device
        made_by = Path(f"/sys/class/block/{device.name}/dm/uuid").read_text("ascii")
    except OSError:
        return False
    return made_by.startswith("CRYPT-")


def _swap_bytes() -> int:
    info = _SysInfo()
    if ctypes.CDLL(None, use_errno=True).sysinfo(ctypes.byref(info)) != 0:
        return 0
    return int(info.totalswap) * int(info.mem_unit)
