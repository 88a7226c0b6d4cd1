"""Which option a keyword was meant to be: one that is nearly spelled so, or one that the shell spells so."""

from __future__ import annotations

from collections.abc import Sequence

SHELL = {
    "workers": "max_workers", "jobs": "max_workers", "threads": "max_workers", "processes": "max_workers",
    "follow": "followlinks", "follow_links": "followlinks", "follow_symlinks": "followlinks",
    "xdev": "one_file_system", "one_fs": "one_file_system", "same_file_system": "one_file_system",
    "depth": "max_depth", "maxdepth": "max_depth", "mindepth": "min_depth",
    "type": "types", "fields": "stat", "ignore": "exclude", "ignore_file": "ignore_files", "mtime": "newer",
    "no_hidden": "hidden=False", "skip_hidden": "hidden=False", "no_ignore": "gitignore=False",
    "progress": "progress_callback", "on_error": "onerror",
}  # fmt: skip
"""Options by names that they have in the shell, and in other programs."""
ELSEWHERE = {
    "onerror": 'walk and entries take it; scan has errors="raise", and the errors of its result',
    "errors": "scan takes it; walk and entries have onerror",
    "topdown": "walk and scan take it",
    "progress_callback": "scan and ParallelScanner take it",
}
"""Parameters that some functions have."""


def no_option(name: str, options: Sequence[str]) -> str:
    """Return the message for the keyword `name`, which is none of `options`."""
    from difflib import get_close_matches  # not needed otherwise

    spelled = name.lstrip("-").replace("-", "_").lower()
    if spelled in ELSEWHERE:
        return f"{name!r} is not an option here: {ELSEWHERE[spelled]}"
    known = {option: option for option in (*options, *ELSEWHERE)} | SHELL
    near = [known[spelled]] if spelled in known else [known[word] for word in get_close_matches(spelled, known, 1)]
    if near:
        return f"{name!r} is not an option: did you mean {near[0]}?"
    return f"{name!r} is not an option; the options are {', '.join(options)}"
