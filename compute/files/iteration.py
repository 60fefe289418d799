"""What one iteration leaves on disk besides its maps: records of plain figures, and their files."""

from compute.files.angdist import write_angular_distribution
from compute.files.fsc_files import FscCurves, write_fsc_star, write_fsc_xml
from compute.files.model_star import ModelRecord, read_model, write_model
from compute.files.optimiser_star import OptimiserRecord, read_optimiser, write_optimiser
from compute.files.sampling_star import SamplingRecord, read_sampling, write_sampling

__all__ = [
    "FscCurves",
    "ModelRecord",
    "OptimiserRecord",
    "SamplingRecord",
    "read_model",
    "read_optimiser",
    "read_sampling",
    "write_angular_distribution",
    "write_fsc_star",
    "write_fsc_xml",
    "write_model",
    "write_optimiser",
    "write_sampling",
]
