"""Check the language of all texts for users, by the rules of "Writing" in CONTRIBUTING: ``make lint``.

Code in a text counts as one word, and its content does not matter.
"""

from __future__ import annotations

import ast
import re
import sys
import tomllib
import typing as t
from collections.abc import Iterable, Iterator
from pathlib import Path

from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[2]
PAGES = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "docs/*.md")
CODE = "`_`"
#: Patterns that a sentence must not match, and what to write instead. {} is the match.
PATTERNS = {
    "length": (r"^(\W*[\w`]\S*\s+){25}\W*[\w`]", "split the sentence: it has over 25 words"),
    "marks": (r"[:;]\s.*(;\s|:(\s|$))", "split the sentence: it has more than one colon or semicolon"),
    "start": (r"^\W*(it|they|those|these|this|that|both|its)\b", "name the subject instead of {}"),
    "what": (r"\b(what|whatever|whoever)\b(?!.*\?\W*$)", "write a noun instead of {}"),
    "one": (r"\b(one's|of yours|the ones?)\b", "repeat the noun instead of {}"),
    "we": (r"\b(we|us|ours?)\b", "name who acts instead of {}"),
}


class Text(t.NamedTuple):
    """A paragraph, heading, list item, cell of a table, string, or a sentence of one of these."""

    line: int
    words: str


class Finding(t.NamedTuple):
    """A sentence that breaks a rule, and advice."""

    place: str
    rule: str
    advice: str
    sentence: str


def markdown_texts(source: str) -> Iterator[Text]:
    """Yield the prose of a page, without blocks of code and comments."""
    line = 0
    for token in MarkdownIt().enable("table").parse(source):
        line = token.map[0] + 1 if token.map else line
        if token.type == "inline" and not token.content.startswith(":::"):
            words = {"code_inline": CODE, "softbreak": "\n", "hardbreak": "\n", "html_inline": ""}
            yield Text(line, "".join(words.get(part.type, part.content) for part in token.children or ()))


def python_texts(source: str) -> Iterator[Text]:
    """Yield the docstrings of public objects, and the strings that are texts."""
    hidden: set[ast.AST] = set()
    for node in ast.walk(ast.parse(source)):  # in breadth: parents first
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            private = node in hidden or re.match("_(?!_)", getattr(node, "name", ""))
            if private or not isinstance(node, ast.Module | ast.ClassDef):
                hidden.update(node.body)
            if (docstring := ast.get_docstring(node)) and isinstance(node.body[0], ast.Expr):
                hidden.add(node.body[0].value)
                yield from () if private else docstring_texts(docstring, node.body[0].lineno)
        elif isinstance(node, ast.JoinedStr):
            hidden.update(node.values)
            parts = [part.value if isinstance(part, ast.Constant) else CODE for part in node.values]
            yield from string_texts("".join(map(str, parts)), node.lineno)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in hidden:
            yield from string_texts(node.value, node.lineno)


def docstring_texts(source: str, line: int) -> Iterator[Text]:
    """Yield the paragraphs, list items and fields of a docstring, without blocks of code."""
    source = re.sub(r"::\n((?:\n| +.*\n?)+)", lambda block: ":\n" + "\n" * block[1].count("\n"), source)
    start = 0
    for end in re.finditer(r"\n(?=\s*(?:\n|:\w|- ))|\Z", source):
        text = source[start : end.start()]
        words = re.sub(r"^\s*(- |:(param|raises?|returns?)\b.*?: )", "", text).strip()
        if words and not words.startswith((">>>", "..")):
            skipped = source[:start] + text[: len(text) - len(text.lstrip())]
            yield Text(line + skipped.count("\n"), re.sub(r"(:\w+:)?(`{1,2})[^`]+\2", CODE, words))
        start = end.end()


def string_texts(source: str, line: int) -> Iterator[Text]:
    """Yield a string of at least four words. A prefix, such as the name of a setting, does not count."""
    words = re.sub(r"``[^`]+``", CODE, re.sub(rf"^({CODE}|API_\w+): ", "", source))
    if "\n" not in words and len(re.findall(r"[A-Za-z]{2,}", words)) > 3:
        yield Text(line, words if words[0].isupper() else f"{CODE} {words}")  # the start is elsewhere


def sentences(text: Text) -> Iterator[Text]:
    """Yield the sentences of a text."""
    start = 0
    for end in re.finditer(r"[.!?]+[\"')*]*(?=\s)|\Z", text.words):
        sentence = text.words[start : end.end()]
        before = text.words[:start] + sentence[: len(sentence) - len(sentence.lstrip())]
        yield Text(text.line + before.count("\n"), " ".join(sentence.split()))
        start = end.end()


def patterns(contributing: str) -> dict[str, tuple[str, str]]:
    """Return the patterns above and the table "Say / Not". A term there also stands for its endings."""
    found = dict(PATTERNS)
    table = contributing.partition("| Say | Not |\n")[2].partition("\n\n")[0]
    for say, terms in re.findall(r"^\| (.+?) \| (`.+`) \|$", table, re.MULTILINE):
        for term in re.findall(r"`([^`]+)`", terms):
            first, *rest = term.split()
            word = rf"({first}(s|es|d|ed|ing)?|{first.removesuffix('e')}ing)"
            found[f"term {term}"] = (rf"\b{' '.join([word, *rest])}\b", f"write {say} instead of {{}}")
    return found


def check(texts: Iterable[Text], file: str, contributing: str) -> Iterator[Finding]:
    """Yield the sentences of a file that break a rule."""
    rules = patterns(contributing)
    for text in texts:
        for number, (line, sentence) in enumerate(sentences(text)):
            for rule, (pattern, advice) in rules.items():
                match = re.search(pattern, sentence, re.IGNORECASE)
                if match and not (rule == "start" and number):
                    yield Finding(f"{file}:{line}", rule, advice.format(repr(match[0])), sentence)


def main(root: Path = ROOT) -> list[str]:
    """Return a line for each finding without an exception, and for each exception without a finding."""
    contributing = (root / "CONTRIBUTING.md").read_text()
    listed = tomllib.loads((root / "tests/writing/exceptions.toml").read_text())["exception"]
    unused = {(entry["rule"], entry["sentence"]) for entry in listed}
    lines, allowed = [], frozenset(unused)
    for path in sorted(path for glob in (*PAGES, "flask_core_auth/**/*.py") for path in root.glob(glob)):
        texts = (python_texts if path.suffix == ".py" else markdown_texts)(path.read_text())
        for finding in check(texts, str(path.relative_to(root)), contributing):
            unused.discard((finding.rule, finding.sentence))
            if (finding.rule, finding.sentence) not in allowed:
                lines.append(": ".join(finding))
    return lines + [f"exceptions.toml: {rule}: no such finding: {sentence}" for rule, sentence in unused]


if __name__ == "__main__":
    sys.exit("\n".join(main()) or None)
