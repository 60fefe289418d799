"""The parameters of a selection of particles or micrographs."""

from typing import Annotated

from pydantic import field_validator, model_validator

from compute.params.condition import parse_conditions, parse_numbers
from compute.params.option import JobParams, option
from compute.params.output import output_root

IO, VALUES, CLASSES = "Input and output", "By value", "By class"
IMAGES, DUPLICATES, GROUPS, SPLIT = "By image", "Duplicates", "Groups", "Subsets"


class SelectParams(JobParams):
    """Rows of a STAR file to keep. What is asked for is done in this order, each on what is left."""

    # fmt: off
    # A table: one option after the other, with group, help, RELION's names and bounds.
    tables: Annotated[str, option(IO,
        "STAR file of particles or micrographs; several, with commas between them, are joined first.",
        "--i")]
    output: Annotated[str, option(IO,
        "Folder and first part of the names: OUT/particles is OUT/particles.star. Files of an earlier "
        "run are moved to superseded/.", "--o")]

    conditions: Annotated[str, option(VALUES,
        "What the columns must be, with semicolons between: 'rlnCtfMaxResolution <= 5; "
        "rlnDefocusU in 5000..25000; rlnMicrographName ~ grid2'.")] = ""
    column: Annotated[str, option(VALUES,
        "A column whose values must be in a range.", "--select", advanced=True)] = ""
    minimum: Annotated[float | None, option(VALUES,
        "Smallest value that is kept.", "--minval", advanced=True)] = None
    maximum: Annotated[float | None, option(VALUES,
        "Largest value that is kept.", "--maxval", advanced=True)] = None
    text_column: Annotated[str, option(VALUES,
        "A column of text that must hold a word, or must not.",
        "--select_by_str", advanced=True)] = ""
    includes: Annotated[str, option(VALUES,
        "The word that it must hold.", "--select_include", advanced=True)] = ""
    excludes: Annotated[str, option(VALUES,
        "The word that it must not hold.", "--select_exclude", advanced=True)] = ""

    classes: Annotated[str, option(CLASSES,
        "Classes of a classification's run_itNNN_data.star to keep, as in 1,3-4.")] = ""

    discard_odd_images: Annotated[bool, option(IMAGES,
        "Leave out particles whose image has an unusual mean or deviation, or is not finite.",
        "--discard_on_stats")] = False
    discard_sigma: Annotated[float, option(IMAGES,
        "How many deviations from the mean of all images are unusual.",
        "--discard_sigma", gt=0.0, le=1000.0)] = 4.0

    duplicate_distance_A: Annotated[float, option(DUPLICATES,
        "Of particles nearer to each other than this, keep one.",
        "--remove_duplicates", zero_is_off=True, ge=0.0, le=1e5)] = 0.0
    prefer: Annotated[str, option(DUPLICATES,
        "Column by which the better one is kept, as rlnMaxValueProbDistribution; without it, the "
        "first in the file.")] = ""
    prefer_smaller: Annotated[bool, option(DUPLICATES,
        "The smaller value is the better one.", advanced=True)] = False
    micrograph_pixel_size_A: Annotated[float | None, option(DUPLICATES,
        "Pixel size of the micrographs in which coordinates count, where the file does not say it.",
        "--image_angpix", gt=0.0, le=1000.0)] = None

    regroup_count: Annotated[int, option(GROUPS,
        "Make this many intensity groups of like micrographs, of at least ten particles on average.",
        "--regroup", zero_is_off=True, ge=0, le=100000)] = 0

    split: Annotated[bool, option(SPLIT,
        "Split what is left into subsets; a number or size of subsets says so too.",
        "--split", advanced=True)] = False
    split_count: Annotated[int, option(SPLIT,
        "Number of subsets, of equal size where no size is given.",
        "--nr_split", zero_is_off=True, ge=0, le=100000)] = 0
    split_size: Annotated[int, option(SPLIT,
        "Size of the subsets; the last one holds the rest.",
        "--size_split", zero_is_off=True, ge=0, le=10 ** 9)] = 0
    random_order: Annotated[bool, option(SPLIT,
        "Draw the subsets at random; if not, they follow the order of the file.",
        "--random_order")] = False
    random_seed: Annotated[int, option(SPLIT,
        "Seed of the draw; -1 draws one, which is recorded.",
        "--random_seed", advanced=True, ge=-1, le=2 ** 31 - 1)] = -1
    # fmt: on

    @field_validator("output")
    @classmethod
    def _root(cls, value: str) -> str:
        return output_root(value, "particles", ".star")

    @field_validator("conditions")
    @classmethod
    def _understood(cls, value: str) -> str:
        parse_conditions(value)
        return value

    @field_validator("classes")
    @classmethod
    def _numbers(cls, value: str) -> str:
        parse_numbers(value)
        return value

    @model_validator(mode="after")
    def _agree(self) -> "SelectParams":
        if not self.tables.strip():
            raise ValueError("no tables are named: give a STAR file (--i)")
        if not self.output:
            raise ValueError(
                "no output is named: give a folder and a first part, --o OUT/particles"
            )
        if self.column and self.minimum is None and self.maximum is None:
            raise ValueError(f"no range is given for {self.column}: give --minval or --maxval")
        if not self.column and (self.minimum is not None or self.maximum is not None):
            raise ValueError("a range is given without a column: name it with --select")
        if bool(self.text_column) != bool(self.includes or self.excludes):
            raise ValueError("a column of text and a word belong together: give both")
        if self.split and not (self.split_count or self.split_size):
            raise ValueError("into how many subsets? Give --split-count or --split-size")
        if self.prefer and not self.duplicate_distance_A:
            raise ValueError(f"{self.prefer} decides nothing without a distance of duplicates")
        return self
