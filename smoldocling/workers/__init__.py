"""PDF work in processes of its own, so that a crash, a hang or a bomb costs one page and not the run."""
