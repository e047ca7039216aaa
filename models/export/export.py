"""Exports a checkpoint to ONNX: ``python -m models.export SOURCE DESTINATION``.

SOURCE is a transformers checkpoint of a causal language model: a directory, a hub id, or ``house``.
DESTINATION gets the graph, the configuration, the tokenizer, and the safetensors weights, from
which training starts. The graph is our own (``models/export/graph/``), ``decoder.onnx`` in fp32 and
``decoder.int8.onnx`` where quality holds (``models/export/int8_choice.py``), or, for an
architecture that it does not cover, optimum's ``model.onnx``. Weights that would pass 2 GB lie
beside the graph.
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

from models.engine.device import is_cuda_there
from models.engine.precision import Precision
from models.engine.shortlist import SHORTLIST_FILE
from models.export.int8_choice import calibration_prompts, choose_int8
from models.prompts.layout import Prompter
from models.releases.checkpoints import locate, side_files, weight_files
from schemas.errors import BackstreamError, ModelError, UnsupportedArchitecture

_TASK = "text-generation-with-past"
_INT8_WAYS = ("smoothed", "blocks")
"""Directories of the int8 graphs, the fastest first."""


def export(source: str, destination: Path) -> None:
    """Export ``source`` into ``destination``, which is made where it is not there.

    Raises ModelError where the source is not a usable checkpoint or its architecture cannot be
    exported.
    """
    directory = locate(source)
    destination.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".onnx-", dir=destination) as scratch:
        problem = _write_our_graphs(directory, Path(scratch))
        if problem:
            print(
                f"{source} is served by the plain graph, which is slower: our own does not "
                f"cover {problem}",
                file=sys.stderr,
            )
            _write_plain_graph(directory, Path(scratch))
        # Of what the exporter writes, only the graph is wanted: it also rewrites configuration and
        # tokenizer.
        for file in sorted(Path(scratch).glob("*.onnx*")):
            file.replace(destination / file.name)
        for file in (*side_files(directory), *weight_files(directory)):
            _bring(file, destination / file.name)
        _complete_config(directory, destination)
        if not problem:
            ways = [Path(scratch, way) for way in _INT8_WAYS]
            found = choose_int8(destination, ways, Prompter.load(destination))
            print(f"{source} is served in {found.chosen} on CPUs: {found}", file=sys.stderr)


def _write_our_graphs(directory: Path, scratch: Path) -> str | None:
    """Write ``decoder.onnx``, and each int8 graph in a directory. Returns what
    ``models.export.graph`` does not cover; None if all.
    """
    # Imported here, because it takes seconds: a wrong name is refused at once.
    import torch
    from transformers import AutoModelForCausalLM
    from transformers.utils.logging import set_verbosity_error

    from models.export.graph import build, equalize, measure, smooth
    from models.export.graph.shortlist import build as build_shortlist

    set_verbosity_error()
    smoothed, blocks = (scratch / way for way in _INT8_WAYS)
    try:
        model = AutoModelForCausalLM.from_pretrained(
            directory, dtype=torch.float32, local_files_only=True
        ).eval()
        build(model, scratch / Precision.FP32.file)
        if is_cuda_there():
            build(model, scratch / Precision.FP16.file, Precision.FP16)
            build_shortlist(scratch / SHORTLIST_FILE)
        for way in (smoothed, blocks):
            way.mkdir()
        ranges = measure(
            model,
            calibration_prompts(Prompter.load(directory), model.config.max_position_embeddings),
        )
        kv_ranges = equalize(model, ranges)
        build(model, blocks / Precision.INT8.file, Precision.INT8, kv_ranges=kv_ranges, blocks=True)
        smooth(model, ranges)
        build(model, smoothed / Precision.INT8.file, Precision.INT8, kv_ranges=kv_ranges)
    except UnsupportedArchitecture as uncovered:
        return str(uncovered)
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
            # Validation is left to the golden vector and to the tests, which compare the engine
            # with transformers: the exporter's own only logs, and doubles the memory.
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
    """Write the configuration with the defaults that the original may leave out; the engine reads
    them.
    """
    from transformers import AutoConfig

    AutoConfig.from_pretrained(directory, local_files_only=True).save_pretrained(destination)


def _bring(file: Path, to: Path) -> None:
    """Copy a file, or link it where it lies in the hub's cache: such files are symbolic links and
    never change.
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
