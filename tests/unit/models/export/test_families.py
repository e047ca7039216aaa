"""Decoders of every supported architecture, tiny and random.

They are prompted by their own template, and generate the tokens of transformers.
"""

import asyncio
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from models.export.export import export
from models.prompts.template import Family
from models.releases.facts import ModelFacts
from models.releases.golden import Origin, write_manifest
from models.sampling import Sampling
from models.serving.served_model import ServedModel
from models.serving.trial import try_model
from tests.unit.checkpoints import make_checkpoint

_CHAT = (
    "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}{% if add_generation_prompt "
    "%}<assistant>{% endif %}"
)
_PASSAGE = (
    "Rain falls when the air holds more water than it can carry. Warm air carries more of it "
    "than cold air does."
)
_FAMILIES = ["llama", "qwen2", "qwen3", "mistral", "gemma"]


@pytest.fixture(
    scope="module", params=[(name, chat) for name in _FAMILIES for chat in (True, False)], ids=str
)
def release(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path]:
    """A checkpoint and its export, with a chat template or without."""
    architecture, chat = request.param
    directory = tmp_path_factory.mktemp(architecture)
    checkpoint = make_checkpoint(
        directory / "checkpoint",
        architecture=architecture,
        markers=False,
        chat_template=_CHAT if chat else "",
        context=8192,
    )
    destination = directory / "release"
    export(str(checkpoint), destination, pairs=1)  # these tests do not look at int8
    asyncio.run(write_manifest(destination, Origin(id=architecture, base=architecture)))
    return checkpoint, destination


@pytest.mark.slow
async def test_it_writes_and_rates_as_transformers_does(release: tuple[Path, Path]) -> None:
    checkpoint, directory = release
    served = await ServedModel.load(directory, device="cpu", threads=1, precision="fp32")
    try:
        prompter = served.prompter
        assert prompter.family is (Family.CHAT if prompter.chat else Family.PLAIN)
        written = await served.engine.generate(
            prompter.backward(_PASSAGE), Sampling(max_tokens=16), ()
        )
        prompt = prompter.rating("Why does it rain?", _PASSAGE)
        rating = await served.rate("Why does it rain?", _PASSAGE, None)
        trial = await try_model(served, _PASSAGE, Sampling(max_tokens=8))
    finally:
        served.close()
    model = AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32).eval()
    asked = torch.tensor([prompter.backward(_PASSAGE)])
    with torch.no_grad():
        expected = model.generate(
            asked,
            attention_mask=torch.ones_like(asked),
            do_sample=False,
            max_new_tokens=16,
            eos_token_id=None,
        )
        digits = model(torch.tensor([prompt])).logits[0, -1, list(prompter.digit_ids)].softmax(-1)
    assert list(written.ids) == expected[0, asked.shape[1] :].tolist()
    assert rating.probabilities == pytest.approx(digits.tolist(), abs=1e-4)
    assert _PASSAGE in trial.backward_prompt
    assert _PASSAGE in trial.rating_prompt
    assert trial.generated_tokens <= 8


@pytest.mark.slow
def test_its_facts_are_read_off_its_files(release: tuple[Path, Path]) -> None:
    checkpoint, directory = release
    facts = ModelFacts.read(directory)
    model = AutoModelForCausalLM.from_pretrained(checkpoint)
    assert facts.parameters == sum(p.numel() for p in model.parameters())
    assert facts.architecture == model.config.model_type
    assert facts.context_window == 8192
    assert facts.bytes > 0
    assert facts.graph == "own"


def test_an_unsupported_architecture_is_served_by_the_plain_graph(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint = make_checkpoint(tmp_path / "checkpoint", width=32)  # heads of 8
    export(str(checkpoint), tmp_path / "release")
    asyncio.run(write_manifest(tmp_path / "release", Origin(id="small", base="small")))
    assert ModelFacts.read(tmp_path / "release").graph == "plain"
    assert "does not support heads of 8 numbers" in capsys.readouterr().err
