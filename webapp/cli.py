"""The `halfmap` command."""

import importlib
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

from compute.files.errors import InputError
from compute.params.named import params_named
from compute.params.option import JobParams
from webapp.command_line import COMMANDS
from webapp.launch import local, outcome
from webapp.options import OptionError, build, help_text, parse

TEXTS = {
    "importing": "particles, micrographs and maps from outside",
    "refine": "the best map that particles and a rough map hold out",
    "rescale": "maps at another pixel size and box, exactly",
    "mask": "a soft mask of the molecule in a map, or of a shape",
    "extract": "particle images cut out of micrographs",
    "select": "particles or micrographs by value, class, image or distance",
    "simulate": "a particle set with known truth",
    "compare": "the agreement of a map with a known one",
    "postprocess": "sharpened map, FSC curves and B-factor of two half-maps",
    "local_resolution": "the resolution at each place, and a map filtered by it",
    "directional_fsc": "the FSC by direction, and how anisotropic a map is",
}
"""Jobs by name, and what each makes; their parameters are in `compute.params`."""
TOOLS: dict[str, tuple[str, str]] = {
    "serve": ("webapp.serve:main", "open the dashboard in a browser"),
    "demo": (
        "webapp.demo_live:main",
        "simulate and refine a small set in demo/, live in the dashboard",
    ),
    "chapter": (
        "webapp.chapter:main",
        "from simulated micrographs to a sharpened map, in chapter/",
    ),
    "doctor": ("webapp.doctor:main", "look at the installation"),
    "project": ("webapp.commands.project:main", "make, list, show and import projects"),
    "submit": ("webapp.commands.submit:main", "let a job wait for its turn in a project"),
    "jobs": ("webapp.commands.jobs:main_jobs", "list jobs"),
    "status": ("webapp.commands.jobs:main_status", "show a job and how far it is"),
    "log": ("webapp.commands.jobs:main_log", "show what a job has said; -f goes on"),
    "stop": ("webapp.commands.acts:main_stop", "stop a job after its iteration, or at once"),
    "continue": ("webapp.commands.acts:main_continue", "let an ended job go on"),
    "clone": ("webapp.commands.acts:main_clone", "ask for the same again in a new job"),
    "rename": ("webapp.commands.acts:main_rename", "give a job another title"),
    "delete": ("webapp.commands.acts:main_delete", "put a job into the bin, or take it out"),
    "purge": (
        "webapp.commands.acts:main_purge",
        "remove jobs of the bin, and their files, for good",
    ),
    "clean": ("webapp.commands.acts:main_clean", "make room: files of intermediate iterations"),
    "report": (
        "webapp.commands.report:main_report",
        "write a job as one document, or its provenance",
    ),
    "again": ("webapp.commands.report:main_again", "ask for a job again from its provenance"),
    "supervisor": (
        "webapp.commands.service:main_supervisor",
        "start the jobs that wait and look after them",
    ),
    "download": (
        "webapp.commands.remote:main",
        "fetch files of a job from a server on another machine",
    ),
    "token": (
        "webapp.commands.token:main",
        "list, make and revoke tokens for programs on other machines",
    ),
    "user": ("webapp.commands.user:main", "list, add, invite and disable users of the dashboard"),
    "backup": (
        "webapp.commands.backup:main",
        "copy the database while it is used, or put a copy back",
    ),
    "migrate": ("webapp.commands.service:main_migrate", "bring the database up to date"),
    "relion": ("webapp.relion_project:main", "list the jobs of a RELION project"),
}
"""Commands besides the jobs: the function of each, imported only when it is asked for, and what it is for."""
EXAMPLES = {
    "importing": 'halfmap import --i "Micrographs/*.mrc" --angpix 0.885 --kV 200 --Cs 1.4 --o Import/job001/\n'
    "halfmap import --i ../other/Refine3D/job019/run_data.star --o Import/job002/\n"
    "halfmap import --i J42/J42_particles.cs --passthrough J42/J42_passthrough_particles.cs --o Import/job003/",
    "refine": "halfmap refine --i particles.star --ref map.mrc --o Refine/run --sym D2 "
    "--particle_diameter 200 --ini_high 50 --faster --mpi 3\n\n"
    "The options of relion_refine_mpi --auto_refine can be pasted as they are.",
    "rescale": "halfmap rescale --i run_class001.mrc --match-particles particles.star --o Rescale/job020/rescaled",
    "mask": "halfmap mask --i run_class001.mrc --lowpass 15 --extend 3 --soft-edge 6 --o MaskCreate/job021/mask",
    "extract": "halfmap extract --i micrographs_ctf.star --reextract_data_star Select/job017/particles.star "
    "--recenter --o Extract/job018/particles --extract_size 360 --scale 256\n\n"
    "The options of relion_preprocess --extract can be pasted as they are.",
    "select": "halfmap select --i run_it025_data.star --classes 1,3 --o Select/job017/particles",
    "simulate": "halfmap simulate --phantom --sym D2 --o Simulated/set --particles 1000",
    "compare": "halfmap compare --i run_class001.mrc --ref truth.mrc --o fsc.json",
    "postprocess": "halfmap postprocess --i Refine/run_half1_class001_unfil.mrc --mask mask.mrc "
    "--o PostProcess/postprocess",
    "local_resolution": "halfmap local_resolution --i Refine/run_half1_class001_unfil.mrc --mask mask.mrc "
    "--o LocalRes/map --adhoc_bfac -90",
    "directional_fsc": "halfmap directional_fsc --i Refine/run_half1_class001_unfil.mrc --mask mask.mrc "
    "--o Directions/map",
}
USAGE_ERROR = 2


class Jobs(Mapping[str, tuple[type[JobParams], str]]):
    """The parameters of each job, imported only when they are asked for, and what it makes."""

    def __getitem__(self, name: str) -> tuple[type[JobParams], str]:
        text, model = TEXTS[name], params_named(name)
        assert model is not None, f"the job {name} has no parameters"
        return model, text

    def __iter__(self) -> Iterator[str]:
        return iter(TEXTS)

    def __len__(self) -> int:
        return len(TEXTS)


JOBS = Jobs()
WITHOUT_FOLDER = {"compare"}
"""Jobs that leave no records of their own."""


def queued() -> dict[str, type[JobParams]]:
    """The types of jobs that the queue takes: those that leave records."""
    return {name: model for name, (model, _) in JOBS.items() if name not in WITHOUT_FOLDER}


def main() -> None:
    """Run the command line of this process and leave with its exit status."""
    try:
        status = command(sys.argv[1:])
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read our output, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 128 + signal.SIGPIPE
    sys.exit(status)


def command(words: Sequence[str]) -> int:
    """The exit status of `halfmap` with these words."""
    name = words[0] if words else "--help"
    if name in {"--help", "-h", "help"}:
        print(_overview())
        return 0 if words else USAGE_ERROR
    if name == "--version":
        print(f"halfmap {version('halfmap')}")
        return 0
    if name in TOOLS:
        try:
            return _tool(name, words[1:])
        except SystemExit as ended:  # said by the parser of the command's options
            return ended.code if isinstance(ended.code, int) else 0
    name = {word: job for job, word in COMMANDS.items()}.get(name, name)
    if name not in JOBS:
        print(f"halfmap: '{name}' is not a command\n\n{_overview()}", file=sys.stderr)
        return USAGE_ERROR
    return _job(name, words[1:])


def tool(name: str) -> Callable[..., int]:
    """The function of a command that is no job."""
    module, _, function = TOOLS[name][0].partition(":")
    found: Callable[..., int] = getattr(importlib.import_module(module), function)
    return found


def _tool(name: str, words: Sequence[str]) -> int:
    from webapp.commands import elsewhere

    try:
        settings = elsewhere.settings_for(name, words)
    except InputError as error:
        print(f"halfmap {name}: {error}", file=sys.stderr)
        return USAGE_ERROR
    if settings is not None:
        return tool(elsewhere.ONLY_THERE)(name, words, settings, queued())
    if name == "submit":
        return tool(name)(words, queued())
    if name in ("serve", "demo"):
        return tool(name)(words, {job: JOBS[job] for job in queued()})
    return tool(name)(words)


def _overview() -> str:
    texts = {name: text for name, (_, text) in TOOLS.items()}
    texts = TEXTS | texts
    rows = "\n".join(f"  {COMMANDS.get(name, name):<18}{text}" for name, text in texts.items())
    return f"halfmap COMMAND [options]; 'halfmap COMMAND --help' lists them.\n\n{rows}"


def _job(name: str, words: Sequence[str]) -> int:
    model, word = JOBS[name][0], COMMANDS.get(name, name)
    try:
        parsed = parse(model, words)
        if parsed.wants_help or not words:
            print(f"{EXAMPLES[name]}\n\n{help_text(model)}")
            return 0 if words else USAGE_ERROR
        params = build(model, parsed)
        for note in parsed.notes:
            print(f"halfmap {word}: {note}", flush=True)
        return start(name, params)
    except (OptionError, local.LaunchError) as error:
        for line in str(error).splitlines():
            print(f"halfmap {word}: {line}", file=sys.stderr)
        return USAGE_ERROR


def start(name: str, params: JobParams) -> int:
    """Exit status of a job that runs to its end in the folder of its output."""
    local.check_plain_start(os.environ)
    asked = params.model_dump(mode="json", exclude_unset=True)
    share = local.Share(1, local.cores())
    if name == "refine":
        from compute.params.refine import RefineParams

        assert isinstance(params, RefineParams)
        gpus = local.gpus_asked(params.gpu, local.gpus_present() if params.gpu == "" else 0)
        share = local.share(params.mpi, params.threads, local.cores(), gpus)
        asked |= {"mpi": share.ranks, "threads": share.threads}
    folder = Path(str(asked["output"])).parent
    job_id = local.new_job_id()
    job_file = local.write_job(folder, name, asked, job_id)
    threads = local.library_threads(name, share.threads)
    variables = local.environment(dict(os.environ), job_id, threads)
    words = local.command(job_file, share.ranks)
    if name in WITHOUT_FOLDER:
        return local.run(words, variables)
    ending = outcome.Watch(Path(str(asked["output"])))
    return ending.settle(local.run(words, variables))


if __name__ == "__main__":
    main()
