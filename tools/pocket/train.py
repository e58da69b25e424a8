"""A whole training: words, icons, autoencoder, text encoder, data, UNet, decoder, ControlNets, LoRA, export.

Every stage keeps its state in the output folder and is skipped or resumed when run again, so a training can
be cut into short runs. On a CPU two processes of one thread each run the recipe's two lanes side by side (one
thread on two cores is faster than two threads on each), and while the second has nothing to do, the UNet
takes its core as well; on CUDA one process runs all stages in order.
"""

from __future__ import annotations

import copy
import json
import multiprocessing
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from . import (
    autoencoder,
    checkpoint,
    control,
    data,
    denoising,
    export,
    icons,
    journal,
    lora,
    memory,
    recipes,
    styles,
    text_encoder,
    tokenizer,
    unet,
)

STAGES = (
    "words",
    "icons",
    "autoencoder",
    "text",
    "data",
    "unet",
    "decoder",
    "scribble",
    "depth",
    "pencil",
    "export",
)


@dataclass(frozen=True)
class Run:
    """One training: where its files lie and on what it computes."""

    out: Path
    budget_minutes: float
    device: torch.device
    seed: int = 1
    start: Path | None = None
    """A Pocket folder whose autoencoder, tokenizer, text encoder and UNet this training goes on from."""

    @property
    def recipe(self) -> recipes.Recipe:
        """The recipe for the budget."""
        return recipes.choose(self.budget_minutes, self.device.type == "cuda", self.start is not None)

    @property
    def side_by_side(self) -> bool:
        """Whether two processes share the work."""
        return self.device.type == "cpu" and (os.cpu_count() or 1) > 1

    def seconds(self, stage: str) -> float:
        """The stage's part of the budget."""
        shares = self.recipe.shares
        whole = 1.0 if self.side_by_side else sum(shares.values())
        return self.budget_minutes * 60 * shares[stage] / whole

    @property
    def shards(self) -> data.Shards:
        """The folder of latents."""
        return data.Shards(self.out / "latents")

    @property
    def course(self) -> denoising.Course:
        """What the trainings on shards share."""
        words = tokenizer.load(self.out / "tokenizer")
        text = text_encoder.load(self.out / "text_encoder").to(self.device).eval().requires_grad_(False)
        blank = tokenizer.encode(words, [""])[0]
        return denoising.Course(
            self.out, self.shards, text, blank, self.device, self.seed, self.other_lane_rests
        )

    def other_lane_rests(self) -> bool:
        """Whether the second lane has nothing to do now: each of its stages is finished, or waits."""
        return self.side_by_side and all(
            _done(self, stage).exists() or any(not path.exists() for path in _needs(self, stage))
            for stage in self.recipe.lanes[1]
        )


def run(settings: Run, stages: Sequence[str], target: Path) -> None:
    """Run the named stages, in two processes where there are two cores and a CPU computes."""
    settings.out.mkdir(parents=True, exist_ok=True)
    wanted = [stage for stage in STAGES if stage in settings.recipe.stages and stage in stages]
    lanes = [[stage for stage in lane if stage in wanted] for lane in settings.recipe.lanes]
    if settings.side_by_side and all(lanes):
        beside = multiprocessing.get_context("spawn").Process(
            target=run_lane, args=(settings, lanes[1], target)
        )
        beside.start()
        try:
            run_lane(settings, [stage for stage in lanes[0] if stage != "export"], target, beside)
            beside.join()
        finally:
            beside.kill()
        if beside.exitcode:
            raise RuntimeError("The second process of the training failed; its message stands above.")
        if "export" in wanted:
            run_lane(settings, ["export"], target)
    else:
        run_lane(settings, wanted, target)


def run_lane(
    settings: Run,
    stages: Sequence[str],
    target: Path,
    beside: multiprocessing.process.BaseProcess | None = None,
) -> None:
    """Run stages one after the other, each as soon as what it needs is there."""
    memory.keep()
    torch.set_num_threads(1)
    torch.manual_seed(settings.seed)
    for stage in stages:
        if stage != "export" and _done(settings, stage).exists():
            continue
        while missing := [path for path in _needs(settings, stage) if not path.exists()]:
            other = beside or multiprocessing.parent_process()
            if other is None or not other.is_alive():
                raise FileNotFoundError(f"{stage} needs {missing[0]}: run the stage that makes it first.")
            time.sleep(0.5)
        icons.use(settings.out / "icons")
        began = journal.seconds(settings.device)
        if stage == "export":
            export_model(settings, target)
        elif stage in data.HINTS:
            train_control(settings, stage)
        elif stage in styles.STYLES:
            train_style(settings, stage)
        else:
            _STAGES[stage](settings)
        _done(settings, stage).parent.mkdir(exist_ok=True)
        _done(settings, stage).touch()
        journal.write(settings.out, stage=stage, done=journal.seconds(settings.device) - began)


def train_words(settings: Run) -> None:
    """Tokenizer: learned, or the starting weights' own, which spells any new word."""
    folder = settings.out / "tokenizer"
    if settings.start:
        tokenizer.load(settings.start / "tokenizer").save_pretrained(folder)
    else:
        tokenizer.train(folder)


def fetch_icons(settings: Run) -> None:
    """Icons from npm; without a network, or without npm, the training goes on without icons."""
    try:
        icons.fetch(settings.out / "icons")
    except (OSError, ImportError, icons.Unreachable) as error:
        print(f"no icons ({error}); everything else is trained", flush=True)


def train_autoencoder(settings: Run) -> None:
    """Both halves of the autoencoder."""
    path = settings.out / "autoencoder.safetensors"
    if settings.start:
        checkpoint.save(path, {"model": autoencoder.load(settings.start / "vae").state_dict()})
        return
    limit = settings.seconds("autoencoder")
    autoencoder.train(autoencoder.build(), limit, settings.device, "both", settings.seed, path, settings.out)


def train_text(settings: Run) -> None:
    """Text encoder."""
    words = tokenizer.load(settings.out / "tokenizer")
    teacher = None
    if settings.start:
        teacher = text_encoder.load(settings.start / "text_encoder").to(settings.device)
        model = copy.deepcopy(teacher)
    else:
        model = text_encoder.build(len(words), words.bos_token_id, words.eos_token_id)
    limit = settings.seconds("text")
    text_encoder.train(model, words, limit, settings.device, settings.seed, settings.out, teacher)
    model.save_pretrained(settings.out / "text_encoder")


def make_data(settings: Run) -> None:
    """Shards of every kind the recipe names, while the stage's time lasts but at least one of each."""
    words = tokenizer.load(settings.out / "tokenizer")
    encoder = load_autoencoder(settings, decoder=False).encoder
    factor = recipes.CUDA_SHARDS if settings.device.type == "cuda" else 1
    counts = {kind: count * factor for kind, count in settings.recipe.shards.items()}
    jobs = [
        (kind, index)
        for index in range(max(counts.values()))
        for kind, count in counts.items()
        if index < count
    ]
    limit = settings.seconds("data")
    data.prepare(
        settings.shards, jobs, len(counts), limit, encoder, words, settings.device, settings.out / "icons"
    )


def train_unet(settings: Run) -> None:
    """All phases, each from the averaged weights of the one before."""
    model = _fresh_unet(settings)
    for phase in settings.recipe.phases:
        limit = settings.seconds("unet") * phase.share
        model = denoising.train(settings.course, phase, limit, _unet_path(settings, phase), model)


def train_decoder(settings: Run) -> None:
    """Fine-tune the decoder alone; needs no more than the autoencoder, so it may run beside the UNet."""
    model = load_autoencoder(settings, decoder=False)
    path, limit = settings.out / "decoder.safetensors", settings.seconds("decoder")
    autoencoder.train(model, limit, settings.device, "decoder", settings.seed + 50, path, settings.out)


def train_control(settings: Run, hint: str) -> None:
    """One ControlNet, on the finished UNet."""
    denoiser, _ = load_unet(settings)
    path = settings.out / f"{hint}.safetensors"
    net = control.train(settings.course, hint, settings.seconds(hint), path, denoiser)
    control.save(net, settings.out / "controls" / hint)


def train_style(settings: Run, style: str) -> None:
    """The LoRA of a style, on the finished UNet."""
    denoiser, _ = load_unet(settings)
    path = settings.out / f"{style}.safetensors"
    model = lora.train(settings.course, style, settings.seconds(style), path, denoiser)
    lora.save(model, settings.out / "loras" / f"{style}.safetensors")


def load_autoencoder(settings: Run, decoder: bool = True) -> nn.Module:
    """The trained autoencoder, with its fine-tuned decoder where that exists and is asked for."""
    model = autoencoder.build().to(settings.device)
    path = settings.out / "decoder.safetensors"
    if not (decoder and path.exists()):
        path = settings.out / "autoencoder.safetensors"
    model.load_state_dict(checkpoint.load(path, settings.device)["model"])
    return model.eval()


def load_unet(settings: Run) -> tuple[nn.Module, dict[str, float]]:
    """The averaged weights of the latest phase, and how far it got; the starting weights where nothing was
    trained.
    """
    for phase in reversed(settings.recipe.phases):
        path = _unet_path(settings, phase)
        if path.exists():
            return denoising.averaged(path, _fresh_unet(settings))
    return _fresh_unet(settings), {"seconds": 0.0, "samples": 0}


def export_model(settings: Run, target: Path) -> None:
    """Write the diffusers folder from whatever has been trained so far."""
    denoiser, progress = load_unet(settings)
    figures = settings.out / "figures.json"
    card = {
        "name": "Pocket",
        "version": export.VERSION,
        "licence": export.LICENCE,
        "native_px": 8 * int(denoiser.config.sample_size),
        "steps": 20,
        "guidance_scale": 3.0,
        "training": {"recipe": "tools/pocket", "seed": settings.seed, "unet": progress},
        "figures": json.loads(figures.read_text()) if figures.exists() else {},
    }
    export.folder(
        target,
        load_autoencoder(settings),
        text_encoder.load(settings.out / "text_encoder"),
        denoiser,
        settings.out / "tokenizer",
        card,
    )


def _fresh_unet(settings: Run) -> nn.Module:
    return denoising.start(settings.start) if settings.start else unet.build(settings.recipe.unet)


def _unet_path(settings: Run, phase: denoising.Phase) -> Path:
    return settings.out / f"unet-{phase.name}.safetensors"


def _done(settings: Run, stage: str) -> Path:
    """The mark that a stage is finished."""
    return settings.out / "done" / stage


def _needs(settings: Run, stage: str) -> list[Path]:
    """Files that a stage waits for: marks of other stages, and the first shards of its data."""
    before = {
        "text": ("words", "icons"),
        "data": ("words", "icons", "autoencoder"),
        "unet": ("text",),
        "decoder": ("autoencoder",),
        "scribble": ("unet",),
        "depth": ("unet",),
        "pencil": ("unet",),
        "export": ("words", "autoencoder", "text"),
    }.get(stage, ())
    kinds = {
        "unet": [source.kind for source in settings.recipe.phases[0].sources],
        "scribble": [control.KIND],
        "depth": [control.KIND],
        "pencil": [("pencil", 256)],
    }.get(stage, [])
    return [
        *(_done(settings, name) for name in before if name in settings.recipe.stages),
        *(settings.shards.path(kind, 0) for kind in kinds),
    ]


_STAGES = {
    "words": train_words,
    "icons": fetch_icons,
    "autoencoder": train_autoencoder,
    "text": train_text,
    "data": make_data,
    "unet": train_unet,
    "decoder": train_decoder,
}
