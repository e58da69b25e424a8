"""Images in, layers out: stock diffusers pipelines, steered through the step gate."""
