"""Annexes drawn from the release document alone: registry record, assessment, expert's file, datasheet, lineage."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache

import jinja2

from synthhealth.report import reading
from synthhealth.report.document import ReleaseDocument
from synthhealth.report.parts import ReleasedFile

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
    common = document.common
    files = [
        {"@id": f.path, "@type": "File", "contentSize": str(f.bytes), "sha256": f.sha256} for f in _files(document)
    ]
    source = "#source"
    action = {
        "@id": "#generation",
        "@type": "CreateAction",
        "name": f"generation with {common.lineage.engine}",
        "object": {"@id": source},
        "instrument": [{"@id": f"#software-{s.name}"} for s in common.lineage.software],
        "result": [{"@id": f.path} for f in _files(document)],
        "endTime": common.header.created_on,
    }
    return {
        "@context": "https://w3id.org/ro/crate/1.1/context",
        "@graph": [
            {
                "@id": "ro-crate-metadata.json",
                "@type": "CreativeWork",
                "conformsTo": {"@id": "https://w3id.org/ro/crate/1.1"},
                "about": {"@id": "./"},
            },
            {
                "@id": "./",
                "@type": "Dataset",
                "name": common.header.release,
                "description": "Synthetic patients: no row is a real person's record.",
                "datePublished": common.header.created_on,
                "hasPart": [*({"@id": f.path} for f in _files(document)), {"@id": "report.json"}],
                "mentions": {"@id": "#generation"},
            },
            {
                "@id": source,
                "@type": "Dataset",
                "name": f"source in schema {common.lineage.schema_name}",
                "description": "Real patients; stays inside the institution.",
                "identifier": f"hmac-sha256:{common.lineage.commitment}" if common.lineage.commitment != "" else "none",
            },
            action,
            {"@id": "report.json", "@type": "File", "sha256": digest},
            *files,
            *(
                {
                    "@id": f"#software-{s.name}",
                    "@type": "SoftwareApplication",
                    "name": s.name,
                    "softwareVersion": s.version,
                }
                for s in common.lineage.software
            ),
        ],
    }


def _files(document: ReleaseDocument) -> tuple[ReleasedFile, ...]:
    return document.common.lineage.files
