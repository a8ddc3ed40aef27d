"""Settings from Python are held to what a config may say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import varprobe
from varprobe import Settings

CONFIG = {"input": {"features": 4}, "layers": [{"dense": 4, "repeat": 4}], "probe": {"batch": 4, "trials": 2}}


@pytest.mark.parametrize(
    "wrong",
    [
        {"trials": 0},
        {"trials": -1},
        {"trials": 2.5},
        {"trials": None},
        {"batch": 0},
        {"dtype": "float16"},
        {"engine": "none"},
        {"seed": -1},
        {"seed": None},
        {"threads": 0},
    ],
    ids=str,
)
@pytest.mark.parametrize("work", [varprobe.run, varprobe.predict, varprobe.check])
def test_settings_that_cannot_be_are_refused_with_their_field(work: Any, wrong: dict[str, Any]) -> None:
    with pytest.raises(varprobe.VarprobeError) as caught:
        work(CONFIG, Settings(**{"batch": 4, "trials": 2, **wrong}))
    assert next(iter(wrong)) in str(caught.value)


def test_numpy_s_whole_numbers_are_whole_numbers() -> None:
    plain = varprobe.run(CONFIG, set={"layers.0.repeat": 3, "probe": {"batch": 3, "trials": 2}})
    numpy = varprobe.run(
        CONFIG, set={"layers.0.repeat": np.int64(3), "probe": {"batch": np.int32(3), "trials": np.uint8(2)}}
    )
    assert numpy.layers == plain.layers
    settings = Settings(batch=np.int64(4), trials=np.int64(2))  # type: ignore[arg-type]  # as code of users does
    assert varprobe.run(CONFIG, settings).layers == varprobe.run(CONFIG).layers


@pytest.mark.parametrize("work", [varprobe.run, varprobe.predict, varprobe.check, varprobe.tune, varprobe.load])
def test_nothing_is_no_config(work: Any) -> None:
    with pytest.raises(varprobe.VarprobeError, match="is no config"):
        work(None)
