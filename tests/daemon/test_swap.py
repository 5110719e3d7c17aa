"""Promise 1 on a machine that swaps: what counts is a disk that others can read."""

from pathlib import Path

import pytest

from chatd.store import swap

HEAD = "Filename                Type            Size            Used            Priority\n"


@pytest.mark.parametrize(
    ("devices", "reaches"),
    [
        ([], False),
        (["/dev/zram0"], False),
        (["/dev/sda3"], True),
        (["/swapfile"], True),
        (["/home/zram0"], True),
        (["/dev/zram0", "/swapfile"], True),
    ],
)
def test_zram_is_no_disk_and_all_else_is(
    devices: list[str], *, reaches: bool, tmp_path: Path
) -> None:
    rows = "".join(f"{device} partition 8388604 0 -2\n" for device in devices)
    table = tmp_path / "swaps"
    table.write_text(HEAD + rows)
    assert swap.reaches_disk(table) is reaches


def test_where_the_table_is_hidden_the_kernel_tells_how_much_there_is(tmp_path: Path) -> None:
    there = Path("/proc/meminfo").read_text().split("SwapTotal:")[1].split()[0] != "0"
    assert swap.reaches_disk(tmp_path / "hidden") is there
