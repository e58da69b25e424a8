"""Where live sampling begins and which timesteps it visits.

Jobs cut a schedule of N steps off at the strength; of few steps that leaves a strength in jumps, and a number
of steps that changes with it. A live frame always runs as many steps as it is meant to: evenly spaced from
where the strength begins down to 0, each at the end of its interval ("trailing", Lin et al. 2023). The stock
pipelines do the same when they are handed these timesteps.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from math import floor
from typing import Any

from impasto_server.engine import linear_sampler
from impasto_server.engine.linear_sampler import LinearSampler
from impasto_server.families.few_steps import FewSteps

# In place of a model's own: schedules that are no evenly spaced timesteps, and what is not linear.
_PLAIN: Mapping[str, object] = {
    "timestep_spacing": "trailing",
    "clip_sample": False,
    "thresholding": False,
    "use_karras_sigmas": False,
    "use_exponential_sigmas": False,
    "use_beta_sigmas": False,
    "use_lu_lambdas": False,
}


def live_sampler(choice: FewSteps, model_scheduler: Any, run: int, strength: float) -> LinearSampler:
    """`run` steps over a picture with `strength` (above 0, up to 1), by the chosen sampler on the noise
    schedule of the model's own scheduler.
    """
    scheduler = build(choice, model_scheduler)
    if linear_sampler.takes_timesteps(scheduler):
        return linear_sampler.read(scheduler, timesteps(scheduler.config, run, strength))
    return linear_sampler.read_part(scheduler, max(run, floor(run / strength + 0.5)), run)


def build(choice: FewSteps, model_scheduler: Any) -> Any:
    """A scheduler object of the chosen kind."""
    import diffusers

    kind = getattr(diffusers, choice.sampler)
    known = inspect.signature(kind).parameters
    config = {key: value for key, value in {**model_scheduler.config, **_PLAIN}.items() if key in known}
    return kind(**{**config, **dict(choice.settings)})


def timesteps(config: Mapping[str, Any], run: int, strength: float) -> list[int]:
    """`run` timesteps, falling. Of samplers that know only every k-th timestep (LCM), of those."""
    trained = int(config["num_train_timesteps"])
    every = trained // int(config.get("original_inference_steps") or trained)
    first = strength * trained / every
    left = range(run, 0, -1)
    return [max(floor(first * steps / run + 0.5), steps) * every - 1 for steps in left]
