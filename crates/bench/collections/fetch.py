"""Fetches the collections that `bench rag` is measured with, and writes them as it reads them.

Run as `fetch.py <folder>`. Needs git and a network. Each source is named by the commit, and so by
its content. The collections are for measuring; nothing of them is part of the project.
"""

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

# XQuAD, CC BY-SA 4.0.
XQUAD = ("https://github.com/google-deepmind/xquad", "7d30520c717524000f0d9d2f9c10a069acd9d285")
LANGUAGES = ("en", "de", "zh")
# The Cranfield collection, a classic public test set.
CRANFIELD = (
    "https://github.com/noramtboraas/information-retrieval",
    "4ea1b8e02da1db64b68b0364d50620b3c95528dc",
)


def checkout(source: tuple[str, str], folder: str) -> Path:
    url, commit = source
    for arguments in (
        ["init", "--quiet"],
        ["fetch", "--quiet", "--depth", "1", url, commit],
        ["checkout", "--quiet", "FETCH_HEAD"],
    ):
        subprocess.run(["git", "-C", folder, *arguments], check=True)
    return Path(folder)


def write(folder: Path, corpus: list[dict], queries: list[dict], grades: list[tuple]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in (("corpus.jsonl", corpus), ("queries.jsonl", queries)):
        lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (folder / name).write_text("".join(lines), encoding="utf-8")
    lines = ["query-id\tcorpus-id\tscore\n"]
    lines += (f"{query}\t{text}\t{grade}\n" for query, text, grade in grades)
    (folder / "qrels.tsv").write_text("".join(lines), encoding="utf-8")


def xquad(source: Path, language: str, folder: Path) -> None:
    data = json.loads((source / f"xquad.{language}.json").read_text(encoding="utf-8"))["data"]
    corpus, queries, grades = [], [], []
    for article in data:
        for paragraph in article["paragraphs"]:
            text = f"{language}-p{len(corpus)}"
            corpus.append(
                {"_id": text, "title": article["title"], "text": paragraph["context"]}
            )
            for question in paragraph["qas"]:
                query = f"{language}-{question['id']}"
                queries.append({"_id": query, "text": question["question"]})
                grades.append((query, text, 1))
    write(folder, corpus, queries, grades)


def fields(record: str) -> dict[str, str]:
    parts = re.split(r"^\.([TABW])\s*$", record, flags=re.MULTILINE)
    return {name: " ".join(text.split()) for name, text in zip(parts[1::2], parts[2::2])}


def records(text: str) -> list[str]:
    return re.split(r"^\.I \d+\s*$", text, flags=re.MULTILINE)[1:]


def cranfield(source: Path, folder: Path) -> None:
    def read(name: str) -> str:
        return (source / name).read_text(encoding="utf-8", errors="replace")

    corpus, queries, grades = [], [], []
    for number, record in enumerate(records(read("cran.all.1400")), 1):
        parts = fields(record)
        corpus.append(
            {"_id": str(number), "title": parts.get("T", ""), "text": parts.get("W", "")}
        )
    # Grades name questions by their place, not by the number they carry.
    for number, record in enumerate(records(read("cran.qry")), 1):
        queries.append({"_id": str(number), "text": fields(record)["W"]})
    for line in read("cranqrel").splitlines():
        if line.strip():
            query, text, code = line.split()
            # -1 is said of texts of no interest.
            grades.append((query, text, int(int(code) > 0)))
    write(folder, corpus, queries, grades)


def main() -> None:
    target = Path(sys.argv[1])
    with tempfile.TemporaryDirectory() as folder:
        source = checkout(XQUAD, folder)
        for language in LANGUAGES:
            xquad(source, language, target / "xquad" / language)
    with tempfile.TemporaryDirectory() as folder:
        cranfield(checkout(CRANFIELD, folder), target / "cranfield")


main()
