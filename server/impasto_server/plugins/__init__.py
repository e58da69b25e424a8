"""The plugins' archives: built from a clone, and put where the programs look for them."""
