"""How a model is sampled when every millisecond counts: which sampler, in how many steps, how guided.

Distilled models need a sampler that fits how they were distilled, and no guidance. Nothing in their files
says so reliably: their makers say it in the name ("sdxl_lightning_4step_lora"), some in the scheduler.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

__all__ = ["FewSteps", "few_steps"]

Settings = Mapping[str, object]


@dataclass(frozen=True)
class FewSteps:
    """sampler: class name of the diffusers scheduler, made from the model's own configuration with `settings`
    in place of its values. steps: of the whole schedule, of which the strength runs a part, but at least
    `least`. guidance: None is the model's own.
    """

    sampler: str
    steps: int
    guidance: float | None = None
    settings: tuple[tuple[str, object], ...] = ()

    @property
    def distilled(self) -> bool:
        """Was taught to go all the way in one step, and to do without guidance."""
        return self.guidance is not None

    @property
    def least(self) -> int:
        """One step of a guided model overshoots: blotches of pure colour, at every strength."""
        return 1 if self.distilled else 2


# DDIM under another name, "DPM-Solver-1 is DDIM" (Lu et al. 2022, section 4.1), that can begin anywhere.
_DDIM = FewSteps(
    "DPMSolverMultistepScheduler",
    4,
    settings=(("solver_order", 1), ("algorithm_type", "dpmsolver++"), ("final_sigmas_type", "zero")),
)
# By the word in a name.
_DISTILLED: Mapping[str, FewSteps] = {
    "lcm": FewSteps("LCMScheduler", 4, 1.0),
    "turbo": FewSteps("EulerAncestralDiscreteScheduler", 1, 1.0),
    "lightning": FewSteps("EulerDiscreteScheduler", 4, 1.0),
    "hyper": replace(_DDIM, guidance=1.0),
}
# By the scheduler a model brings, where that has its timesteps at the end of the schedule; LCM's always has.
_TELLING: Mapping[str, str] = {
    "EulerAncestralDiscreteScheduler": "turbo",
    "EulerDiscreteScheduler": "lightning",
}
# What a model that was not distilled needs: fewer if it learned to begin at pure noise (Lin et al. 2023).
_FROM_PURE_NOISE = 4
_ORDINARY = 8
_STEPS = re.compile(r"(\d+)[-_ ]?steps?(?![a-z])")


def few_steps(names: Iterable[str], sampler: str, config: Settings) -> FewSteps:
    """For a model with these `names` (worn LoRAs', then its own) and this scheduler, by class and
    configuration.
    """
    for name in map(str.lower, names):
        for word, choice in _DISTILLED.items():
            if re.search(f"(?<![a-z]){word}(?![a-z])", name):
                said = _STEPS.search(name)
                return replace(choice, steps=int(said[1])) if said else choice
    if sampler == "LCMScheduler":
        return _DISTILLED["lcm"]
    if sampler in _TELLING and config.get("timestep_spacing") == "trailing":
        return _DISTILLED[_TELLING[sampler]]
    own = _DDIM if sampler == "DDIMScheduler" else FewSteps(sampler, _ORDINARY)
    return replace(own, steps=_FROM_PURE_NOISE if config.get("rescale_betas_zero_snr") else _ORDINARY)
