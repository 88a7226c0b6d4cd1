"""User code that mypy and pyright must both refuse: an ignore comment that is not needed is an error of its own."""

from __future__ import annotations

from pathlib import Path

import scanner

# The root
scanner.walk(1)  # type: ignore[type-var]  # pyright: ignore[reportArgumentType]
scanner.scan()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]

# Names of options
scanner.walk("x", max_worker=2)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
scanner.scan("x", git_ignore=True)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
scanner.ScanOptions(roots=("x",))  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
scanner.walk("x", stat=True)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
scanner.entries("x", True)  # type: ignore[call-arg, arg-type]  # pyright: ignore[reportCallIssue]

# Values of options
scanner.walk("x", backend="threads")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
scanner.walk("x", start_method="vfork")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
scanner.scan("x", stat=("size", "mtime"))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
scanner.entries("x", stat="sizes")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
scanner.scan("x", types="x")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
scanner.scan("x", types=["f", "file"])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]
scanner.scan("x", max_depth="3")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
scanner.scan("x", window=None)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
scanner.scan("x", prune="*.o")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
scanner.scan("x", progress_callback=len)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
scanner.scan("x", errors="ignore")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
scanner.walk("x", errors="raise")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
scanner.walk("x", onerror=lambda: None)  # type: ignore[arg-type, misc]  # pyright: ignore[reportArgumentType]
scanner.ParallelScanner(options={"max_workers": 2})  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

scanner.du("x", time="birth")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
scanner.du("x", stat=True)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
scanner.why()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]

# Results
root, dirs = next(scanner.walk("x"))  # type: ignore[misc]  # pyright: ignore[reportAssignmentType]
raw: bytes = scanner.scan("x")[0][0]  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
entry = next(scanner.entries(Path("x")))
print(entry.modified)  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
print(entry.size + 1)  # type: ignore[operator]  # pyright: ignore[reportOptionalOperand]
print(entry.path.decode)  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
print(entry.type == "file")  # type: ignore[comparison-overlap]  # pyright: ignore[reportUnnecessaryComparison]
print(scanner.scan("x").errors[0].kind == "no")  # type: ignore[comparison-overlap]  # pyright: ignore[reportUnnecessaryComparison]
scanner.ScanOptions().timeout = 1  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
print(scanner.nothing)  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
