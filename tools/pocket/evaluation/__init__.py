"""What Pocket can do, measured. Each part of the measurement is one function that gives rows of a table.

`run.PARTS` names them all; `run.run` measures those that a book of figures lacks, and writes the book and the
contact sheets. Every picture comes from a stock diffusers pipeline on one thread, apart from the rows that
say that they went through Impasto's own engine or server.
"""
