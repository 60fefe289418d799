"""The output that a job is asked for: a folder and the first part of the names in it."""


def output_root(value: str, name: str, suffix: str) -> str:
    """Folder and first part of the names, from what a user wrote.

    A folder (with / at its end) gets `name`, and the suffix of a whole file name, as RELION's programs take it, is
    left out: `MaskCreate/job020/` and `MaskCreate/job020/mask.mrc` are both `MaskCreate/job020/mask`.
    """
    if not value or value.endswith("/"):
        return value + name if value else value
    return value.removesuffix(suffix) or value
