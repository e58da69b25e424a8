"""What the marks in a prompt mean, and how they reach a text encoder."""

from impasto_server.prompting.emphasis import Words, emphasised

__all__ = ["Words", "emphasised"]
