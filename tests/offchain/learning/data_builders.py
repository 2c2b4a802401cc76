"""Builders of made-up files of devices."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from offchain.learning.user_data import UserData, UserDataOptions, load_user_data

HEADER = ("temp", "flow", "state")


def write_csv(path: Path, rows: Sequence[Sequence[object]], header: Sequence[str] = HEADER) -> Path:
    lines = [",".join(map(str, row)) for row in (header, *rows)]
    path.write_text("\n".join(lines) + "\n")
    return path


def write_parquet(path: Path, rows: Sequence[Sequence[object]], header=HEADER) -> Path:
    columns = {name: [row[i] for row in rows] for i, name in enumerate(header)}
    pq.write_table(pa.table(columns), path)
    return path


def device_rows(rows: int, seed: int) -> list[tuple[float, float, str]]:
    """Rows whose state follows from temp, both classes among the first two."""
    rng = np.random.default_rng(seed)
    made = [(20.5, 1.0, "normal"), (30.5, 1.0, "fault")]
    for _ in range(rows - 2):
        temp = round(float(rng.normal(25.0, 5.0)), 3)
        state = "fault" if temp > 25.0 else "normal"
        made.append((temp, round(float(rng.normal()), 3), state))
    return made


def device_folder(folder: Path, devices: int = 4, rows: int = 12) -> Path:
    folder.mkdir(exist_ok=True)
    for device in range(devices):
        write_csv(folder / f"pump{device}.csv", device_rows(rows, device))
    return folder


def loaded(data: Path | str, target: str = "state", *, seed: int = 1, **options) -> UserData:
    return load_user_data(UserDataOptions(str(data), target, **options), seed=seed)


def notes_of(data: UserData, kind: str) -> list[str]:
    return [note.text for note in data.notes if note.kind == kind]
