"""`python -m skullstrip.cli.boutiques` prints the command's Boutiques descriptor, for one scan."""

from __future__ import annotations

import json
from argparse import Action
from typing import Any

from .._version import __version__
from ..output_files import OUTPUTS
from .common import count
from .main import DESCRIPTION, make_parser

LEFT_OUT = {"help", "version", "image", "inputs"}
NUMBERS: dict[Any, dict[str, Any]] = {
    count: {"integer": True, "minimum": 1}, int: {"integer": True}, float: {}
}  # fmt: skip
SCAN = {
    "id": "scan",
    "name": "scan",
    "description": "A whole head, T1-weighted best",
    "type": "File",
    "value-key": "[SCAN]",
}


def descriptor() -> dict[str, Any]:
    """Return the descriptor as plain data, made from the command's own arguments."""
    actions = [action for action in make_parser()._actions if action.dest not in LEFT_OUT]
    keys = " ".join(f"[{_name(action).upper()}]" for action in actions)
    return {
        "name": "skullstrip",
        "tool-version": __version__,
        "description": DESCRIPTION.splitlines()[0],
        "schema-version": "0.5",
        "command-line": f"skullstrip [SCAN] {keys}",
        "inputs": [SCAN, *map(_input, actions)],
        "output-files": [
            {
                "id": f"{action.dest}_file",
                "name": f"{action.dest}_file",
                "description": action.help,
                "path-template": f"[{action.dest.upper()}]",
                "optional": True,
            }
            for action in actions
            if action.dest in OUTPUTS
        ],
        "error-codes": [
            {"code": 1, "description": "The scan could not be stripped."},
            {"code": 2, "description": "The input or an argument is at fault."},
        ],
    }


def _input(action: Action) -> dict[str, Any]:
    """Return what a value of the argument may be; argparse and Boutiques agree on the rest."""
    kind: dict[str, Any] = {"type": "String" if action.dest in OUTPUTS else "File"}
    if action.nargs == 0:
        kind = {"type": "Flag"}
    elif action.choices:
        kind = {"type": "String", "value-choices": [str(choice) for choice in action.choices]}
    elif action.type in NUMBERS:
        kind = {"type": "Number", **NUMBERS[action.type]}
    return {
        "id": _name(action),
        "name": _name(action),
        "description": action.help,
        "optional": True,
        "command-line-flag": action.option_strings[-1],
        "value-key": f"[{_name(action).upper()}]",
        **kind,
    }


def _name(action: Action) -> str:
    """Return the argument's own name; `keep_csf` of the options is --no-csf."""
    return action.option_strings[-1].lstrip("-").replace("-", "_")


if __name__ == "__main__":
    print(json.dumps(descriptor(), indent=2))
