"""Settings of post-processing: from a job's parameters and back, and the commands that ask for them."""

from pathlib import Path

import pytest

from compute.files.errors import InputError
from compute.params.postprocess import PostprocessParams
from compute.params.preview import MaskRecipe
from webapp.components.sharpen_words import commands
from webapp.sharpening import Settings, fsc_key, other_half, settings_of

PROJECT = Path("/data/beta")


def test_the_parameters_of_a_job_come_back_from_its_settings() -> None:
    asked = {
        "half1": "Refine3D/job001/run_half1_class001_unfil.mrc",
        "output": "PostProcess/job002/p",
        "mask": "MaskCreate/job003/mask.mrc",
        "own_b_factor_A2": -70.0,
        "lowpass_A": 3.0,
        "mtf": "/data/mtf.star",
        "mtf_pixel_size_A": 0.885,
        "skip_fsc_weighting": True,
    }
    settings = settings_of(asked, PROJECT)
    assert settings.half2 == PROJECT / "Refine3D/job001/run_half2_class001_unfil.mrc"
    assert settings.b_factor_A2 == -70.0 and not settings.is_weighted
    before = PostprocessParams(**asked)
    again = PostprocessParams(**settings.parameters(), output="PostProcess/job002/p")
    same = before.model_dump(exclude={"half1", "half2", "mask"})
    assert again.model_dump(exclude={"half1", "half2", "mask"}) == same
    assert again.mask == str(PROJECT / before.mask)


def test_a_fitted_b_factor_is_none_of_ones_own() -> None:
    settings = settings_of({"half1": "run_half2.mrc", "auto_b_factor": True}, PROJECT)
    assert settings.b_factor_A2 is None
    assert settings.half2 == PROJECT / "run_half1.mrc"
    assert "own_b_factor_A2" not in settings.parameters()


def test_half_maps_whose_names_say_nothing_are_refused() -> None:
    with pytest.raises(InputError, match="neither half1 nor half2"):
        other_half(Path("map.mrc"))


def test_only_what_the_curves_depend_on_counts_for_them() -> None:
    plain = Settings(Path("half1.mrc"), Path("half2.mrc"))
    sharp = Settings(Path("half1.mrc"), Path("half2.mrc"), b_factor_A2=-50.0, lowpass_A=4.0)
    masked = Settings(Path("half1.mrc"), Path("half2.mrc"), mask=Path("mask.mrc"))
    assert fsc_key(sharp) == fsc_key(plain) != fsc_key(masked)


def test_a_mask_from_a_threshold_is_made_by_a_command_of_its_own() -> None:
    recipe = MaskRecipe(map=str(PROJECT / "map.mrc"), threshold=0.02, lowpass_A=12.0)
    halves = PROJECT / "half1.mrc", PROJECT / "half2.mrc"
    first, second = commands(Settings(*halves, recipe=recipe), PROJECT).split("\n")
    assert first.startswith("halfmap mask --map map.mrc --threshold 0.02 --lowpass 12.0")
    assert second.startswith("halfmap postprocess --half1 half1.mrc --half2 half2.mrc")
    assert "--mask MaskCreate/mask.mrc" in second
    assert commands(Settings(*halves), PROJECT).count("\n") == 0
