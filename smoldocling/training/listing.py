"""Programs that nobody ran: lines of code in the manner of several languages.

Knows: the languages' look. Does not know: fonts, pages. Four spaces or two are one step of indent.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from smoldocling.training.words import ADJECTIVES, NOUNS, VERBS

# Words that some of the languages keep for themselves.
NAMES = [noun for noun in NOUNS if noun not in ("case", "class", "group", "key", "order", "string", "table")]


@dataclass(frozen=True, slots=True)
class Language:
    """How a language writes things. `{f}` a function, `{a}` `{b}` names, `{n}` a number, `{s}` a text, `{o}` a sign.

    label    as in DocTags
    opening  its first lines      plain   lines that stand alone, the first two of them no comments
    nests    a line that begins a block and the one that ends it (may be empty)
    closing  its last lines, inside the function and after it
    """

    label: str
    opening: tuple[str, ...]
    plain: tuple[str, ...]
    nests: tuple[tuple[str, str], ...]
    closing: tuple[str, ...]
    step: int = 4


LANGUAGES = (
    Language(
        "Python",
        ("def {f}({a}, {b}):", "def {f}({a}: int, {b}: str = {s}) -> int:", "async def {f}(self, {a}):"),
        (
            "{a} = {b} {o} {n}",
            "print({a}[{n}])",
            "{a}.append({b})",
            "# {a} {v} {b}",
            "{a} = [x for x in {b}]",
            "{a} = {s}",
        ),
        (
            ("if {a} > {n}:", ""),
            ("for {a} in range({n}):", ""),
            ("while {a} != {b}:", ""),
            ("with open({s}) as {a}:", ""),
        ),
        ("    return {a}",),
    ),
    Language(
        "JavaScript",
        ("function {f}({a}, {b}) {{", "const {f} = ({a}) => {{"),
        ("const {a} = {b} {o} {n};", "console.log({a});", "{a}.push({b});", "// {a} {v} {b}", "let {a} = {s};"),
        (("if ({a} === {n}) {{", "}}"), ("for (const {a} of {b}) {{", "}}")),
        ("  return {a};", "}}"),
        2,
    ),
    Language(
        "C",
        ("int {f}(int {a}, char *{b}) {{", "static void {f}(double *{a}) {{"),
        ("int {a} = {b} {o} {n};", 'printf("%d\\n", {a});', "{a}[{n}] = {b};", "/* {a} {v} {b} */", "{a}->{b} = {n};"),
        (("if ({a} < {n}) {{", "}}"), ("for (int i = 0; i < {n}; i++) {{", "}}"), ("while ({a} && {b}) {{", "}}")),
        ("    return {n};", "}}"),
    ),
    Language(
        "Java",
        ("public int {f}(String {a}) {{", "private static List<String> {f}(int {a}) {{"),
        ("int {a} = {b} {o} {n};", "System.out.println({a});", "this.{a} = {b};", "// {a} {v} {b}"),
        (("if ({a}.isEmpty()) {{", "}}"), ("for (int i = 0; i < {n}; i++) {{", "}}")),
        ("    return {a};", "}}"),
    ),
    Language(
        "Rust",
        ("fn {f}({a}: &str) -> usize {{", "pub fn {f}(mut {a}: Vec<u8>) {{"),
        ("let {a} = {b} {o} {n};", 'println!("{{}}", {a});', "let mut {a} = {s};", "// {a} {v} {b}"),
        (("if {a} >= {n} {{", "}}"), ("for {a} in 0..{n} {{", "}}"), ("match {a} {{", "}}")),
        ("    {a}", "}}"),
    ),
    Language(
        "Go",
        ("func {f}({a} int) error {{", "func ({a} *{A}) {f}() string {{"),
        ("{a} := {b} {o} {n}", "fmt.Println({a})", "{a} = append({a}, {n})", "// {a} {v} {b}"),
        (("if err != nil {{", "}}"), ("for i := 0; i < {n}; i++ {{", "}}")),
        ("    return nil", "}}"),
    ),
    Language(
        "SQL",
        ("SELECT {a}, COUNT(*)", "SELECT {a}.{b}, {n}"),
        ("FROM {a}", "JOIN {b} ON {a}.id = {b}.id", "WHERE {a} > {n}", "AND {b} = '{a}'", "-- {a} {v} {b}"),
        (),
        ("GROUP BY {a};",),
        2,
    ),
    Language(
        "Bash",
        ("#!/bin/sh", "{f}() {{", "set -eu"),
        ("echo {s}", "{a}={n}", 'cp "${a}" "${b}"', "# {a} {v} {b}", "grep -n {a} {b}.txt | sort"),
        (('if [ "${a}" -gt {n} ]; then', "fi"), ("for {a} in *.txt; do", "done")),
        ("exit {n}",),
        2,
    ),
)


def code(random: Random, lines: int, width: int) -> tuple[str, str]:
    """A language's label and about so many lines of at most `width` characters, which is 30 or more."""
    language = random.choice(LANGUAGES)
    fill = _filler(random)
    begins = [fill(pattern) for pattern in random.sample(language.opening, len(language.opening))]
    rows = [next((row for row in begins if len(row) <= width), min(begins, key=len)[:width].rstrip())]
    depth, ends = 1 if language.nests else 0, list[str]()
    for _ in range(10 * lines):
        if len(rows) + len(ends) >= lines - len(language.closing):
            break
        indent = " " * (language.step * (depth + len(ends)))
        if ends and random.random() < 0.35 and _deeper(rows[-1], rows[-2], language.step):
            end = ends.pop()
            if end:
                rows.append(" " * (language.step * (depth + len(ends))) + fill(end))
        elif language.nests and len(ends) < 3 and random.random() < 0.3:
            begin, end = random.choice(language.nests)
            inner = indent + " " * language.step
            new = [indent + fill(begin), inner + fill(random.choice(language.plain[:2]))]
            if max(map(len, new)) <= width:
                rows += new
                ends.append(end)
        else:
            row = indent + fill(random.choice(language.plain))
            rows += [row] if len(row) <= width else []
    while ends:
        end = ends.pop()
        if end:
            rows.append(" " * (language.step * (depth + len(ends))) + fill(end))
    rows += [fill(row) for row in language.closing]
    return language.label, "\n".join(rows)


def _deeper(row: str, before: str, step: int) -> bool:
    """Whether a block has something in it, so that it may end."""
    return len(row) - len(row.lstrip()) >= len(before) - len(before.lstrip()) - step


def _filler(random: Random) -> Callable[[str], str]:
    """Fills names into a pattern. A program has few names and uses them again."""
    names = [random.choice(NAMES) for _ in range(4)] + [
        f"{random.choice(ADJECTIVES)}_{random.choice(NOUNS)}",
        "x",
        "i",
        "n",
    ]
    function = f"{random.choice(VERBS)}_{random.choice(NOUNS)}"

    def fill(pattern: str) -> str:
        a, b = random.sample(names, 2)
        return pattern.format(
            f=function,
            a=a,
            A=a.capitalize(),
            b=b,
            n=random.choice((0, 1, 2, 8, random.randrange(100), random.randrange(10_000))),
            s=f'"{random.choice(ADJECTIVES)} {random.choice(NOUNS)}"',
            o=random.choice("+-*/%"),
            v=random.choice(VERBS),
        )

    return fill
