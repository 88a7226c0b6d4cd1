#!/usr/bin/env python3
"""Write docs/commands.md from the parser, and docs/report.md from docs/report.schema.json.

tools/make_pages.py            write them
tools/make_pages.py --check    fail if they are not up to date
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from scanner.cli.parser import DESCRIPTION, EXITS, SUMMARIES, Parser, make_parsers  # noqa: E402

Row = tuple[str, str]
WRITTEN = "<!-- Written by tools/make_pages.py. Do not edit. -->"


def commands() -> str:
    """Return the page of all commands: own options by command, then the options that several commands have."""
    parsers = {name: make_parsers([name])[1][name] for name in SUMMARIES}
    groups = {name: groups_of(parser) for name, parser in parsers.items()}
    shared = shared_groups(groups)
    parts = [
        f"# Commands\n\n{WRITTEN}\n",
        f"{DESCRIPTION.strip()} The output of `scanner COMMAND --help`, as a page.\n",
        table(
            ["command", "purpose"], [(f"[`{name}`](#scanner-{name})", text) for name, (text, _) in SUMMARIES.items()]
        ),
    ]
    parts += [command(name, parsers[name], groups[name], shared) for name in SUMMARIES]
    parts += [
        f"## {heading(title)}\n\n{remark(title)}{table(['option', 'meaning'], rows)}" for title, rows in shared.items()
    ]
    parts.append(f"## Exit codes\n\n```text\n{EXITS.strip()}\n```\n\n[Exit codes](exit-codes.md) says what to do.\n")
    return "\n".join(parts)


def groups_of(parser: Parser) -> dict[str, list[Row]]:
    """Return the options of a command by the title of their group."""
    titles = {id(group): group.title for group in parser._action_groups}
    found: dict[str, list[Row]] = {}
    for group in parser._action_groups:
        rows = [row_of(parser, action) for action in group._group_actions if "--help" not in action.option_strings]
        if rows:
            found[titles[id(group)] or ""] = rows
    return found


def row_of(parser: Parser, action: argparse.Action) -> Row:
    """Return the spelling of an option and its help."""
    metavar = action.metavar or (f"{{{','.join(map(str, action.choices))}}}" if action.choices else None)
    names = " ".join(metavar) if isinstance(metavar, tuple) else metavar
    spelled = [f"{option} {names}" if names and action.nargs != 0 else option for option in action.option_strings]
    text = (action.help or "") % {**vars(action), "prog": parser.prog}
    return ", ".join(f"`{each}`" for each in spelled or [str(names)]), escaped(text)


def escaped(text: str) -> str:
    """Return text with its options, quoted words and braces as code."""
    code = r"'([^']+)'|(\{.*\})|(\\[tn0])|(?<![\w/`-])(--?[A-Za-z0-9][\w-]*(?: [A-Z0-9]+(?= ?[,;:.)]|$))?)"
    return re.sub(code, lambda match: f"`{match[match.lastindex or 0]}`", text)


def shared_groups(groups: dict[str, dict[str, list[Row]]]) -> dict[str, list[Row]]:
    """Return the groups that several commands have, each with all of its options."""
    found: dict[str, list[Row]] = {}
    for title in dict.fromkeys(title for each in groups.values() for title in each):
        owners = [each[title] for each in groups.values() if title in each]
        largest = max(owners, key=len)
        if len(owners) > 1 and all(set(rows) <= set(largest) for rows in owners):
            found[title] = largest
    return found


def command(name: str, parser: Parser, groups: dict[str, list[Row]], shared: dict[str, list[Row]]) -> str:
    summary, epilog = SUMMARIES[name]
    own = [row for title, rows in groups.items() if title not in shared for row in rows]
    examples, _, text = epilog.partition("\n\n")
    text = text.partition("exit codes\n")[0].strip()
    lines = [f"## scanner {name}", "", f"{summary[0].upper()}{summary[1:]}.", ""]
    lines += ["```text", synopsis(parser), "```", "", table(["argument", "meaning"], own)]
    common = [shared_link(title, groups[title], shared[title]) for title in groups if title in shared]
    if common:
        lines += [f"Also: {', '.join(common)}.", ""]
    lines += ["Examples:", "", "```text", *(line.strip() for line in examples.splitlines()[1:]), "```", ""]
    if text:
        lines += [escaped(" ".join(text.split())), ""]
    return "\n".join(lines)


def synopsis(parser: Parser) -> str:
    positional = [action for action in parser._actions if not action.option_strings]
    words = [f"[{action.metavar} ...]" if action.nargs == "*" else str(action.metavar) for action in positional]
    return " ".join([parser.prog, "[OPTION ...]", *words])


def shared_link(title: str, rows: list[Row], all_rows: list[Row]) -> str:
    missing = [spelled for spelled, _ in all_rows if spelled not in dict(rows)]
    return f"[{heading(title).lower()}](#{anchor(heading(title))})" + (
        f" without {', '.join(missing)}" if missing else ""
    )


def heading(title: str) -> str:
    text = title.partition(" (")[0]
    return text[0].upper() + text[1:]


def anchor(text: str) -> str:
    return text.lower().replace(" ", "-")


def remark(title: str) -> str:
    """Return what the title of a group says in brackets, as a sentence."""
    text = title.partition(" (")[2].rstrip(")")
    text = re.sub(r"docs/(\S+)", r"[\1](\1)", text)
    return f"{text[0].upper()}{text[1:]}.\n\n" if text else ""


def table(heads: list[str], rows: list[Row]) -> str:
    cells = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in [heads, ["---", "---"], *cells]) + "\n"


def report() -> str:
    """Return the page of the fields of a report."""
    schema = json.loads((ROOT / "docs" / "report.schema.json").read_text())
    parts = [
        f"# Fields of a report\n\n{WRITTEN}\n",
        "`scanner scan --json`, `--report FILE.json` and `latest.json` of `scanner nightly` have these fields. "
        f"[report.schema.json](report.schema.json) is the JSON Schema. {schema['description']}\n",
        "`a[].b` is the field `b` of each element of `a`. A path that is not UTF-8 has its bytes in `path_b64`, in "
        "base64.\n",
    ]
    simple = [
        (name, field) for name, field in schema["properties"].items() if not list(fields_below(schema, name, field))
    ]
    parts.append(fields_table(schema, simple))
    for name, field in schema["properties"].items():
        below = list(fields_below(schema, name, field))
        if below:
            text = f"{field['description']}\n\n" if "description" in field else ""
            parts.append(f"## {name}\n\n{text}{fields_table(schema, below)}")
    return "\n".join(parts)


def fields_table(schema: dict[str, Any], fields: list[tuple[str, dict[str, Any]]]) -> str:
    rows = [f"| `{name}` | {type_of(schema, field)} | {field.get('description', '')} |" for name, field in fields]
    return "\n".join(["| field | type | meaning |", "|---|---|---|", *rows]) + "\n"


def fields_below(schema: dict[str, Any], name: str, field: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the fields of an object, or of the objects in an array, by their names with those above."""
    field = resolved(schema, field)
    if isinstance(field.get("items"), dict):
        yield from fields_below(schema, f"{name}[]", field["items"])
    for below, value in field.get("properties", {}).items():
        yield f"{name}.{below}", resolved(schema, value)
        yield from fields_below(schema, f"{name}.{below}", value)


def resolved(schema: dict[str, Any], field: dict[str, Any]) -> dict[str, Any]:
    """Return a field with all that its references say."""
    found: dict[str, Any] = {}
    for part in [*field.get("allOf", []), field]:
        named = schema["$defs"][part["$ref"].rpartition("/")[2]] if "$ref" in part else {}
        merged = {**(resolved(schema, named) if named else {}), **part}
        properties = {**found.get("properties", {}), **(named.get("properties", {})), **part.get("properties", {})}
        found = {**found, **merged, **({"properties": properties} if properties else {})}
    return found


def type_of(schema: dict[str, Any], field: dict[str, Any]) -> str:
    field = resolved(schema, field)
    if "enum" in field:
        return ", ".join("null" if value is None else f"`{value}`" for value in field["enum"])
    if "const" in field:
        return f"`{field['const']}`"
    kind = field.get("type", "")
    if kind == "array" and isinstance(field.get("items"), dict):
        return f"array of {type_of(schema, field['items']) or 'values'}"
    return " or ".join(kind) if isinstance(kind, list) else kind


PAGES = {ROOT / "docs" / "commands.md": commands, ROOT / "docs" / "report.md": report}

if __name__ == "__main__":
    outdated = [page for page, written in PAGES.items() if not page.exists() or page.read_text() != written()]
    if sys.argv[1:] != ["--check"]:
        for page in outdated:
            page.write_text(PAGES[page]())
    elif outdated:
        names = " and ".join(str(page.relative_to(ROOT)) for page in outdated)
        sys.exit(f"not up to date: {names}: run tools/make_pages.py")
