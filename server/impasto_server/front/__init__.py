"""The part that never falls over: sockets, canvases, journal, scheduler. Imports no torch."""
