"""Runs the Python SDKs through the grid: one JSON line on stdout for each cell.

    python grid.py SESSION MATRIX

SESSION is the file in which the stage says where the gateway and the providers
behind it are, and with which keys; MATRIX is what to run.
"""

import json
import os
import sys
import time
import traceback
from dataclasses import dataclass

import checks
from cells import Cells
from clients import anthropic_messages, bedrock_converse, bedrock_invoke, bedrock_titan, gemini, openai_chat, openai_responses

HERE = os.path.dirname(os.path.abspath(__file__))
CLIENTS = [openai_chat, openai_responses, anthropic_messages, bedrock_converse, bedrock_invoke, gemini, bedrock_titan]


@dataclass(frozen=True)
class Place:
    """Where a client sends its requests, and as whom."""

    url: str
    key: str
    aws_id: str
    aws_secret: str
    # Where each dialect begins below url.
    paths: dict

    @classmethod
    def read(cls, place: dict) -> "Place":
        return cls(place["url"], place["key"], place["awsAccessKeyId"], place["awsSecretAccessKey"], place["paths"])

    def stranger(self) -> "Place":
        """The same place, for somebody whom nobody knows."""
        return Place(self.url, "nobody-knows-this-key", "AKIDNOBODYKNOWSTHIS0", "nor-this-secret", self.paths)


def report(**cell) -> None:
    print(json.dumps(cell), flush=True)


def attempt(run, **cell) -> None:
    """Runs one cell, whatever happens in it."""
    start = time.monotonic()
    try:
        run()
        state, why = "ok", ""
    except Exception as error:  # noqa: BLE001: a failed cell must not end the grid
        state, why = "fail", f"{type(error).__name__}: {error}"
        if not isinstance(error, AssertionError):
            ours = [f for f in traceback.extract_tb(error.__traceback__) if f.filename.startswith(HERE)]
            why += f" (in {os.path.basename(ours[-1].filename)}, line {ours[-1].lineno})"
    report(state=state, why=why[:600], seconds=round(time.monotonic() - start, 3), **cell)


def absent(matrix: dict, dialect: str, family: str, column: str) -> str:
    """Why a cell cannot exist; empty if it can."""
    for entry in matrix["absent"]:
        if all(want in ("*", got) for want, got in ((entry["dialect"], dialect), (entry["family"], family), (entry["column"], column))):
            return entry["why"]
    return ""


def row(matrix: dict, module, place: Place, model: str, family: dict, label: str, only: str) -> None:
    client, stranger = module.Client(place), module.Client(place.stranger())
    cells = Cells(matrix, client, stranger, model, family, direct=label == "itself")
    for column in matrix["columns"]:
        where = {"grid": "matrix", "client": f"python {client.name}", "dialect": client.dialect, "family": label, "column": column}
        if only and only not in f"{client.dialect} {label} {column}":
            continue
        if why := absent(matrix, client.dialect, label, column):
            report(state="absent", why=why, seconds=0, **where)
        else:
            attempt(lambda: cells.run(column), **where)


def main(session_file: str, matrix_file: str, only: str = "") -> None:
    with open(session_file) as f:
        session = json.load(f)
    with open(matrix_file) as f:
        matrix = json.load(f)
    gateway = Place.read(session["gateway"])
    for module in CLIENTS:
        fake = matrix["dialects"][module.Client.dialect]["fake"]
        if place := session["fakes"].get(fake, session["gateway"] if not fake else None):
            family = matrix["families"].get(fake, {"model": ""})
            row(matrix, module, Place.read(place), family["model"], family, "itself", only)
        for label, family in matrix["families"].items():
            row(matrix, module, gateway, family["model"], family, label, only)
    for client, label, column, run in checks.every(matrix, gateway):
        if not only or only in f"{client} {label} {column}":
            attempt(run, grid="checks", client=f"python {client}", dialect="", family=label, column=column)


if __name__ == "__main__":
    main(*sys.argv[1:])
