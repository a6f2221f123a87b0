"""Peers that answer block sync with something else than the truth, one a file.

Each module has `answer`, given the honest chain and what an honest peer would say, and `OFFENCE`, what the liar is
charged with in the end."""
