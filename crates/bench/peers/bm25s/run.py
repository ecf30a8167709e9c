"""BM25 by bm25s: prints the ten best texts of a collection for each question, as JSON.

Run as `run.py <folder> <stemmer or ->`; the folder has corpus.jsonl and queries.jsonl.
"""

import json
import re
import sys

import bm25s
import Stemmer

FOLDER, LANGUAGE = sys.argv[1], sys.argv[2]


def lines(name: str) -> list[dict]:
    with open(f"{FOLDER}/{name}", encoding="utf-8") as file:
        return [json.loads(line) for line in file if line.strip()]


def pairs(text: str) -> list[str]:
    """Pairs of neighbouring chars, for languages without spaces."""
    found = []
    for run in re.findall(r"\w+", text.lower()):
        found += [run[at : at + 2] for at in range(len(run) - 1)] or [run]
    return found


def tokens(texts: list[str]):
    if LANGUAGE == "-":
        return [pairs(text) for text in texts]
    stemmer = Stemmer.Stemmer(LANGUAGE)
    stopwords = LANGUAGE if LANGUAGE in ("english", "german") else None
    return bm25s.tokenize(
        texts, stopwords=stopwords, stemmer=stemmer, return_ids=False, show_progress=False
    )


corpus, queries = lines("corpus.jsonl"), lines("queries.jsonl")
texts = [f"{text.get('title', '').replace('_', ' ')}\n{text['text']}" for text in corpus]
# What each way of cutting is best with on these collections.
index = bm25s.BM25(method="lucene", k1=1.2 if LANGUAGE == "-" else 1.5, b=0.75)
index.index(tokens(texts), show_progress=False)
found, _ = index.retrieve(
    tokens([query["text"] for query in queries]), k=10, show_progress=False
)
print(
    json.dumps(
        {
            query["_id"]: [corpus[place]["_id"] for place in places]
            for query, places in zip(queries, found.tolist())
        }
    )
)
