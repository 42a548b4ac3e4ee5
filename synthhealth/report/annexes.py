"""Annexes drawn from the release document alone: registry record, assessment, expert's file, datasheet, lineage."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache

import jinja2

from synthhealth.report import reading
from synthhealth.report.document import ReleaseDocument
from synthhealth.report.parts import ReleasedFile, Software

_TEMPLATES = (
    ("annexes/opendp-registry.yaml", "opendp-registry.yaml.j2"),
    ("annexes/dpia.md", "dpia.md.j2"),
    ("annexes/expert-determination.md", "expert-determination.md.j2"),
    ("annexes/datasheet.md", "datasheet.md.j2"),
)
ANNEXES = (*(path for path, _ in _TEMPLATES), "annexes/sbom.cdx.json", "ro-crate-metadata.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Annex:
    """A file drawn from the report: its path inside the release and its text."""

    path: str
    text: str


def annexes(document: ReleaseDocument, *, digest: str) -> tuple[Annex, ...]:
    """All annexes, in the order of `ANNEXES`; `digest` is the SHA-256 of report.json.

    Privacy: free; a release document holds nothing exact from real rows.
    """
    filled = tuple(Annex(path=path, text=_fill(name, document, digest)) for path, name in _TEMPLATES)
    return (
        *filled,
        Annex(path="annexes/sbom.cdx.json", text=_written(_bill_of_materials(document))),
        Annex(path="ro-crate-metadata.json", text=_written(_crate(document, digest))),
    )


@lru_cache(maxsize=1)
def _environment() -> jinja2.Environment:
    # Plain text and YAML: nothing is escaped but table cells; YAML strings are written as JSON strings.
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("synthhealth.report", "templates"),
        autoescape=False,  # noqa: S701  # no HTML comes out of these templates
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["cell"] = _cell
    return environment


def _cell(words: str) -> str:
    """Words that stay inside one cell of a Markdown table."""
    return " ".join(words.split()).replace("|", "\\|")


def _fill(name: str, document: ReleaseDocument, digest: str) -> str:
    return _environment().get_template(name).render(c=document.common, digest=digest, read=reading, quoted=json.dumps)


def _written(content: dict[str, object]) -> str:
    return json.dumps(content, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def _bill_of_materials(document: ReleaseDocument) -> dict[str, object]:
    """CycloneDX 1.6: the programs that took part."""
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {"type": "data", "name": document.common.header.release}},
        "components": [
            {
                "type": "platform" if s.name == "python" else "library",
                "name": s.name,
                "version": s.version,
                "purl": f"pkg:pypi/{s.name}@{s.version}" if s.name != "python" else f"pkg:generic/python@{s.version}",
            }
            for s in document.common.lineage.software
        ],
    }


def _crate(document: ReleaseDocument, digest: str) -> dict[str, object]:
    """RO-Crate 1.1 whose CreateAction is the PROV activity: source, software, released files."""
    nodes = (*_descriptors(document), _source(document), _action(document), *_parts(document, digest))
    return {"@context": "https://w3id.org/ro/crate/1.1/context", "@graph": list(nodes)}


def _descriptors(document: ReleaseDocument) -> tuple[dict[str, object], ...]:
    """The two entities that every crate has: the metadata file and the root."""
    metadata: dict[str, object] = {
        "@id": "ro-crate-metadata.json",
        "@type": "CreativeWork",
        "conformsTo": {"@id": "https://w3id.org/ro/crate/1.1"},
        "about": {"@id": "./"},
    }
    root: dict[str, object] = {
        "@id": "./",
        "@type": "Dataset",
        "name": document.common.header.release,
        "description": "Synthetic patients: no row is a real person's record.",
        "datePublished": document.common.header.created_on,
        "hasPart": [*({"@id": f.path} for f in _files(document)), {"@id": "report.json"}],
        "mentions": {"@id": "#generation"},
    }
    return metadata, root


def _source(document: ReleaseDocument) -> dict[str, object]:
    lineage = document.common.lineage
    return {
        "@id": "#source",
        "@type": "Dataset",
        "name": f"source in schema {lineage.schema_name}",
        "description": "Real patients; stays inside the institution.",
        "identifier": f"hmac-sha256:{lineage.commitment}" if lineage.commitment != "" else "none",
    }


def _action(document: ReleaseDocument) -> dict[str, object]:
    common = document.common
    return {
        "@id": "#generation",
        "@type": "CreateAction",
        "name": f"generation with {common.lineage.engine}",
        "object": {"@id": "#source"},
        "instrument": [{"@id": f"#software-{s.name}"} for s in common.lineage.software],
        "result": [{"@id": f.path} for f in _files(document)],
        "endTime": common.header.created_on,
    }


def _parts(document: ReleaseDocument, digest: str) -> tuple[dict[str, object], ...]:
    return (
        {"@id": "report.json", "@type": "File", "sha256": digest},
        *(_file(f) for f in _files(document)),
        *(_program(s) for s in document.common.lineage.software),
    )


def _file(file: ReleasedFile) -> dict[str, object]:
    return {"@id": file.path, "@type": "File", "contentSize": str(file.bytes), "sha256": file.sha256}


def _program(used: Software) -> dict[str, object]:
    named = {"name": used.name, "softwareVersion": used.version}
    return {"@id": f"#software-{used.name}", "@type": "SoftwareApplication", **named}


def _files(document: ReleaseDocument) -> tuple[ReleasedFile, ...]:
    return document.common.lineage.files
