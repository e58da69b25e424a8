"""Small honest stand-ins: an engine without torch, a pool without processes, a server that uses them."""
