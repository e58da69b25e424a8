"""Which models there are, and what a model folder holds. Imports no torch and maps no weights."""
