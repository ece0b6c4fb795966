"""The reference of the contracts: all that contracts/interfaces say of themselves, as Markdown.

It is taken from the compiler's syntax tree, since its devdoc leaves out the fields of structs and what events and
errors are called by on the chain.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Node = Mapping[str, Any]

INTERFACES = "contracts/interfaces"
# In the order readers want them; of what the syntax tree has, the rest is of no interest to callers.
KINDS = {
    "FunctionDefinition": ("Functions", "function"),
    "ErrorDefinition": ("Errors", "error"),
    "EventDefinition": ("Events", "event"),
    "StructDefinition": ("Structs", "struct"),
    "EnumDefinition": ("Enums", "enum"),
    "UserDefinedValueTypeDefinition": ("Types", "type"),
}
_TAG = re.compile(r"^@(\w+) ?", flags=re.MULTILINE)


@dataclass(frozen=True, slots=True)
class NatSpec:
    """The parts of a documentation comment."""

    title: str = ""
    notice: str = ""
    remarks: list[str] = field(default_factory=list)
    parameters: dict[str, str] = field(default_factory=dict)
    returns: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, node: Node) -> NatSpec:
        """What stands above a node of the syntax tree."""
        documentation = node.get("documentation") or {}
        text = documentation if isinstance(documentation, str) else documentation.get("text", "")
        text = "\n".join(line.strip() for line in text.strip().splitlines())
        if text and not text.startswith("@"):
            text = "@notice " + text
        parts = _TAG.split(text)[1:]
        found = cls()
        notices: list[str] = []
        titles: list[str] = []
        for tag, told in zip(parts[::2], parts[1::2], strict=True):
            words = _linked(" ".join(told.split()))
            if tag == "param":
                name, _, meaning = words.partition(" ")
                found.parameters[name] = meaning
            elif tag == "return":
                found.returns.append(words)
            elif tag == "dev":
                found.remarks.append(words)
            else:
                (titles if tag == "title" else notices).append(words)
        return cls(" ".join(titles), " ".join(notices), found.remarks, found.parameters, found.returns)


def _linked(text: str) -> str:
    """NatSpec's `{name}` for another item, as code."""
    return re.sub(r"(?<!`)\{(\w+(?:\.\w+)?)\}", r"`\1`", text)


def syntax_trees(root: Path) -> dict[str, Node]:
    """Syntax tree of each interface by its name. Raises RuntimeError with what the compiler complains of."""
    paths = sorted((root / INTERFACES).glob("*.sol"))
    request = {
        "language": "Solidity",
        "sources": {f"{INTERFACES}/{path.name}": {"content": path.read_text(encoding="utf-8")} for path in paths},
        "settings": {
            "outputSelection": {"*": {"": ["ast"]}},
            "remappings": ["@openzeppelin/contracts/=lib/@openzeppelin/contracts/"],
        },
    }
    done = subprocess.run(  # noqa: S603
        ["node", str(root / "toolchain/solc_front.js"), "--standard-json", "--base-path", str(root)],  # noqa: S607
        input=json.dumps(request),
        capture_output=True,
        text=True,
        check=True,
        cwd=root,
    )
    answer = json.loads(done.stdout)
    errors = [one["formattedMessage"] for one in answer.get("errors", []) if one["severity"] == "error"]
    if errors:
        raise RuntimeError("\n".join(errors))
    return {path.stem: answer["sources"][f"{INTERFACES}/{path.name}"]["ast"] for path in paths}


def interface_pages(root: Path) -> Iterator[tuple[str, str]]:
    """Name and Markdown of each interface's page."""
    for name, tree in syntax_trees(root).items():
        parts = [f"# {name}\n"]
        for node in tree["nodes"]:
            if node["nodeType"] == "ContractDefinition":
                parts += _contract(node)
        free = [node for node in tree["nodes"] if node["nodeType"] in KINDS]
        parts += _members(free)
        yield name, "\n".join(parts)


def _contract(node: Node) -> Iterator[str]:
    told = NatSpec.of(node)
    yield f"{told.title}\n\n{told.notice}\n"
    bases = [base["baseName"]["name"] for base in node["baseContracts"]]
    if bases:
        yield "Answers also what " + ", ".join(f"`{base}`" for base in bases) + " has.\n"
    for remark in told.remarks:
        yield f"{remark}\n"
    yield from _members(node["nodes"])


def _members(nodes: list[Node]) -> Iterator[str]:
    for kind, (heading, keyword) in KINDS.items():
        members = [node for node in nodes if node["nodeType"] == kind]
        if members:
            yield f"## {heading}\n"
        for member in members:
            yield from _member(member, keyword)


def _member(node: Node, keyword: str) -> Iterator[str]:
    told = NatSpec.of(node)
    yield f"### {node['name']} {{: #{keyword}-{_identifier(node)} }}\n"
    yield f"```solidity\n{_declaration(node, keyword)}\n```\n"
    yield f"{told.notice}\n"
    for remark in told.remarks:
        yield f"{remark}\n"
    meant = [(name, meaning) for name, meaning in told.parameters.items()]
    if meant:
        yield _table("field" if keyword == "struct" else "parameter", meant)
    if told.returns:
        yield _table("returns", _named_returns(node, told.returns))
    if key := _chain_key(node):
        yield f"<small>{key}</small>\n"


def _identifier(node: Node) -> str:
    """Overloads have the selector in their anchors."""
    return f"{node['name']}-{node['functionSelector']}" if node.get("overloaded") else str(node["name"])


def _named_returns(node: Node, returns: list[str]) -> list[tuple[str, str]]:
    values = node["returnParameters"]["parameters"]
    rows = []
    for value, told in zip(values, returns, strict=False):
        name = value["name"]
        rows.append((name or _type(value), told.removeprefix(f"{name} ") if name else told))
    return rows


def _chain_key(node: Node) -> str:
    """What the item is called by on the chain."""
    for key, label in (("functionSelector", "selector"), ("errorSelector", "selector"), ("eventSelector", "topic")):
        if key in node:
            return f"{label} `0x{node[key]}`"
    return ""


def _table(heading: str, rows: list[tuple[str, str]]) -> str:
    lines = [f"| {heading} | |", "|---|---|"]
    lines += [f"| `{name}` | {meaning.replace('|', chr(92) + '|')} |" for name, meaning in rows]
    return "\n".join(lines) + "\n"


def _declaration(node: Node, keyword: str) -> str:
    name = node["name"]
    if keyword == "enum":
        return f"enum {name} {{ {', '.join(member['name'] for member in node['members'])} }}"
    if keyword == "type":
        return f"type {name} is {node['underlyingType']['name']};"
    if keyword == "struct":
        fields = "\n".join(f"    {_type(member)} {member['name']};" for member in node["members"])
        return f"struct {name} {{\n{fields}\n}}"
    head = f"{keyword} {name}"
    parameters = [_parameter(one) for one in node["parameters"]["parameters"]]
    tail = ""
    if keyword == "function":
        words = [node["visibility"]] + ([node["stateMutability"]] if node["stateMutability"] != "nonpayable" else [])
        returns = ", ".join(_parameter(one) for one in node["returnParameters"]["parameters"])
        tail = " " + " ".join(words) + (f" returns ({returns})" if returns else "")
    line = f"{head}({', '.join(parameters)}){tail};"
    if len(line) <= 100:
        return line
    return f"{head}(\n" + ",\n".join(f"    {one}" for one in parameters) + f"\n){tail};"


def _parameter(node: Node) -> str:
    words = [_type(node)]
    if node.get("indexed"):
        words.append("indexed")
    if node.get("storageLocation") in ("memory", "calldata"):
        words.append(node["storageLocation"])
    return " ".join([*words, node["name"]] if node["name"] else words)


def _type(node: Node) -> str:
    """A type as it is written, without the compiler's `struct` and storage place."""
    told: str = node["typeDescriptions"]["typeString"]
    return re.sub(r"^(struct|enum|contract) | (calldata|memory|storage ref|storage pointer)$", "", told)
