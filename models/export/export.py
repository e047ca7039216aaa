"""Exports a checkpoint to ONNX: ``python -m models.export SOURCE DESTINATION``.

SOURCE is a transformers checkpoint of a causal language model: a directory, a hub id, or ``house``.
DESTINATION gets the graphs, the configuration, the tokenizer, and the safetensors weights, from
which training starts. A prompts file that DESTINATION has takes the place of the source's. The
graphs are built by ``models/export/graph/``: ``decoder.onnx`` in fp32, and ``decoder.int8.onnx``
where quality holds (``models/export/int8_choice.py``). An architecture that they do not support
gets optimum's ``model.onnx``. Weights of more than 2 GB are written beside their graph.
"""

import os

# Must precede torch: see models/house/train.py.
os.environ.setdefault("ONEDNN_MAX_CPU_ISA", "AVX512_CORE_BF16")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import shutil
import sys
import tempfile
import warnings
from pathlib import Path

from models.engine.cuda import is_cuda_there
from models.engine.shortlist import SHORTLIST_FILE
from models.export.int8_choice import choose_precision, compare
from models.export.int8_comparison import Int8Comparison
from models.export.seed_pairs import PAIRS, calibration_prompts
from models.precision import Precision
from models.progress import Report, at_intervals
from models.prompts.layout import Prompter
from models.prompts.own.directory import PROMPTS_FILE, templates_of
from models.prompts.templates import Templates
from models.releases.checkpoints import locate, side_files, weight_files
from schemas.errors import BackstreamError, ModelError, UnsupportedArchitecture

_TASK = "text-generation-with-past"


def print_to_stderr(line: str) -> None:
    """Where an export reports by default: a training process prints its own events to stdout."""
    print(line, file=sys.stderr, flush=True)


def export(
    source: str, destination: Path, *, pairs: int = PAIRS, report: Report = print_to_stderr
) -> None:
    """Export ``source`` into ``destination``, which is created if it does not exist.

    ``pairs`` is the most human pairs that an int8 graph is fitted on, and the most that it is
    compared with fp32 on. ``report`` gets a line every few seconds.

    Raises ModelError where the source is not a usable checkpoint or its architecture cannot be
    exported.
    """
    directory = locate(source)
    destination.mkdir(parents=True, exist_ok=True)
    own = destination / PROMPTS_FILE
    templates = templates_of(destination if own.is_file() else directory)
    with tempfile.TemporaryDirectory(prefix=".onnx-", dir=destination) as scratch:
        unsupported = _write_our_graphs(directory, Path(scratch), pairs, report, templates)
        if unsupported:
            report(
                f"{source} is served by optimum's graph, which is slower: the engine's own does "
                f"not support {unsupported}"
            )
            _write_plain_graph(directory, Path(scratch))
        # Only the graph of what optimum writes: it also rewrites configuration and tokenizer.
        for file in sorted(Path(scratch).glob("*.onnx*")):
            file.replace(destination / file.name)
        for file in (*side_files(directory), *weight_files(directory)):
            if file.name != PROMPTS_FILE or not own.is_file():
                _copy_or_link(file, destination / file.name)
        _complete_config(directory, destination)
        if not unsupported:
            found = compare(Int8Comparison(destination, Prompter.load(destination), pairs), report)
            choose_precision(destination, found)
            report(f"{source} is served in {found.chosen} on CPUs: {found}")


def _write_our_graphs(
    directory: Path, scratch: Path, pairs: int, report: Report, templates: Templates
) -> str | None:
    """Write ``decoder.onnx`` and ``decoder.int8.onnx``.

    Returns which part of the architecture ``models.export.graph`` does not support; None if all
    of it is.
    """
    # Imported here, because it takes seconds: a wrong name is refused at once.
    import torch
    from transformers import AutoModelForCausalLM
    from transformers.utils.logging import set_verbosity_error

    from models.export.graph import build, equalize, measure, rotate
    from models.export.graph.shortlist import build as build_shortlist

    set_verbosity_error()
    report("loading the weights")
    try:
        model = AutoModelForCausalLM.from_pretrained(
            directory, dtype=torch.float32, local_files_only=True
        ).eval()
        report("writing the fp32 graph")
        build(model, scratch / Precision.FP32.file)
        if is_cuda_there():
            build(model, scratch / Precision.FP16.file, Precision.FP16)
            build_shortlist(scratch / SHORTLIST_FILE)
        prompts = calibration_prompts(
            Prompter.load(directory, templates), model.config.max_position_embeddings, pairs
        )
        tick = at_intervals(report)
        ranges = measure(
            model,
            prompts,
            lambda done: tick(f"measuring activations: {done} of {len(prompts)} prompts"),
        )
        kv_ranges = equalize(model, ranges)
        report("writing the int8 graph")
        rotate(model)
        build(model, scratch / Precision.INT8.file, Precision.INT8, kv_ranges=kv_ranges)
    except UnsupportedArchitecture as error:
        return str(error)
    except BackstreamError:
        raise
    except Exception as error:  # loaders and model code raise anything
        raise ModelError(
            f"{directory} cannot be loaded as a causal language model: {_first_line(error)}"
        ) from error
    return None


def _write_plain_graph(directory: Path, scratch: Path) -> None:
    from optimum.exporters.onnx import main_export
    from transformers.utils.logging import set_verbosity_error

    set_verbosity_error()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the tracer warns of every branch on a shape
        try:
            # The exporter's own validation only logs, and doubles the memory. Releases are
            # validated by their golden vectors.
            main_export(
                str(directory),
                scratch,
                task=_TASK,
                device="cpu",
                dtype="fp32",
                library_name="transformers",
                local_files_only=True,
                do_validation=False,
            )
        except Exception as error:  # exporter, tracer and model code raise anything
            raise ModelError(
                f"{directory} cannot be exported to ONNX: {_first_line(error)}"
            ) from error
    if not (scratch / "model.onnx").is_file():
        raise ModelError(
            f"{directory} was exported to {sorted(f.name for f in scratch.iterdir())}, "
            "without a model.onnx"
        )


def _complete_config(directory: Path, destination: Path) -> None:
    """Write the configuration with the defaults that the original may leave out.

    The engine reads them.
    """
    from transformers import AutoConfig

    AutoConfig.from_pretrained(directory, local_files_only=True).save_pretrained(destination)


def _copy_or_link(file: Path, to: Path) -> None:
    """Copy a file, or link it where it lies in the hub's cache.

    Files of that cache are symbolic links and never change.
    """
    to.unlink(missing_ok=True)
    if file.is_symlink():
        try:
            os.link(file.resolve(), to)
            return
        except OSError:  # another file system
            pass
    shutil.copyfile(file, to)


def _first_line(error: Exception) -> str:
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__
