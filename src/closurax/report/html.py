"""A page that needs nothing but itself: styles inline, figures inside, no scripts."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

from .style import STYLE_SHEET


@dataclass(frozen=True)
class Figure:
    """A PNG file and what to look at in it."""

    file: Path
    title: str
    caption: str

    def html(self) -> str:
        data = base64.b64encode(self.file.read_bytes()).decode("ascii")
        return (
            f'<figure><img alt="{escape(self.title)}" src="data:image/png;base64,{data}">'
            f"<figcaption><b>{escape(self.title)}.</b> {escape(self.caption)}</figcaption></figure>"
        )


@dataclass(frozen=True)
class Table:
    """Rows of cells, of which the first names the row.

    `marked` rows stand out, and so does in every column the cell of the row in `best`; a cell
    of two lines shows the second one small.
    """

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str
    marked: Sequence[int] = ()
    best: dict[int, int] = field(default_factory=dict)
    colours: Sequence[str] = ()

    def html(self) -> str:
        head = "".join(f"<th>{_lines(cell)}</th>" for cell in self.header)
        body = "".join(self._row(index) for index in range(len(self.rows)))
        return (
            f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody>'
            f"</table></div><p class='note'>{escape(self.caption)}</p>"
        )

    def _row(self, index: int) -> str:
        name, *cells = self.rows[index]
        swatch = ""
        if self.colours:
            colour = escape(self.colours[index])
            swatch = f'<span class="swatch" style="background:{colour}"></span>'
        row = [f"<th>{swatch}{escape(name)}</th>"]
        for column, cell in enumerate(cells, start=1):
            best = ' class="best"' if self.best.get(column) == index else ""
            row.append(f"<td{best}>{_lines(cell)}</td>")
        marked = ' class="marked"' if index in self.marked else ""
        return f"<tr{marked}>{''.join(row)}</tr>"


@dataclass(frozen=True)
class Page:
    """A report, written by `html`.

    **Arguments:**

    - `title`, `summary`: at the top.
    - `cards`: large numbers with a label and a remark.
    - `findings`: sentences.
    - `sections`: headings, an introduction each, and what follows it.
    - `provenance`: pairs of what and value, at the end.
    - `configuration`: TOML text of the run.
    """

    title: str
    summary: str
    cards: Sequence[tuple[str, str, str]]
    findings: Sequence[str]
    sections: Sequence[tuple[str, str, Sequence[Figure | Table]]]
    provenance: Sequence[tuple[str, str]]
    configuration: str

    def html(self) -> str:
        cards = "".join(
            f'<div class="card"><span>{escape(label)}</span><strong>{escape(value)}</strong>'
            f"<small>{escape(remark)}</small></div>"
            for label, value, remark in self.cards
        )
        findings = "".join(f"<li>{escape(finding)}</li>" for finding in self.findings)
        sections = "".join(
            f"<section><h2>{escape(heading)}</h2><p>{escape(introduction)}</p>"
            f"{''.join(part.html() for part in parts)}</section>"
            for heading, introduction, parts in self.sections
        )
        provenance = "".join(
            f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in self.provenance
        )
        return (
            '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f"<title>{escape(self.title)}</title><style>{STYLE_SHEET}</style></head><body><main>"
            f"<header><h1>{escape(self.title)}</h1><p>{escape(self.summary)}</p></header>"
            f'<div class="cards">{cards}</div>'
            f"<section><h2>What was found</h2><ol>{findings}</ol></section>{sections}"
            f"<footer><h2>Provenance</h2><dl>{provenance}</dl>"
            f"<details><summary>Configuration</summary><pre>{escape(self.configuration)}</pre>"
            "</details></footer></main></body></html>\n"
        )


def _lines(cell: str) -> str:
    first, _, second = cell.partition("\n")
    return escape(first) + (f"<small>{escape(second)}</small>" if second else "")
